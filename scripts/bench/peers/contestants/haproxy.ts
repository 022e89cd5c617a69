/** HAProxy, by its own master's reload and by baton. */
import { join } from "node:path";
import type { Contestant, Place } from "../contestant.ts";
import { fromDebian, versionOf } from "../install.ts";
import { signalled } from "../own_process.ts";
import { wrapped } from "./baton.ts";
import { replaceFile } from "./version_file.ts";

const PROGRAM = "HAProxy";

function deploy({ dir, port, h2Port }: Place, version: string): void {
  replaceFile(
    join(dir, "haproxy.cfg"),
    [
      "global",
      `  stats socket ${dir}/stats mode 600 level admin expose-fd listeners`,
      "defaults",
      "  mode http",
      "  timeout client 60s",
      "  timeout server 60s",
      "  timeout connect 5s",
      "frontend web",
      `  bind 127.0.0.1:${port}`,
      `  bind 127.0.0.1:${h2Port} proto h2`,
      "  http-request return status 200 content-type text/plain lf-string " +
      `"pid=%pid version=${version}"`,
      "",
    ].join("\n"),
  );
}

const program = () => fromDebian("haproxy", ["haproxy"], "usr/sbin/haproxy");
const configuration = ({ dir }: Place) => ["-f", join(dir, "haproxy.cfg")];
const bare = (place: Place) => [program(), "-db", ...configuration(place)];
const install = () =>
  Promise.resolve({ version: `HAProxy ${versionOf([program(), "-v"])}`, deploy, bare });

export const HAPROXY: readonly Contestant[] = [
  {
    name: "its own reload (-W)",
    program: PROGRAM,
    how: "kill -USR2",
    hasHttp2: true,
    install: async () => ({
      ...await install(),
      start: (place) => {
        const words = [program(), "-W", "-db", ...configuration(place)];
        return Promise.resolve(signalled(place, words, { reload: "SIGUSR2", stop: "SIGTERM" }));
      },
    }),
  },
  wrapped({ program: PROGRAM, name: "baton", hasHttp2: true, command: bare, install }),
  wrapped({
    program: PROGRAM,
    name: "baton, migrating",
    hasHttp2: true,
    flags: ["--keep-alive", "migrate"],
    command: bare,
    install,
  }),
];
