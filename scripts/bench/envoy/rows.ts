/** What is done to both sides under which clients: the rows of `make bench-envoy`. */
import { readdirSync, readlinkSync, renameSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import process from "node:process";
import { alive } from "../../../test/support/proc.ts";
import { accessLogPath, type Fault, writeConfig, writeScript } from "./configuration.ts";
import { ALL, type Lane, NEW, PLAIN, slow } from "./lanes.ts";
import type { Side } from "./side.ts";

/** What a row may use. */
export interface Scene {
  readonly side: Side;
  /** Programs by version. */
  readonly programs: Readonly<Record<string, string>>;
  /** Held by another process. */
  readonly heldPort: number;
  /** When processes that serve were killed, as Date.now(). */
  readonly killsMs: number[];
  pause(ms: number): Promise<void>;
}

export interface Row {
  readonly name: string;
  readonly lanes: readonly Lane[];
  /** null: Envoy's own, 600 and 900 s. */
  readonly times: { readonly drainS: number; readonly shutdownS: number } | null;
  /** At the beginning. @default 2 */
  readonly workers?: number;
  /** Flags of baton, besides --safe. */
  readonly flags?: readonly string[];
  /** With one version only, whichever is asked for. */
  readonly once?: true;
  /** @returns what else is to be said */
  readonly act: (scene: Scene) => Promise<string | void>;
}

const SHORT = { drainS: 3, shutdownS: 5 } as const;
/** What --drain-time-s and --parent-shutdown-time-s of SHORT are for baton. */
const SHORT_FLAGS = ["--drain-time", "5s"] as const;
const IN_FLIGHT = 12;

let versions = 0;
const nextVersion = () => String(++versions);

async function reloads(
  { side, pause }: Scene,
  count: number,
  everyMs: number,
  before: (reload: number) => void = () => {},
): Promise<void> {
  for (let reload = 0; reload < count; reload++) {
    before(reload);
    writeConfig(side.place, { version: nextVersion() });
    side.signal("SIGHUP");
    await pause(everyMs);
  }
}

function badRow(what: string, fault: Fault): Row {
  return {
    name: `bad: ${what}, then mended`,
    lanes: PLAIN,
    times: SHORT,
    flags: [...SHORT_FLAGS, ...fault === "control plane" ? ["--ready-timeout", "2s"] : []],
    act: async ({ side, heldPort, pause }) => {
      writeConfig(side.place, { version: nextVersion(), fault, heldPort });
      side.signal("SIGHUP");
      await pause(3_000);
      writeConfig(side.place, { version: nextVersion() });
      side.signal("SIGHUP");
      await pause(3_000);
    },
  };
}

function kill({ killsMs }: Scene, pid: number | undefined): void {
  if (pid === undefined || !alive(pid)) return;
  killsMs.push(Date.now());
  process.kill(pid, "SIGKILL");
}

/** The beginning of a request: a connection that no Envoy ends by itself. */
function halfRequest(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: "127.0.0.1" });
    socket.once("error", reject);
    socket.once("connect", () => socket.write("GET / HTTP/1.1\r\n", () => resolve(socket)));
  });
}

/** Envoys that write to the renamed log still. */
function withOldLog({ envoys, place }: Side): number {
  const old = `${accessLogPath(place)}.1`;
  return envoys.filter((pid) => {
    const files = `/proc/${pid}/fd`;
    return readdirSync(files).some((fd) => {
      try {
        return readlinkSync(`${files}/${fd}`) === old;
      } catch {
        return false;
      }
    });
  }).length;
}

