/** What the sources of duplicates (--duplicates) cost a proxy that makes one outgoing connection for each request. */
import { startBare } from "../test/support/bare_server.ts";
import { startBaton } from "../test/support/baton.ts";
import { freePort } from "../test/support/free_port.ts";
import { fixtureCommand, place, server } from "../test/support/servers.ts";
import { tempDir } from "../test/support/temp_dir.ts";
import { type LoadPlan, type Spread, spread, wrk } from "./bench_measure.ts";

const KINDS = ["bare", "getfd", "socket-trap"] as const;
type Kind = typeof KINDS[number];

export interface OutgoingCost {
  readonly perSecond: Readonly<Record<Kind, Spread>>;
  /** By bare, of each round. */
  readonly ratios: Readonly<Record<Kind, Spread>>;
  readonly errors: number;
}

/** All have passed their gate, and are saturated. */
export async function outgoingCost(
  { rounds, seconds }: LoadPlan,
  onRound: (done: number) => void,
): Promise<OutgoingCost> {
  using folder = tempDir("bench");
  const target = await freePort();
  const behind = place(server("go"), { port: target, workDir: folder.path });
  await using _target = await startBare({ ...behind, port: target });
  const ports = [await freePort(), await freePort(), await freePort()] as const;
  const proxy = (port: number) => ({
    command: fixtureCommand("proxy.js"),
    env: { PORT: String(port), TARGET_PORT: String(target) },
  });
  const wrapped = (port: number, kind: Kind) =>
    startBaton({ ...proxy(port), flags: ["--duplicates", kind] });
  await using _bare = await startBare({ ...proxy(ports[0]), port: ports[0] });
  await using _getfd = await wrapped(ports[1], "getfd");
  await using _trap = await wrapped(ports[2], "socket-trap");
  const measured: Record<Kind, number[]> = { bare: [], getfd: [], "socket-trap": [] };
  let errors = 0;
  // The first round warms everything up.
  for (let round = 0; round <= rounds; round++) {
    for (const kind of round % 2 === 0 ? KINDS : KINDS.toReversed()) {
      const result = await wrk(ports[KINDS.indexOf(kind)]!, "keep-alive", seconds);
      errors += result.errors;
      if (round > 0) measured[kind].push(result.perSecond);
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
    errors,
  };
}
