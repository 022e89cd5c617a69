/** One Node server, under start_server(1), under pm2, and under baton. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fixture } from "../../../../test/support/programs.ts";
import type { Contestant, Place } from "../contestant.ts";
import { fromDebian, fromNpm, need, versionOf } from "../install.ts";
import { runIn, signalled } from "../own_process.ts";
import { deployFile } from "./version_file.ts";
import { wrapped } from "./baton.ts";

const PM2_VERSION = "7.0.4";
const PROGRAM = "Node";
/** pm2's documentation: wait_ready for the first, kill_timeout for the last request. */
const LISTEN_TIMEOUT_MS = 10_000;
const KILL_TIMEOUT_MS = 5_000;

const app = () => [need("node"), fixture("peers/app.js")];
const nodeVersion = () => `Node ${versionOf([need("node"), "--version"])}`;
const installed = () => Promise.resolve({ version: nodeVersion(), deploy: deployFile, bare: app });

/** Clients that never pause are with the old generation no longer than this. */
const FLAGS = ["--drain-time", "2s", "--keep-alive", "migrate"];
const WITHOUT_HANDLER = "Node, no signal handler";
const withoutHandler = () => ["env", "HANDLES_SIGNALS=no", ...app()];

export const NODE: readonly Contestant[] = [
  serverStarter(PROGRAM, app),
  {
    name: "pm2 in cluster mode",
    program: PROGRAM,
    how: "pm2 reload",
    hasHttp2: true,
    install: async () => {
      const folder = fromNpm("pm2", PM2_VERSION);
      const pm2 = [need("node"), join(folder, "node_modules", "pm2", "bin", "pm2")];
      const node = await installed();
      return {
        ...node,
        version: `pm2 ${PM2_VERSION}, ${node.version}`,
        start: (place) => startPm2(place, pm2),
      };
    },
  },
  wrapped({
    program: PROGRAM,
    name: "baton",
    hasHttp2: true,
    flags: FLAGS,
    command: app,
    install: installed,
  }),
  serverStarter(WITHOUT_HANDLER, withoutHandler),
  wrapped({
    program: WITHOUT_HANDLER,
    name: "baton",
    hasHttp2: true,
    flags: FLAGS,
    command: withoutHandler,
    install: installed,
  }),
];

function serverStarter(program: string, command: () => readonly string[]): Contestant {
  return {
    name: "Server::Starter",
    program,
    how: "kill -HUP",
    hasHttp2: true,
    install: async () => {
      const packages = ["libserver-starter-perl"];
      const starter = fromDebian("start_server", packages, "usr/bin/start_server");
      const library = join(starter, "../../share/perl5");
      const perl = existsSync(library) ? [need("perl"), "-I", library] : [need("perl")];
      const node = await installed();
      return {
        ...node,
        version: `start_server ${versionOf([...perl, starter, "--version"])}, ${node.version}`,
        start: (place) => {
          const ports = [place.port, place.h2Port].map((port) => `--port=127.0.0.1:${port}`);
          const words = [...perl, starter, ...ports, "--", ...command()];
          return Promise.resolve(signalled(place, words, { reload: "SIGHUP", stop: "SIGTERM" }));
        },
      };
    },
  };
}

async function startPm2(place: Place, pm2: readonly string[]) {
  const home = join(place.dir, "pm2");
  const own: Place = { ...place, env: { ...place.env, PM2_HOME: home } };
  const ecosystem = join(place.dir, "ecosystem.config.json");
  writeFileSync(
    ecosystem,
    JSON.stringify({
      apps: [{
        name: "app",
        script: fixture("peers/app.js"),
        exec_mode: "cluster",
        instances: 1,
        wait_ready: true,
        listen_timeout: LISTEN_TIMEOUT_MS,
        kill_timeout: KILL_TIMEOUT_MS,
      }],
    }),
  );
  await runIn(own, [...pm2, "start", ecosystem]);
  const daemon = Number(readFileSync(join(home, "pm2.pid"), "utf8"));
  return {
    supervisor: daemon,
    roots: () => [daemon],
    reload: () => runIn(own, [...pm2, "reload", "app"]),
    stop: () => runIn(own, [...pm2, "kill"]),
  };
}
