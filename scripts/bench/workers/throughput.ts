/**
 * How much more 2 workers answer than one, and than Node's own cluster and pm2 with as many: a server that computes for 5 ms
 * for each request, so that the clients' part is small on a machine with two processors too.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startBare } from "../../../test/support/bare_server.ts";
import { freePort } from "../../../test/support/free_port.ts";
import { which } from "../../../test/support/programs.ts";
import { tempDir } from "../../../test/support/temp_dir.ts";
import { waitUntil } from "../../../test/support/wait_until.ts";
import { fromNpm } from "../peers/install.ts";
import { inTurn, ratios } from "../in_turn.ts";
import type { Bench } from "../section.ts";
import { type Spread, spread } from "../spread.ts";
import { wrk } from "../wrk.ts";
import { commandOf, get, type Language, startWorkers } from "./servers.ts";

const WORKERS = 2;
const SECONDS = 2;
const PM2_VERSION = "7.0.4";
const PATH = "/work";
const OWN = "2 workers";

type Kind = typeof OWN | "one worker" | "cluster" | "pm2 -i 2";

export interface Throughput {
  readonly language: Language;
  /** Medians. */
  readonly perSecond: { readonly [kind in Kind]?: number };
  /** Throughput of the 2 workers by that of another, in each round. */
  readonly ratios: readonly { readonly by: Kind; readonly ratio: Spread }[];
  readonly errors: number;
}

export async function workerThroughput(
  bench: Bench,
  language: Language,
  rounds: number,
): Promise<Throughput> {
  await using running = new AsyncDisposableStack();
  const ports = await startKinds(running, bench, language);
  let errors = 0;
  const measure = async (kind: Kind) => {
    const result = await wrk(ports.get(kind)!, "new connections", SECONDS, PATH);
    errors += result.errors;
    return result.perSecond;
  };
  const onRound = (done: number) =>
    bench.status(`workers: throughput of ${language}: ${done}/${rounds}`);
  const measured = await inTurn([...ports.keys()], { rounds, measure, onRound });
  const own = measured.get(OWN) ?? [];
  const others = [...measured].filter(([kind]) => kind !== OWN);
  return {
    language,
    perSecond: Object.fromEntries(
      [...measured].map(([kind, values]) => [kind, spread(values).median]),
    ),
    ratios: others.map(([by, values]) => ({ by, ratio: spread(ratios(own, values)) })),
    errors,
  };
}

/** @returns their ports */
async function startKinds(
  running: AsyncDisposableStack,
  bench: Bench,
  language: Language,
): Promise<ReadonlyMap<Kind, number>> {
  const ports = new Map<Kind, number>();
  const start = async (kind: Kind, run: (port: number) => Promise<AsyncDisposable>) => {
    const port = await freePort();
    running.use(await run(port));
    ports.set(kind, port);
  };
  await start(OWN, (port) => startWorkers(language, port, WORKERS));
  await start("one worker", (port) => startWorkers(language, port, 1));
  if (language === "node") {
    await start("cluster", (port) => {
      const env = { PORT: String(port), CLUSTER: String(WORKERS) };
      return startBare({ command: commandOf(language), env, port });
    });
    if (which("npm") === null) bench.skip("throughput of pm2: npm is not installed");
    else await start("pm2 -i 2", startPm2);
  }
  return ports;
}

/** In cluster mode, as its documentation has it; its daemon ends with it. */
async function startPm2(port: number): Promise<AsyncDisposable> {
  const home = tempDir("pm2");
  const program = join(fromNpm("pm2", PM2_VERSION), "node_modules", "pm2", "bin", "pm2");
  const env = { ...process.env, PM2_HOME: home.path, PORT: String(port) };
  const run = (...words: string[]) =>
    execFileSync("node", [program, ...words], { env, stdio: "ignore" });
  const [, script = ""] = commandOf("node");
  const stop = () => {
    run("kill");
    home[Symbol.dispose]();
  };
  try {
    run("start", script, "-i", String(WORKERS), "--name", "app");
    readFileSync(join(home.path, "pm2.pid"));
    await waitUntil(() => get(port, "/"), { what: "pm2's server answers" });
  } catch (error) {
    stop();
    throw error;
  }
  return { [Symbol.asyncDispose]: () => Promise.resolve(stop()) };
}
