/**
 * Clients of worker_lines.py, which know at each moment what is in whose hands: the port of each connection, the pid that
 * has accepted it, and whether an answer is due. They never retry. Half of them have one request on each connection, the
 * others keep theirs for a while.
 */
import { createConnection, type Socket } from "node:net";
import { openFds } from "./proc.ts";
import { readFileSync } from "node:fs";
import { waitUntil } from "./wait_until.ts";

const KEPT_REQUESTS = 10;
const TIMEOUT_MS = 20_000;
const PAUSE_AFTER_LOSS_MS = 5;

/** What became of a connection with a request whose answer did not come. */
export interface LostLine {
  /** The client's: names the connection. */
  readonly port: number;
  /** Null: no process has greeted it. */
  readonly pid: number | null;
  readonly why: string;
}

interface Open {
  pid: number | null;
  /** Sent, or about to be sent after the greeting. */
  isDue: boolean;
}

export class LineClients {
  readonly lost: LostLine[] = [];
  answered = 0;
  /** Answers by pid. */
  readonly byPid = new Map<number, number>();
  readonly #open = new Map<number, Open>();
  #isStopping = false;
  readonly #clients: Promise<void>[];

  constructor(readonly port: number, clients: number, readonly thinkTimeMs = 0) {
    this.#clients = Array.from({ length: clients }, (_, i) => this.#run(i % 2 === 0));
  }

  /** Connections with a request whose answer has not come. */
  get due(): { readonly port: number; readonly pid: number | null }[] {
    return [...this.#open].filter(([, { isDue }]) => isDue)
      .map(([port, { pid }]) => ({ port, pid }));
  }

  /** Waits for `more` answers. */
  async answersMore(more: number): Promise<void> {
    const wanted = this.answered + more;
    await waitUntil(() => this.answered >= wanted, { what: `${more} more answers` });
  }

  /** Lets requests that are due end. */
  async stop(): Promise<this> {
    this.#isStopping = true;
    await Promise.all(this.#clients);
    return this;
  }

  async #run(isKept: boolean): Promise<void> {
    while (!this.#isStopping) {
      const lost = await this.#connection(isKept ? KEPT_REQUESTS : 1);
      if (lost !== null) this.lost.push(lost);
      const pauseMs = lost === null ? this.thinkTimeMs : PAUSE_AFTER_LOSS_MS;
      if (pauseMs > 0) await pause(pauseMs);
    }
  }

  /** @returns what was lost on it */
  #connection(requests: number): Promise<LostLine | null> {
    const { promise, resolve } = Promise.withResolvers<LostLine | null>();
    const socket = createConnection({ port: this.port, host: "127.0.0.1" });
    const own: Open = { pid: null, isDue: true };
    let [port, sent, text] = [0, 0, ""];
    const end = (why: string | null) => {
      this.#open.delete(port);
      socket.destroy();
      // A connection that is closed between two requests has lost nothing.
      resolve(why === null || !own.isDue ? null : { port, pid: own.pid, why });
    };
    const ask = (on: Socket) => {
      own.isDue = true;
      on.write(`${++sent}\n`);
    };
    const onLine = async (line: string) => {
      const [first, second] = line.split(" ");
      if (first === "hello") {
        own.pid = Number(second);
        return ask(socket);
      }
      own.isDue = false;
      if (Number(first) !== own.pid || Number(second) !== sent) return end(`answered "${line}"`);
      this.answered++;
      this.byPid.set(own.pid!, (this.byPid.get(own.pid!) ?? 0) + 1);
      if (sent === requests || this.#isStopping) return end(null);
      if (this.thinkTimeMs > 0) await pause(this.thinkTimeMs);
      if (!socket.destroyed) ask(socket);
    };
    socket.setTimeout(TIMEOUT_MS, () => end("timed out"));
    socket.on("connect", () => this.#open.set(port = socket.localPort!, own));
    socket.on("data", (bytes) => {
      const lines = (text + String(bytes)).split("\n");
      text = lines.pop()!;
      for (const line of lines) void onLine(line);
    });
    socket.on("error", (error) => end((error as NodeJS.ErrnoException).code ?? error.message));
    socket.on("end", () => end("closed"));
    return promise;
  }
}

/** The client's ports of the connections that `pid`, which is stopped, has accepted. */
export function acceptedBy(pid: number, port: number): Set<number> {
  const inodes = new Set(openFds(pid).values());
  const rows = readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1)
    .map((row) => row.trim().split(/\s+/));
  const portOf = (place = "") => parseInt(place.split(":")[1] ?? "", 16);
  const accepted = rows.filter((fields) =>
    portOf(fields[1]) === port && inodes.has(`socket:[${fields[9]}]`)
  );
  return new Set(accepted.map((fields) => portOf(fields[2])).filter((each) => each !== 0));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
