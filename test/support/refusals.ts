/** `baton run` refuses: the status, the message, and that nothing is left behind. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import process from "node:process";
import type { Snapshot } from "../../src/report/snapshot.ts";
import { Baton, batonCommand, type BatonOptions, runCommand } from "./baton.ts";
import { freePort } from "./free_port.ts";
import { TEST_TIMEOUT_MS } from "./limits.ts";
import { formatTally, Load } from "./load.ts";
import { fixtureCommand } from "./servers.ts";
import { TempDir } from "./temp_dir.ts";
import { waitUntil } from "./wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };

const NOBODY = 65_534;

const isRoot = process.getuid?.() === 0;

/** Why another user cannot be played, or false. */
export function cannotBeNobody(): string | false {
  if (!isRoot) return "needs root, to run programs as another user";
  const [program = "", ...argv] = [...batonCommand(), "version"];
  try {
    execFileSync(program, argv, { uid: NOBODY, gid: NOBODY, stdio: "ignore" });
    return false;
  } catch {
    return `user ${NOBODY} cannot run ${program}`;
  }
}

export const AS_NOBODY = { ...TEST, skip: cannotBeNobody() };

export interface Refusal {
  readonly code: number;
  /** What it names, in the first line. */
  readonly names: RegExp;
  /** Behind it; null: the first line says it. */
  readonly remedy: RegExp | null;
}

/** A server that would leave a trace. */
export function tracingServer(work: TempDir): string[] {
  return ["sh", "-c", `: > ${work.join("started")}; exec sleep 60`];
}

/** `baton run` that refuses before anything is started. */
export async function refuses(
  work: TempDir,
  words: readonly string[],
  refusal: Refusal,
  uid?: number,
): Promise<void> {
  // Ends only when no process holds its output any more: none is left behind.
  const result = await runCommand([...batonCommand(), "run", ...words], { cwd: work.path, uid });
  assert.equal(result.code, refusal.code, result.stderr);
  assert.equal(result.stdout, "");
  const [first = "", second, ...more] = result.stderr.trimEnd().split("\n");
  assert.match(first, refusal.names);
  if (refusal.remedy === null) assert.equal(second, undefined, result.stderr);
  else assert.match(second ?? "", refusal.remedy, result.stderr);
  assert.deepEqual(more, [], "no more than that");
  assert.equal(existsSync(work.join("started")), false, "no server was started");
}

/** No socket, and no process has the lock. A holder (--survive) ends a moment after its baton. */
export async function nothingLeftIn(directory: string): Promise<void> {
  await waitUntil(() => {
    const files = readdirSync(directory);
    assert.deepEqual(files.filter((file) => !file.endsWith(".lock")), []);
    for (const file of files) {
      const { ino } = statSync(`${directory}/${file}`);
      const held = readFileSync("/proc/locks", "utf8").split("\n")
        .filter((line) => line.includes(`:${ino} `));
      assert.deepEqual(held, [], `${file} is not locked`);
    }
    return true;
  }, { what: "nothing is left" });
}

export function server(port: number): BatonOptions {
  return { command: fixtureCommand("node_http.js"), env: { PORT: String(port) } };
}

/** Asserts that the same baton and the same server as before run, and that the server answers. */
export async function serves(baton: Baton, port: number, before: Snapshot): Promise<void> {
  const after = await baton.settled();
  assert.deepEqual(
    [after.pid, after.epoch, after.generations[0]?.pid, after.restarts],
    [before.pid, before.epoch, before.generations[0]?.pid, before.restarts],
  );
  const tally = await new Load({ port, clients: 2, maxRequests: 20 }).start().finished();
  assert.deepEqual([tally.ok, tally.lost], [20, 0], formatTally(tally));
}

/** Somebody who listens where baton or its clients want to go. */
export class Stranger implements AsyncDisposable {
  connections = 0;
  port = 0;
  readonly #server = createServer((socket) => {
    this.connections++;
    socket.destroy();
  });

  /** @param place a host, where it listens at a free port, or a path */
  static async at(place: string): Promise<Stranger> {
    const stranger = new Stranger();
    if (!place.includes("/")) stranger.port = await freePort();
    const where = place.includes("/") ? { path: place } : { host: place, port: stranger.port };
    await new Promise<void>((resolve, reject) => {
      stranger.#server.once("error", reject);
      stranger.#server.listen(where, resolve);
    });
    return stranger;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
