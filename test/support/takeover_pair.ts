/** Two batons, one of which takes over from the other, and what their clients must not notice. */
import assert from "node:assert/strict";
import { createConnection, type Socket } from "node:net";
import { type Baton } from "./baton.ts";
import { freePort } from "./free_port.ts";
import { formatTally, Load, type Tally } from "./load.ts";
import { fixtureCommand, place, type Runnable, server } from "./servers.ts";
import { type TempDir, tempDir } from "./temp_dir.ts";
import { waitUntil } from "./wait_until.ts";

const DEADLINE_MS = 30_000;

/** What each test has: a shared directory, a port, and the two flags. */
export class Pair implements Disposable {
  readonly work: TempDir = tempDir();
  readonly socket = this.work.join("handoff");

  private constructor(readonly port: number) {}

  static async make(): Promise<Pair> {
    return new Pair(await freePort());
  }

  server(version: string): Runnable {
    return place(server("node"), { port: this.port, workDir: this.work.path, version });
  }

  /** A server that listens once the test says so. */
  gated(version: string): Runnable {
    const { env } = this.server(version);
    return { command: fixtureCommand("gated_http.js"), env: { ...env, GATE_FILE: this.gate } };
  }

  get gate(): string {
    return this.work.join("gate");
  }

  get old(): string[] {
    return ["--handoff-socket", this.socket];
  }

  get new(): string[] {
    return ["--takeover", this.socket, "--handoff-socket", this.socket];
  }

  load(): Load {
    return new Load({ port: this.port }).start();
  }

  [Symbol.dispose](): void {
    this.work[Symbol.dispose]();
  }
}

/** Waits until `baton` alone is left of the two: what it took over from has ended. */
export function alone(baton: Baton, old: Baton): Promise<unknown> {
  return waitUntil(async () => {
    if (old.exit === null) return false;
    const { generations } = await baton.status();
    return generations.filter(({ state }) => state !== "exited").length === 1;
  }, {
    what: `only the new baton is left\n${old.stderr}\n${baton.stderr}`,
    deadlineMs: DEADLINE_MS,
  });
}

/** Until `version` has answered a few times. */
export function answers(load: Load, version: string): Promise<unknown> {
  const before = load.tally.byVersion.get(version) ?? 0;
  return waitUntil(() => (load.tally.byVersion.get(version) ?? 0) > before + 50, {
    what: `version ${version} answers`,
    deadlineMs: DEADLINE_MS,
  });
}

export function lostNothing(tally: Tally, ...batons: Baton[]): void {
  assert.equal(
    tally.lost,
    0,
    [formatTally(tally), ...batons.map(({ stderr }) => stderr)].join("\n"),
  );
}

/** Half a request, which keeps the server that has it busy until the test sends the rest. */
export class SlowRequest implements Disposable {
  readonly #socket: Socket;
  #received = "";

  constructor(port: number) {
    this.#socket = createConnection({ port, host: "127.0.0.1" });
    this.#socket.on("data", (bytes) => this.#received += String(bytes));
    this.#socket.on("error", () => {}); // it is cut, in some tests
    this.#socket.write("GET / HTTP/1.1\r\n");
  }

  isSeenBy(baton: Baton): Promise<unknown> {
    return waitUntil(async () => (await baton.status()).generations.at(-1)!.connections.busy > 0, {
      what: "the slow request is in",
    });
  }

  /** Sends the rest; gives what comes until the server closes. */
  async finish(): Promise<string> {
    const closed = new Promise((resolve) => this.#socket.once("close", resolve));
    if (!this.#socket.closed) {
      this.#socket.write("Host: a\r\nConnection: close\r\n\r\n");
      await closed;
    }
    return this.#received;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}
