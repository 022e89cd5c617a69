/** Lines about active checks and outlier detection: who is taken out, when, and when it is back. */
import { spawn } from "node:child_process";
import { connect } from "node:net";
import process from "node:process";
import { freePort } from "../free_port.ts";
import { fixtureCommand } from "../servers.ts";
import { ask, askTimes, type Got } from "./front_client.ts";
import type { FrontServer } from "./front_server.ts";
import type { Place } from "./front_trial.ts";
import { happens, type Row } from "./row.ts";

const CHECK = 'check = "http:/healthz"';
const QUICK = 'check_interval = "50ms"';
function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      resolve(true);
      socket.destroy();
    });
    socket.on("error", () => resolve(false));
  });
}

/** The first server fails, is out, and is well again. */
async function isBack(place: Place, twin: Promise<unknown> | null): Promise<boolean> {
  const [server] = place.servers;
  server!.reply = () => ({ status: 500 });
  await happens(null, "it is out", async () => {
    await ask(place.port);
    return await isOut(place)();
  });
  server!.reply = () => ({});
  return await happens(twin, "it is back", isOut(place, 0));
}

const EJECTING = [["eject_after = 3", ""], ['eject_percent = "50%"', "eject_after = 3"]];

function by(server: FrontServer | undefined, all: readonly Got[]): number {
  return all.filter(({ body }) => body === server?.name).length;
}

/** The first server answers checks so; its other answers stay. */
function checksOf({ servers }: Place, reply: ReturnType<FrontServer["reply"]>): FrontServer {
  const [server] = servers;
  server!.reply = ({ path }) => path === "/healthz" ? reply : {};
  return server!;
}

function isOut({ trial, name }: Place, count = 1): () => Promise<boolean> {
  return async () => (await trial.failed(name)).length === count;
}

/** Envoy's threads learn of it a little later than its admin API says so. */
function getsNothing({ port }: Place, server: FrontServer): () => Promise<boolean> {
  return async () => by(server, await askTimes(10, port)) === 0;
}

