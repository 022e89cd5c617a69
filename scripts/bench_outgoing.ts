/** What the sources of duplicates (--duplicates) cost a proxy that makes one outgoing connection for each request. */
import { startBare } from "../test/support/bare_server.ts";
import { startBaton } from "../test/support/baton.ts";
import { freePort } from "../test/support/free_port.ts";
import { children } from "../test/support/proc.ts";
import { fixtureCommand, place, server } from "../test/support/servers.ts";
import { tempDir } from "../test/support/temp_dir.ts";
import { type LoadPlan, type Spread, spread, wrk } from "./bench_measure.ts";

const KINDS = ["bare", "getfd", "at-bind", "socket-trap"] as const;
type Kind = typeof KINDS[number];

export interface OutgoingCost {
  readonly perSecond: Readonly<Record<Kind, Spread>>;
  /** By bare, of each round. */
  readonly ratios: Readonly<Record<Kind, Spread>>;
  /** Of the proxy and its baton together, in microseconds for each request: other load on the machine does not change it. */
  readonly cpuUs: Readonly<Record<Kind, number>>;
  readonly errors: number;
}

const TICKS_PER_SECOND = 100;

/** All have passed their gate, and are saturated. */
export async function outgoingCost(
  { rounds, seconds }: LoadPlan,
  onRound: (done: number) => void,
): Promise<OutgoingCost> {
  using folder = tempDir("bench");
  const target = await freePort();
  const behind = place(server("go"), { port: target, workDir: folder.path });
  await using _target = await startBare({ ...behind, port: target });
  const ports = [await freePort(), await freePort(), await freePort(), await freePort()] as const;
  const proxy = (port: number) => ({
    command: fixtureCommand("proxy.js"),
    env: { PORT: String(port), TARGET_PORT: String(target) },
  });
  const wrapped = (port: number, kind: Kind) =>
    startBaton({ ...proxy(port), flags: ["--duplicates", kind] });
  await using bare = await startBare({ ...proxy(ports[0]), port: ports[0] });
  await using getfd = await wrapped(ports[1], "getfd");
  await using atBind = await wrapped(ports[2], "at-bind");
  await using trap = await wrapped(ports[3], "socket-trap");
  const { pid } = trap;
  const pids = { bare: bare.pid, getfd: getfd.pid, "at-bind": atBind.pid, "socket-trap": pid };
  const measured: Record<Kind, number[]> = {
    bare: [],
    getfd: [],
    "at-bind": [],
    "socket-trap": [],
  };
  const used: Record<Kind, number> = { bare: 0, getfd: 0, "at-bind": 0, "socket-trap": 0 };
  const requests: Record<Kind, number> = { ...used };
  let errors = 0;
  // The first round warms everything up.
  for (let round = 0; round <= rounds; round++) {
    for (const kind of round % 2 === 0 ? KINDS : KINDS.toReversed()) {
      const before = cpuSeconds(pids[kind]);
      const result = await wrk(ports[KINDS.indexOf(kind)]!, "keep-alive", seconds);
      errors += result.errors;
      if (round === 0) continue;
      measured[kind].push(result.perSecond);
      used[kind] += cpuSeconds(pids[kind]) - before;
      requests[kind] += result.perSecond * seconds;
    }
    onRound(round);
  }
  const each = (of: (kind: Kind) => Spread) =>
    Object.fromEntries(KINDS.map((kind) => [kind, of(kind)])) as Record<Kind, Spread>;
  return {
    perSecond: each((kind) => spread(measured[kind])),
    ratios: each((kind) =>
      spread(measured[kind].map((value, i) => value / (measured.bare[i] ?? NaN)))
    ),
    cpuUs: Object.fromEntries(
      KINDS.map((kind) => [kind, used[kind] / requests[kind] * 1_000_000]),
    ) as Record<Kind, number>,
    errors,
  };
}

/** Of a process and its children. */
function cpuSeconds(pid: number): number {
  const ticks = [pid, ...children(pid)].map((each) => {
    const text = Deno.readTextFileSync(`/proc/${each}/stat`);
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, each) => sum + each, 0) / TICKS_PER_SECOND;
}
