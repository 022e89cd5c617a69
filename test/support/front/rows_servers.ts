/** Lines about the servers behind a front: balancing, connections, retries. */
import { spawn } from "node:child_process";
import { connect } from "node:net";
import { findPython } from "../programs.ts";
import { ask, askAtOnce, askTimes, type Got } from "./front_client.ts";
import type { Place, Prepared } from "./front_trial.ts";
import { happens, type Row } from "./row.ts";

const STICKY = 'sticky = "header:x-user"';
/** Nothing listens there: the port of discard, which no test uses. */
const DEAD = { port: 9 };

function distinct(all: readonly Got[]): number {
  return new Set(all.map(({ body }) => body)).size;
}

/** Whether each answer is from another server than the one before it. */
function alternates(all: readonly Got[]): boolean {
  return all.every(({ body }, index) => body !== all[index - 1]?.body);
}

/** @returns how many of the answers are not 200 */
function failures(all: readonly Got[]): number {
  return all.filter(({ status }) => status !== 200).length;
}

/** Endpoints of which the first ones are dead. */
function deadFirst(dead: number) {
  return ({ servers }: Prepared) =>
    Promise.resolve([
      ...Array.from({ length: dead }, (_, i) => ({ port: DEAD.port - i })),
      ...servers,
    ]);
}

/** Waits until requests have met the dead endpoints. */
async function withDead({ trial, name, port }: Place, dead: number): Promise<void> {
  const ports = Array.from({ length: dead }, (_, i) => DEAD.port - i);
  await happens(null, "requests have met the dead endpoints", async () => {
    await ask(port);
    const lines = (await trial.admin("/clusters")).split("\n");
    return ports.every((each) =>
      lines.some((line) =>
        line.startsWith(`${name}::127.0.0.1:${each}::cx_connect_fail::`) && !line.endsWith("::0")
      )
    );
  });
}