export const ROWS: readonly Row[] = [
  {
    name: "5 reloads, 6 s apart",
    lanes: ALL,
    times: SHORT,
    flags: SHORT_FLAGS,
    act: (scene) => reloads(scene, 5, 6_000),
  },
  {
    name: "5 reloads, 1 s apart",
    lanes: ALL,
    times: SHORT,
    flags: SHORT_FLAGS,
    act: (scene) => reloads(scene, 5, 1_000),
  },
  {
    name: "5 reloads, 3 s apart, requests of 2 s",
    lanes: slow(2),
    times: null,
    act: (scene) => reloads(scene, 5, 3_000),
  },
  {
    name: "4 reloads, 3 s apart, requests of 5 s",
    lanes: slow(5),
    times: null,
    act: (scene) => reloads(scene, 4, 3_000),
  },
  badRow("JSON syntax", "syntax"),
  badRow("certificate missing", "certificate"),
  badRow("port held by another program", "port"),
  badRow("control plane never answers", "control plane"),
  badRow("a field that does not exist", "unknown field"),
  {
    name: "two HUPs, 40 ms apart",
    lanes: PLAIN,
    times: SHORT,
    flags: SHORT_FLAGS,
    act: async (scene) => {
      await reloads(scene, 2, 40);
      await scene.pause(5_000);
    },
  },
  {
    name: "HUP while the old one drains, requests of 2 s",
    lanes: slow(2),
    times: null,
    act: async (scene) => {
      await reloads(scene, 3, 1_500);
      await scene.pause(1_500);
    },
  },
  {
    name: "8 workers, 1, 8, 1, 8",
    lanes: [{ ...NEW, clients: 8, thinkTimeMs: 0 }],
    times: SHORT,
    workers: 8,
    flags: SHORT_FLAGS,
    act: async (scene) => {
      const { place } = scene.side;
      await reloads(scene, 4, 2_500, (reload) => writeScript(place, reload % 2 ? 8 : 1, SHORT));
    },
  },
  {
    name: "kill -9 of the Envoy that serves",
    lanes: PLAIN,
    times: SHORT,
    flags: SHORT_FLAGS,
    act: async (scene) => {
      const { side, pause } = scene;
      kill(scene, side.envoys.at(-1));
      await pause(4_000);
    },
  },
  {
    name: "kill -9 of the old Envoy while it drains",
    lanes: PLAIN,
    times: null,
    act: async (scene) => {
      const { side, pause } = scene;
      const socket = await halfRequest(side.place.port);
      const [old] = side.envoys;
      await reloads(scene, 1, 2_500);
      const drains = old !== undefined && alive(old);
      kill(scene, old);
      await pause(3_000);
      socket.destroy();
      return drains ? undefined : "it had gone already";
    },
  },
  {
    name: "kill -9 of the restarter, started again after 1 s",
    lanes: PLAIN,
    times: SHORT,
    flags: ["--survive", ...SHORT_FLAGS],
    act: async (scene) => {
      const { side, pause } = scene;
      kill(scene, side.pid);
      await pause(1_000);
      await side.start(side.isBaton ? ["--survive", ...SHORT_FLAGS] : []);
      await pause(2_000);
    },
  },
  {
    name: `TERM with ${IN_FLIGHT} requests of 3 s in flight`,
    lanes: slow(3).filter(({ kind }) => kind === "new").map((lane) => ({
      ...lane,
      clients: IN_FLIGHT,
      // None follows.
      thinkTimeMs: 60_000,
    })),
    times: null,
    act: async ({ side, pause }) => {
      await pause(500);
      await side.stop();
      return `status ${side.status}`;
    },
  },
  {
    name: "USR1 after the access log was renamed, while the old one drains",
    lanes: PLAIN,
    times: null,
    act: async (scene) => {
      const { side, pause } = scene;
      const log = accessLogPath(side.place);
      const socket = await halfRequest(side.place.port);
      await reloads(scene, 1, 2_000);
      renameSync(log, `${log}.1`);
      side.signal("SIGUSR1");
      await pause(2_000);
      const both = side.envoys.length > 1 ? "both" : "the only one";
      const old = withOldLog(side);
      socket.destroy();
      return old === 0
        ? `reopened by ${both}`
        : `${old} of ${side.envoys.length} kept the old file`;
    },
  },
  {
    name: "1.36.2 to 1.40.0 and back, twice, 6 s apart",
    lanes: ALL,
    times: SHORT,
    flags: SHORT_FLAGS,
    once: true,
    act: async (scene) => {
      const { side, programs } = scene;
      await reloads(scene, 4, 6_000, (reload) => {
        side.use(programs[reload % 2 === 0 ? "1.40.0" : "1.36.2"]!);
      });
    },
  },
];
