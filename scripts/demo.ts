/**
 * Shows what baton is for: an ordinary Node server is deployed five times under load, once with a
 * release that does not start, and at the end every request is accounted for.
 *
 *   deno run -A scripts/demo.ts     (make demo)
 *
 * Only loopback, only a folder of its own, about fifteen seconds. Exit status 1 if a request was
 * lost, or if something did not go as told. Whatever happens, all it started ends with it.
 */
import { type Baton, batonCommand, type CommandResult, startBaton } from "../test/support/baton.ts";
import { freePort } from "../test/support/free_port.ts";
import { Load } from "../test/support/load.ts";
import { findBun, findNode, REPOSITORY, required } from "../test/support/programs.ts";
import { children, killTree } from "../test/support/proc.ts";
import { CAUSES, type Tally } from "../test/support/tally.ts";
import { type TempDir, tempDir } from "../test/support/temp_dir.ts";
import { waitUntil } from "../test/support/wait_until.ts";
import { seconds, Terminal } from "./terminal.ts";

const RELEASES = ["1", "2", "3", "4", "5", "6"] as const;
const BROKEN_RELEASE = "4";
/** After the reload to this one the status is shown: the release before it still drains. */
const STATUS_RELEASE = "3";
const CLIENTS = 8;
/** Requests that are still being answered when the reload comes. */
const SLOW_CLIENTS = 4;
/** Keeps it at a few thousand requests a second: this is a proof, not a benchmark. */
const THINK_TIME_MS = 2;
/** How long each release is seen to serve. */
const SHOW_MS = 1_200;
const TALLY_INTERVAL_MS = 200;
const PLAIN_TALLY_INTERVAL_MS = 1_000;
const MAX_DURATION_MS = 60_000;
const STATUS_FAILED_RELOAD = 70;
const EXIT_INTERRUPTED = 130;

/** What a team forgets now and then: the new release wants a setting that is not there. */
const BROKEN_START = `if (!("DATABASE_URL" in require("node:process").env)) {
  console.error("config: DATABASE_URL is not set");
  require("node:process").exit(1);
}
`;

const terminal = new Terminal(PLAIN_TALLY_INTERVAL_MS);
const cleanUp = new AsyncDisposableStack();

/** The releases, each in a folder, and `current`, which points to the one that is to run. */
class Releases {
  readonly #server = Deno.readTextFileSync(`${REPOSITORY}/examples/node-http/server.js`);

  constructor(readonly dir: TempDir) {
    Deno.mkdirSync(dir.join("releases"));
  }

  get current(): string {
    return this.dir.join("current");
  }

  put(release: string): void {
    Deno.mkdirSync(this.dir.join("releases", release));
    const text = (release === BROKEN_RELEASE ? BROKEN_START : "") + this.#server;
    this.dir.write(`releases/${release}/server.js`, text);
  }

  /** In one step: a reader sees the old one or the new one. */
  point(release: string): void {
    Deno.symlinkSync(`releases/${release}`, `${this.current}.new`);
    Deno.renameSync(`${this.current}.new`, this.current);
  }
}

/** Two kinds of clients, and what became of all their requests. */
class Clients {
  readonly #loads: readonly Load[];
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(port: number) {
    const common = { port, maxDurationMs: MAX_DURATION_MS };
    this.#loads = [
      new Load({ ...common, clients: CLIENTS, thinkTimeMs: THINK_TIME_MS }),
      new Load({ ...common, clients: SLOW_CLIENTS, path: "/report" }),
    ];
  }

  start(): void {
    for (const load of this.#loads) load.start();
    this.#timer = setInterval(() => this.#show(), TALLY_INTERVAL_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#loads.map((load) => load.stop()));
    terminal.status("");
  }

  get tallies(): readonly Tally[] {
    return this.#loads.map(({ tally }) => tally);
  }

  sum(of: (tally: Tally) => number): number {
    return this.tallies.reduce((sum, tally) => sum + of(tally), 0);
  }

  answeredBy(release: string): number {
    return this.sum((tally) => tally.byVersion.get(release) ?? 0);
  }

  #show(): void {
    const counts = RELEASES.map((release) => [release, this.answeredBy(release)] as const)
      .filter(([, count]) => count > 0).map(([release, count]) => `${release}: ${count}`);
    const [ok, lost] = [this.sum((tally) => tally.ok), this.sum((tally) => tally.lost)];
    terminal.status(`  ${ok} answered, ${lost} lost   by release  ${counts.join("  ")}`);
  }
}