/** A listener that accepts nothing, and whose queue is full: a connect to it waits. */
async function fullQueue(): Promise<{ port: number; close: () => void }> {
  const listening = "import socket, sys; s = socket.socket(); s.bind(('127.0.0.1', 0)); " +
    "s.listen(0); print(s.getsockname()[1], flush=True); sys.stdin.read()";
  const child = spawn(findPython() ?? "python3", ["-c", listening], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  const port = await new Promise<number>((resolve) =>
    child.stdout.once("data", (text) => resolve(Number(String(text))))
  );
  const waiting = [0, 1, 2].map(() => connect(port, "127.0.0.1").on("error", () => {}));
  await happens(null, "its queue is full", () => waiting.some(({ connecting }) => !connecting));
  return {
    port,
    close: () => {
      child.kill("SIGKILL");
      waiting.forEach((each) => each.destroy());
    },
  };
}

const oneUser = (port: number) => askTimes(12, port, "/", { headers: { "x-user": "ada" } });

const HASHING = ["ring-hash", "maglev"];

export const SERVER_ROWS: readonly Row[] = [
  {
    line: 'connect_time = "100ms"',
    instead: 'connect_time = "1m"',
    prepare: async ({ defer }) => {
      const { port, close } = await fullQueue();
      defer(close);
      return [{ port }];
    },
    look: async ({ port }, twin) => {
      let status = 0;
      void ask(port).then((got) => status = got.status);
      return await happens(twin, "it has given up", () => status === 503);
    },
    seen: { with: true, without: false },
  },
  {
    line: 'upstream = "http2"',
    look: async (place, twin) => {
      void ask(place.port);
      const [server] = place.servers;
      await happens(null, "it is asked", () => server!.beginnings.length > 0);
      await twin;
      const beginning = server!.beginnings[0]!.slice(0, 3);
      server!.close();
      return beginning;
    },
    seen: { with: "PRI", without: "GET" },
  },
  ...HASHING.map((kind): Row => ({
    line: `load_balancing = "${kind}"\n${STICKY}`,
    servers: 2,
    look: async ({ port }) => distinct(await oneUser(port)),
    seen: { with: 1, without: 2 },
  })),
  {
    line: STICKY,
    rest: 'load_balancing = "maglev"',
    servers: 2,
    look: async ({ port }) => distinct(await oneUser(port)),
    seen: { with: 1, without: 2 },
  },
  {
    line: 'sticky = "cookie:session"',
    rest: 'load_balancing = "maglev"',
    look: async ({ port }) => (await ask(port)).headers["set-cookie"]?.split("=")[0] ?? "",
    seen: { with: "session", without: "" },
  },
  {
    line: 'sticky = "address"',
    rest: 'load_balancing = "ring-hash"',
    servers: 2,
    look: async ({ port }) => distinct(await askTimes(16, port)),
    seen: { with: 1, without: 2 },
  },
  {
    line: 'load_balancing = "random"',
    servers: 2,
    look: async ({ port }) => alternates(await askTimes(40, port)),
    seen: { with: false, without: true },
  },
  {
    line: 'load_balancing = "least-request"',
    servers: 2,
    look: async ({ port, servers }) => {
      // One has work already; in turn, it would get half of the rest.
      const [busy] = servers;
      busy!.reply = () => "hang";
      const held = askAtOnce(20, port);
      const all20 = () => servers.reduce((sum, { requests }) => sum + requests.length, 0) === 20;
      await happens(null, "all have arrived", all20);
      busy!.reply = () => ({});
      const all = await askTimes(60, port);
      servers.forEach((server) => server.close());
      await held;
      return all.filter(({ body }) => body === busy!.name).length === 30;
    },
    seen: { with: false, without: true },
  },
  {
    line: 'upstream_idle_time = "100ms"',
    look: async (place, twin) => {
      await ask(place.port);
      return await happens(
        twin,
        "Envoy has closed its connection",
        () => place.servers[0]!.sockets.size === 0,
      );
    },
    seen: { with: true, without: false },
  },
  {
    line: 'panic_percent = "0%"',
    rest: 'check = "http:/healthz"\ncheck_interval = "50ms"',
    servers: 3,
    look: async ({ port, servers, trial, name }, twin) => {
      for (const server of servers.slice(1)) {
        server.reply = ({ path }) => path === "/healthz" ? { status: 503 } : {};
      }
      await happens(null, "two are out", async () => (await trial.failed(name)).length === 2);
      return await happens(
        twin,
        "one has all",
        async () => distinct(await askTimes(9, port)) === 1,
      );
    },
    seen: { with: true, without: false },
  },
  {
    line: 'retry_on = "connect-failure"',
    prepare: deadFirst(1),
    look: async (place) => {
      await withDead(place, 1);
      return failures(await askTimes(10, place.port)) > 0;
    },
    seen: { with: false, without: true },
  },
  {
    line: "retries = 2",
    rest: 'retry_on = "connect-failure"',
    prepare: deadFirst(2),
    look: async (place) => {
      await withDead(place, 2);
      return failures(await askTimes(9, place.port)) > 0;
    },
    seen: { with: false, without: true },
  },
  {
    // Why nothing is sent again by itself.
    line: 'retry_on = "reset"',
    look: async ({ port, servers: [server] }) => {
      server!.reply = () => "close";
      await ask(port, "/order", { method: "POST", body: "1" });
      return server!.count("/order");
    },
    seen: { with: 2, without: 1 },
  },
  {
    line: "",
    removed: "max_retries",
    rest: 'retry_on = "connect-failure"',
    prepare: deadFirst(1),
    look: async (place) => {
      await withDead(place, 1);
      place.servers[0]!.reply = () => ({ delayMs: 300 });
      return failures(await askAtOnce(40, place.port)) > 0;
    },
    seen: { with: false, without: true },
  },
  {
    line: "",
    removed: "retry_host_predicate",
    rest: 'retry_on = "connect-failure"\nload_balancing = "random"',
    prepare: deadFirst(1),
    look: async (place) => {
      await withDead(place, 1);
      return failures(await askTimes(40, place.port)) > 0;
    },
    seen: { with: false, without: true },
  },
  {
    line: "",
    removed: "watched_directory",
    servers: 2,
    isWatched: true,
    look: async ({ trial, name, port, servers: [first, second] }, twin) => {
      const isAnswering = async (server: string) => (await ask(port)).body === server;
      trial.linkEndpoints(name, [first!]);
      await happens(null, "the file is a link now", async () => {
        return distinct(await askTimes(4, port)) === 1 && isAnswering("s0");
      });
      trial.linkEndpoints(name, [second!]);
      return await happens(twin, "what it leads to has changed", () => isAnswering("s1"));
    },
    seen: { with: true, without: false },
  },
];
