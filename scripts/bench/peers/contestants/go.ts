/** One Go server, replaced by the library tableflip in itself, and by baton. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { alive } from "../../../../test/support/proc.ts";
import { buildGoProgram } from "../../../../test/support/programs.ts";
import { waitUntil } from "../../../../test/support/wait_until.ts";
import { type Contestant, Missing, type Place, type Started } from "../contestant.ts";
import { need, versionOf } from "../install.ts";
import { end, spawnIn } from "../own_process.ts";
import { wrapped } from "./baton.ts";
import { deployFile } from "./version_file.ts";

const PROGRAM = "Go";
/** As in go.mod. */
const TABLEFLIP_VERSION = "1.2.3";
/** Clients that never pause are with the old generation no longer than this. */
const FLAGS = ["--drain-time", "2s", "--keep-alive", "migrate"];

function build(): string {
  need("go");
  try {
    return buildGoProgram("peers/go_app");
  } catch (error) {
    throw new Missing(`the Go program could not be built: ${error}`);
  }
}

function install() {
  const program = build();
  return Promise.resolve({
    version: `Go ${versionOf([need("go"), "version"])}`,
    deploy: deployFile,
    bare: () => [program],
  });
}

export const GO: readonly Contestant[] = [
  {
    name: "tableflip in the server",
    program: PROGRAM,
    how: "kill -HUP",
    hasHttp2: true,
    install: async () => {
      const go = await install();
      return {
        ...go,
        version: `tableflip ${TABLEFLIP_VERSION}, ${go.version}`,
        start: (place) => startTableflip(place, build()),
      };
    },
  },
  wrapped({
    program: PROGRAM,
    name: "baton",
    hasHttp2: true,
    flags: FLAGS,
    command: () => [build()],
    install,
  }),
];

async function startTableflip(place: Place, program: string): Promise<Started> {
  const pidFile = join(place.dir, "app.pid");
  const started = spawnIn({ ...place, env: { ...place.env, TABLEFLIP_PIDFILE: pidFile } }, [
    program,
  ]);
  const pids = new Set([started.pid!]);
  const current = () => {
    const pid = Number(readFileSync(pidFile, "utf8"));
    pids.add(pid);
    return pid;
  };
  await waitUntil(current, { what: `${pidFile} is written` });
  return {
    supervisor: null,
    roots: () => {
      current();
      return [...pids].filter(alive);
    },
    reload: () => Promise.resolve(void process.kill(current(), "SIGHUP")),
    stop: () => end(current(), "SIGTERM"),
  };
}
