/** What is done to both sides under which clients: the rows of `make bench-envoy`. */
import { existsSync, readFileSync, renameSync } from "node:fs";
import process from "node:process";
import { alive } from "../../../test/support/proc.ts";
import { waitUntil } from "../../../test/support/wait_until.ts";
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
  pause(ms: number): Promise<void>;
}

export interface Row {
  readonly name: string;
  readonly lanes: readonly Lane[];
  /** null: Envoy's own, 600 and 900 s. */
  readonly times: { readonly drainS: number; readonly shutdownS: number } | null;
  /** At the beginning. @default 2 */
  readonly workers?: number;
  /** Of baton, beside --safe. */
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

function killed(pids: readonly number[], at: number): void {
  const pid = pids.at(at);
  if (pid !== undefined && alive(pid)) process.kill(pid, "SIGKILL");
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
    act: async ({ side, pause }) => {
      killed(side.envoys, -1);
      await pause(4_000);
    },
  },
  {
    name: "kill -9 of the old Envoy while it drains",
    // On the ones that are kept it may be answering.
    lanes: [NEW],
    times: null,
    // An open WebSocket, or the like, would keep it.
    flags: ["--drain-call", "none", "--quiet", "10s"],
    act: async (scene) => {
      const { side, pause } = scene;
      const [old] = side.envoys;
      await reloads(scene, 1, 1_500);
      const drains = old !== undefined && alive(old);
      killed(side.envoys, 0);
      await pause(3_000);
      return drains ? undefined : "it had gone already";
    },
  },
  {
    name: "kill -9 of the restarter, started again after 1 s",
    lanes: PLAIN,
    times: SHORT,
    flags: ["--survive", ...SHORT_FLAGS],
    act: async ({ side, pause }) => {
      process.kill(side.pid, "SIGKILL");
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
    times: SHORT,
    flags: SHORT_FLAGS,
    act: async (scene) => {
      const { side, pause } = scene;
      const log = accessLogPath(side.place);
      await reloads(scene, 1, 500);
      renameSync(log, `${log}.1`);
      side.signal("SIGUSR1");
      const isThere = await waitUntil(() => existsSync(log), { what: "a log", deadlineMs: 3_000 })
        .catch(() => false);
      await pause(1_500);
      const before = readFileSync(`${log}.1`).length;
      await pause(1_500);
      const late = readFileSync(`${log}.1`).length - before;
      return isThere && late === 0 ? "reopened by all" : `${late} bytes went to the old file`;
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
