/** What the sources of duplicates (--duplicates) cost a proxy that makes one outgoing connection for each request. */
import { startBare } from "../../test/support/bare_server.ts";
import { startBaton } from "../../test/support/baton.ts";
import { freePort } from "../../test/support/free_port.ts";
import { children } from "../../test/support/proc.ts";
import { fixtureCommand, place, server } from "../../test/support/servers.ts";
import { tempDir } from "../../test/support/temp_dir.ts";
import { which } from "../../test/support/programs.ts";
import { restrictedBy } from "../../test/support/restrict.ts";
import { cpuSeconds } from "./proc.ts";
import type { Bench, BenchPlan, Measured, Section } from "./section.ts";
import { type Spread, spread, spreadRow } from "./spread.ts";
import { wrk } from "./wrk.ts";

/** `learned`: of a baton that chose the socket trap by itself, the generation after the first. */
const KINDS = ["bare", "getfd", "at-bind", "socket-trap", "learned"] as const;
type Kind = typeof KINDS[number];

interface OutgoingCost {
  readonly perSecond: Readonly<Record<Kind, Spread>>;
  /** By bare, of each round. */
  readonly ratios: Readonly<Record<Kind, Spread>>;
  /** Of the proxy and its baton together, in microseconds for each request: other load on the machine does not change it. */
  readonly cpuUs: Readonly<Record<Kind, number>>;
  readonly errors: number;
}

export const OUTGOING: Section = { name: "outgoing", isOfBuild: true, measure };

async function measure(bench: Bench): Promise<Measured | null> {
  if (which("wrk") === null || !bench.available("go") || !bench.available("node")) return null;
  const { plan } = bench;
  const onRound = (done: number) => bench.status(`outgoing: ${done}/${plan.rounds}`);
  const cost = await outgoingCost(plan, onRound);
  bench.table([
    ["proxy, a connection for each request", "CPU us each", "requests/s", "by bare", "min", "max"],
    ...KINDS.map((kind) => {
      const [cpu, median] = [cost.cpuUs[kind].toFixed(0), cost.perSecond[kind].median.toFixed(0)];
      return spreadRow([kind, cpu, median], cost.ratios[kind], 3);
    }),
    ["errors", String(cost.errors)],
  ]);
  return { figures: {}, details: cost };
}

/** All have passed their gate, and are saturated. */
async function outgoingCost(
  { rounds, seconds }: BenchPlan,
  onRound: (done: number) => void,
): Promise<OutgoingCost> {
  using folder = tempDir("bench");
  const target = await freePort();
  const behind = place(server("go"), { port: target, workDir: folder.path });
  await using _target = await startBare({ ...behind, port: target });
  const ports = await Promise.all(KINDS.map(() => freePort()));
  const proxy = (port: number) => ({
    command: fixtureCommand("proxy.js"),
    env: { PORT: String(port), TARGET_PORT: String(target) },
  });
  const portOf = (kind: Kind) => ports[KINDS.indexOf(kind)]!;
  const wrapped = (kind: Kind) =>
    startBaton({ ...proxy(portOf(kind)), flags: ["--duplicates", kind] });
  await using bare = await startBare({ ...proxy(portOf("bare")), port: portOf("bare") });
  await using getfd = await wrapped("getfd");
  await using atBind = await wrapped("at-bind");
  await using trap = await wrapped("socket-trap");
  const refused = restrictedBy("pidfd_getfd=EPERM");
  await using learned = await startBaton({ ...proxy(portOf("learned")), wrapper: refused });
  await learned.reload();
  await learned.settled();
  const { duplicates } = await learned.status();
  if (duplicates !== "at-bind") throw new Error(`the second generation has ${duplicates}`);
  const pids = {
    bare: bare.pid,
    getfd: getfd.pid,
    "at-bind": atBind.pid,
    "socket-trap": trap.pid,
    learned: learned.pid,
  };
  const measured: Record<Kind, number[]> = {
    bare: [],
    getfd: [],
    "at-bind": [],
    "socket-trap": [],
    learned: [],
  };
  const used: Record<Kind, number> = {
    bare: 0,
    getfd: 0,
    "at-bind": 0,
    "socket-trap": 0,
    learned: 0,
  };
  const requests: Record<Kind, number> = { ...used };
  let errors = 0;
  // The first round warms everything up.
  for (let round = 0; round <= rounds; round++) {
    for (const kind of round % 2 === 0 ? KINDS : KINDS.toReversed()) {
      const before = treeCpuSeconds(pids[kind]);
      const result = await wrk(portOf(kind), "keep-alive", seconds);
      errors += result.errors;
      if (round === 0) continue;
      measured[kind].push(result.perSecond);
      used[kind] += treeCpuSeconds(pids[kind]) - before;
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
function treeCpuSeconds(pid: number): number {
  return [pid, ...children(pid)].map(cpuSeconds).reduce((sum, each) => sum + each, 0);
}
