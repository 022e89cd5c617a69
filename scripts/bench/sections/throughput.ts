/** Wrapped against bare throughput: a bare server, a wrapped one and another bare one in turn. */
import { startBare } from "../../../test/support/bare_server.ts";
import { startBaton } from "../../../test/support/baton.ts";
import { freePort } from "../../../test/support/free_port.ts";
import { which } from "../../../test/support/programs.ts";
import { place, server, type ServerId } from "../../../test/support/servers.ts";
import { tempDir } from "../../../test/support/temp_dir.ts";
import { inTurn, ratios } from "../in_turn.ts";
import type { Bench, BenchPlan, Measured, Section } from "../section.ts";
import { type Spread, spread } from "../spread.ts";
import { type Mode, wrk } from "../wrk.ts";

interface Throughput {
  readonly server: ServerId;
  readonly mode: Mode;
  readonly bare: Spread;
  readonly wrapped: Spread;
  /** Wrapped by bare, of each round in which all were measured one after the other. */
  readonly ratio: Spread;
  /** Bare by bare, of two servers that differ in nothing: what this machine can tell apart. */
  readonly control: Spread;
  /** Socket errors and answers other than 2xx, of all runs. */
  readonly errors: number;
}

const SERVERS: readonly ServerId[] = ["node", "go", "nginx"];
const MODES: readonly Mode[] = ["keep-alive", "new connections"];

export const THROUGHPUT: Section = { name: "throughput", isOfBuild: false, measure };

async function measure(bench: Bench): Promise<Measured | null> {
  if (which("wrk") === null) {
    bench.skip("throughput: wrk is not installed");
    return null;
  }
  const { plan } = bench;
  const results: Throughput[] = [];
  for (const id of SERVERS.filter(bench.available)) {
    for (const mode of MODES) {
      const onRound = (done: number) => bench.status(`${id}, ${mode}: ${done}/${plan.rounds}`);
      onRound(0);
      results.push(await throughput(id, mode, plan, onRound));
    }
  }
  bench.table([
    ["requests/s", "bare", "wrapped", "ratio", "min", "max", "bare/bare", "errors"],
    ...results.map(({ server, mode, bare, wrapped, ratio, control, errors }) => [
      `${server}, ${mode}`,
      bare.median.toFixed(0),
      wrapped.median.toFixed(0),
      ...[ratio.median, ratio.min, ratio.max, control.median].map((value) => value.toFixed(3)),
      String(errors),
    ]),
  ]);
  return { figures: {}, details: results };
}

async function throughput(
  id: ServerId,
  mode: Mode,
  { rounds, seconds }: BenchPlan,
  onRound: (done: number) => void,
): Promise<Throughput> {
  using folders = new DisposableStack();
  const runnable = async () => {
    const port = await freePort();
    return { ...place(server(id), { port, workDir: folders.use(tempDir("bench")).path }), port };
  };
  const [one, two, three] = [await runnable(), await runnable(), await runnable()];
  await using _bare = await startBare(one);
  await using _wrapped = await startBaton(two);
  await using _control = await startBare(three);
  const ports = { bare: one.port, wrapped: two.port, control: three.port };
  const kinds = ["bare", "wrapped", "control"] as const;
  let errors = 0;
  const measure = async (kind: typeof kinds[number]) => {
    const result = await wrk(ports[kind], mode, seconds);
    errors += result.errors;
    return result.perSecond;
  };
  const perSecond = await inTurn(kinds, { rounds, measure, onRound });
  const measured = (kind: typeof kinds[number]) => perSecond.get(kind) ?? [];
  const byBare = (kind: typeof kinds[number]) => spread(ratios(measured(kind), measured("bare")));
  return {
    server: id,
    mode,
    bare: spread(measured("bare")),
    wrapped: spread(measured("wrapped")),
    ratio: byBare("wrapped"),
    control: byBare("control"),
    errors,
  };
}
