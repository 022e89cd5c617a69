/** What the sources of duplicates (--duplicates) cost a proxy that makes one outgoing connection for each request. */
import { type BareOptions, type BareServer, startBare } from "../../../test/support/bare_server.ts";
import { type Baton, startBaton } from "../../../test/support/baton.ts";
import { freePort } from "../../../test/support/free_port.ts";
import { children } from "../../../test/support/proc.ts";
import { fixtureCommand, place, server } from "../../../test/support/servers.ts";
import { tempDir } from "../../../test/support/temp_dir.ts";
import { which } from "../../../test/support/programs.ts";
import { restrictedBy } from "../../../test/support/restrict.ts";
import { inTurn, ratios } from "../in_turn.ts";
import { cpuSeconds } from "../proc.ts";
import type { Bench, BenchPlan, Measured, Section } from "../section.ts";
import { type Spread, spread, spreadRow } from "../spread.ts";
import { wrk } from "../wrk.ts";

/** `learned`: of a baton that chose the socket trap by itself, the generation after the first. */
const KINDS = ["bare", "getfd", "at-bind", "socket-trap", "learned"] as const;
type Kind = typeof KINDS[number];

interface OutgoingCost {
  readonly perSecond: Readonly<Record<Kind, Spread>>;
  /** By bare, of each round. */
  readonly ratios: Readonly<Record<Kind, Spread>>;
  /**
   * Processor time of the proxy and its baton together, in microseconds for each request: other load on the machine
   * does not change it.
   */
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
  await using running = new AsyncDisposableStack();
  const proxies = await startProxies(running);
  const totals = () => Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Record<Kind, number>;
  const [used, requests] = [totals(), totals()];
  let errors = 0;
  const measure = async (kind: Kind, isWarmUp: boolean) => {
    const { pid, port } = proxies[kind];
    const before = treeCpuSeconds(pid);
    const result = await wrk(port, "keep-alive", seconds);
    errors += result.errors;
    if (!isWarmUp) {
      used[kind] += treeCpuSeconds(pid) - before;
      requests[kind] += result.perSecond * seconds;
    }
    return result.perSecond;
  };
  const perSecond = await inTurn(KINDS, { rounds, measure, onRound });
  const measured = (kind: Kind) => perSecond.get(kind) ?? [];
  const each = <T>(of: (kind: Kind) => T) =>
    Object.fromEntries(KINDS.map((kind) => [kind, of(kind)])) as Record<Kind, T>;
  return {
    perSecond: each((kind) => spread(measured(kind))),
    ratios: each((kind) => spread(ratios(measured(kind), measured("bare")))),
    cpuUs: each((kind) => used[kind] / requests[kind] * 1_000_000),
    errors,
  };
}

interface Proxy {
  readonly pid: number;
  readonly port: number;
}

/** Starts one proxy of each kind, in front of one server. */
async function startProxies(running: AsyncDisposableStack): Promise<Record<Kind, Proxy>> {
  const folder = running.use(tempDir("bench"));
  const target = await freePort();
  running.use(
    await startBare({
      ...place(server("go"), { port: target, workDir: folder.path }),
      port: target,
    }),
  );
  const start = async <Running extends BareServer | Baton>(
    run: (options: BareOptions) => Promise<Running>,
  ) => {
    const port = await freePort();
    const env = { PORT: String(port), TARGET_PORT: String(target) };
    const proxy = running.use(await run({ command: fixtureCommand("proxy.js"), env, port }));
    return { proxy, pid: proxy.pid, port };
  };
  const wrapped = (by: Kind) =>
    start((options) => startBaton({ ...options, flags: ["--duplicates", by] }));
  const wrapper = restrictedBy("pidfd_getfd=EPERM");
  const learned = await start((options) => startBaton({ ...options, wrapper }));
  await reachSecondGeneration(learned.proxy);
  return {
    bare: await start(startBare),
    getfd: await wrapped("getfd"),
    "at-bind": await wrapped("at-bind"),
    "socket-trap": await wrapped("socket-trap"),
    learned,
  };
}

async function reachSecondGeneration(baton: Baton): Promise<void> {
  await baton.reload();
  await baton.settled();
  const { duplicates } = await baton.status();
  if (duplicates !== "at-bind") throw new Error(`the second generation has ${duplicates}`);
}

/** Processor time of a process and its children. */
function treeCpuSeconds(pid: number): number {
  return [pid, ...children(pid)].map(cpuSeconds).reduce((sum, each) => sum + each, 0);
}