async function main(): Promise<number> {
  const startedAt = performance.now();
  const node = findNode();
  const program = node ?? required("node or bun", findBun());
  const releases = new Releases(cleanUp.use(tempDir("demo")));
  releases.put("1");
  releases.point("1");
  const port = await freePort();
  terminal.line(`examples/node-http/server.js on ${node === null ? "Bun" : "Node"}, unmodified:`);
  terminal.line(`$ ${shown(batonCommand())} run --cwd current -- ${shown([program])} server.js`);
  const baton = cleanUp.use(
    await startBaton({
      command: [program, "server.js"],
      env: { PORT: String(port) },
      flags: ["--cwd", releases.current],
    }),
  );
  const clients = new Clients(port);
  cleanUp.defer(() => clients.stop());
  terminal.line(
    `${CLIENTS} clients open a connection for each request, ${SLOW_CLIENTS} more ask for what takes 400 ms\n`,
  );
  clients.start();
  await served(clients, "1");
  for (const release of RELEASES.slice(1)) await deploy(release, releases, baton, clients);
  await clients.stop();
  const { code } = await baton.stop();
  if (code !== 0) throw new Error(`baton ended with status ${code}\n${baton.stderr}`);
  return conclude(clients, performance.now() - startedAt);
}

async function deploy(
  release: string,
  releases: Releases,
  baton: Baton,
  clients: Clients,
): Promise<void> {
  const isBroken = release === BROKEN_RELEASE;
  releases.put(release);
  releases.point(release);
  terminal.line(`release ${release}${isBroken ? ", which does not start" : ""}:  $ baton reload`);
  const result = await baton.cli("reload");
  indent(result);
  if (result.code !== (isBroken ? STATUS_FAILED_RELOAD : 0)) {
    throw new Error(`baton reload ended with status ${result.code}\n${baton.stderr}`);
  }
  if (isBroken) releases.point(String(Number(release) - 1));
  if (release === STATUS_RELEASE) {
    terminal.line("$ baton status");
    indent(await baton.cli("status"));
  }
  await served(clients, isBroken ? String(Number(release) - 1) : release);
}

/** Lets the release be seen for a while: it must answer more than before all that time. */
async function served(clients: Clients, release: string): Promise<void> {
  const [before, until] = [clients.answeredBy(release), performance.now() + SHOW_MS];
  await waitUntil(() => performance.now() >= until && clients.answeredBy(release) > before, {
    what: `release ${release} answers`,
  });
}

function indent({ stdout, stderr }: CommandResult): void {
  for (const line of (stdout + stderr).trimEnd().split("\n")) {
    terminal.line(`    ${line}`.trimEnd());
  }
}

/** Without the way to it: "/usr/bin/node" -> "node" */
function shown(words: readonly string[]): string {
  return words.map((word) => word.slice(word.lastIndexOf("/") + 1)).join(" ");
}

/** Every request, by what became of it. @returns exit status */
function conclude(clients: Clients, durationMs: number): number {
  for (const { errors } of clients.tallies) {
    for (const { cause, detail, from } of errors) {
      terminal.line(`lost: ${cause} ${from}: ${detail}`);
    }
  }
  const [ok, lost] = [clients.sum((tally) => tally.ok), clients.sum((tally) => tally.lost)];
  const slowest = Math.max(...clients.tallies.map(({ maxLatencyMs }) => maxLatencyMs));
  terminal.line(
    `\n${RELEASES.length - 1} reloads, one of which failed and changed nothing, in ` +
      `${seconds(durationMs)}; slowest answer ${slowest.toFixed(0)} ms`,
  );
  const causes = CAUSES.map((cause) => {
    const words = cause.replace(/[A-Z]/, (letter) => ` ${letter.toLowerCase()}`);
    return `${clients.sum((tally) => tally[cause])} ${words}`;
  });
  terminal.line(`${lost} lost of ${ok + lost} requests (${causes.join(", ")})`);
  return lost === 0 ? 0 : 1;
}

let interruption: Promise<never> | null = null;

async function interrupt(): Promise<never> {
  terminal.status("");
  terminal.line("interrupted: stopping what was started");
  await cleanUp.disposeAsync();
  // What was just being started is not in the stack yet.
  for (const pid of children(Deno.pid)) killTree(pid);
  Deno.exit(EXIT_INTERRUPTED);
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  Deno.addSignalListener(signal, () => interruption ??= interrupt());
}
let status = 1;
try {
  status = await main();
} catch (error) {
  await interruption;
  terminal.status("");
  terminal.line(error instanceof Error ? error.message : String(error));
}
await interruption;
await cleanUp.disposeAsync();
Deno.exit(status);
