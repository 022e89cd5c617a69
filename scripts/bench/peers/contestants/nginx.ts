/** nginx, by its own reload and by baton. */
import { join } from "node:path";
import type { Contestant, Place } from "../contestant.ts";
import { fromDebian, versionOf } from "../install.ts";
import { signalled } from "../own_process.ts";
import { wrapped } from "./baton.ts";
import { replaceFile } from "./version_file.ts";

const PROGRAM = "nginx";

function deploy({ dir, port, h2Port }: Place, version: string): void {
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  replaceFile(
    join(dir, "nginx.conf"),
    [
      "daemon off;",
      "worker_processes 2;",
      `pid ${dir}/nginx.pid;`,
      `lock_file ${dir}/nginx.lock;`,
      `error_log ${dir}/error.log;`,
      "events { worker_connections 512; }",
      "http {",
      "  access_log off;",
      "  default_type text/plain;",
      ...paths.map((name) => `  ${name}_temp_path ${dir}/${name};`),
      "  server {",
      `    listen 127.0.0.1:${port};`,
      // Newer ones take "http2 on;", and this too.
      `    listen 127.0.0.1:${h2Port} http2;`,
      `    location / { return 200 "pid=$pid version=${version}\\n"; }`,
      "  }",
      "}",
      "",
    ].join("\n"),
  );
}

const program = () => fromDebian("nginx", ["nginx"], "usr/sbin/nginx");

function command({ dir }: Place): string[] {
  return [program(), "-p", dir, "-e", join(dir, "error.log"), "-c", join(dir, "nginx.conf")];
}

const install = () =>
  Promise.resolve({ version: `nginx ${versionOf([program(), "-v"])}`, deploy, bare: command });

export const NGINX: readonly Contestant[] = [
  {
    name: "its own reload",
    program: PROGRAM,
    how: "kill -HUP",
    hasHttp2: true,
    install: async () => ({
      ...await install(),
      start: (place) =>
        Promise.resolve(
          signalled(place, command(place), { reload: "SIGHUP", stop: "SIGQUIT" }),
        ),
    }),
  },
  wrapped({ program: PROGRAM, name: "baton", hasHttp2: true, command, install }),
  wrapped({
    program: PROGRAM,
    name: "baton, migrating",
    hasHttp2: true,
    flags: ["--keep-alive", "migrate"],
    command,
    install,
  }),
];