export const CHECK_ROWS: readonly Row[] = [
  {
    line: CHECK,
    servers: 2,
    look: async (place, twin) => {
      const server = checksOf(place, { status: 503 });
      return await happens(twin, "it gets nothing", getsNothing(place, server));
    },
    seen: { with: true, without: false },
  },
  {
    line: 'check = "tcp"',
    servers: 2,
    look: async (place, twin) => {
      place.servers[0]!.close();
      return await happens(
        twin,
        "it gets nothing",
        async () => (await askTimes(6, place.port)).every(({ status }) => status === 200),
      );
    },
    seen: { with: true, without: false },
  },
  {
    // No check comes between.
    line: `${CHECK}\ncheck_interval = "10m"`,
    servers: 2,
    look: async (place, twin) => {
      const [server] = place.servers;
      await happens(
        null,
        "it is in",
        async () => (await askTimes(4, place.port)).some(({ body }) => body === server!.name),
      );
      server!.reply = ({ path }) =>
        path === "/healthz"
          ? { status: 503 }
          : { headers: { "x-envoy-immediate-health-check-fail": "true" } };
      await happens(null, "it has said so", async () => by(server, [await ask(place.port)]) === 1);
      return await happens(twin, "it gets nothing", getsNothing(place, server!));
    },
    seen: { with: true, without: false },
  },
  {
    line: 'check_identity = "app"',
    rest: CHECK,
    servers: 2,
    look: async (place, twin) => {
      const named = (name: string) => ({
        headers: { "x-envoy-upstream-healthchecked-cluster": name },
      });
      place.servers[1]!.reply = ({ path }) => path === "/healthz" ? named("app-7") : {};
      const server = checksOf(place, named("other"));
      return await happens(twin, "it gets nothing", getsNothing(place, server));
    },
    seen: { with: true, without: false },
  },
  {
    line: QUICK,
    rest: CHECK,
    look: (place, twin) =>
      happens(twin, "it is checked often", () => place.servers[0]!.count("/healthz") >= 8),
    seen: { with: true, without: false },
  },
  {
    line: "",
    removed: "no_traffic_interval",
    rest: `${CHECK}\n${QUICK}`,
    look: (place, twin) =>
      happens(twin, "it is checked often", () => place.servers[0]!.count("/healthz") >= 8),
    seen: { with: true, without: false },
  },
  {
    line: 'check_timeout = "50ms"',
    instead: 'check_timeout = "1m"',
    rest: `${CHECK}\n${QUICK}`,
    look: async (place, twin) => {
      checksOf(place, "hang");
      return await happens(twin, "it is out", isOut(place));
    },
    seen: { with: true, without: false },
  },
  {
    line: "unhealthy_after = 1",
    instead: "unhealthy_after = 1000",
    rest: `${CHECK}\n${QUICK}\ncheck_timeout = "50ms"`,
    look: async (place, twin) => {
      const server = checksOf(place, {});
      await happens(
        null,
        "it is in",
        async () => server.count("/healthz") > 1 && !await isOut(place)(),
      );
      server.reply = () => "hang";
      return await happens(twin, "it is out", isOut(place));
    },
    seen: { with: true, without: false },
  },
  {
    line: "healthy_after = 1",
    instead: "healthy_after = 1000",
    rest: `${CHECK}\n${QUICK}`,
    look: async (place, twin) => {
      const server = checksOf(place, { status: 503 });
      await happens(
        null,
        "it is out",
        async () => server.count("/healthz") > 1 && await isOut(place)(),
      );
      server.reply = () => ({});
      return await happens(twin, "it is in", isOut(place, 0));
    },
    seen: { with: true, without: false },
  },
  {
    line: "",
    removed: "ignore_health_on_host_removal",
    rest: `${CHECK}\n${QUICK}\ncheck_timeout = "1m"`,
    servers: 2,
    isWatched: true,
    look: async (place, twin) => {
      const [removed, kept] = place.servers;
      await happens(
        null,
        "both are in",
        async () =>
          (await place.trial.failed(place.name)).length === 0 && removed!.count("/healthz") > 1,
      );
      place.trial.endpoints(place.name, [kept!]);
      return await happens(
        twin,
        "it is gone",
        async () => by(removed, await askTimes(6, place.port)) === 0,
      );
    },
    seen: { with: true, without: false },
  },
  ...EJECTING.map(
    ([line = "", rest = ""]): Row => ({
      line,
      // Envoy's own.
      instead: rest === "" ? "" : 'eject_percent = "10%"',
      rest,
      servers: 2,
      look: (place, twin) => {
        const [server] = place.servers;
        server!.reply = () => ({ status: 500, body: server!.name });
        return happens(twin, "it gets nothing", getsNothing(place, server!));
      },
      seen: { with: true, without: false },
    }),
  ),
  {
    line: 'check = "grpc"',
    rest: 'upstream = "http2"',
    prepare: async ({ servers, defer }) => {
      const port = await freePort();
      const command = fixtureCommand("grpc_health.js");
      const env = { ...process.env, PORT: String(port) };
      const healthy = spawn(command[0]!, command.slice(1), { env, stdio: "ignore" });
      defer(() => healthy.kill("SIGKILL"));
      await happens(null, "it serves", () => accepts(port));
      return [{ port }, ...servers];
    },
    look: ({ trial, name, servers: [other] }, twin) =>
      happens(twin, "the one that speaks no gRPC is out", async () => {
        const failed = await trial.failed(name);
        return failed.length === 1 && failed[0]!.includes(`:${other!.port}:`);
      }),
    seen: { with: true, without: false },
  },
  {
    line: "",
    removed: "interval",
    isSlow: true,
    rest: 'eject_after = 3\neject_time = "300ms"',
    servers: 2,
    look: isBack,
    seen: { with: true, without: false },
  },
  {
    line: 'eject_time = "300ms"',
    rest: "eject_after = 3",
    servers: 2,
    look: isBack,
    seen: { with: true, without: false },
  },
];
