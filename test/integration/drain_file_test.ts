/**
 * The promise: servers without a control interface say goodbye too, with `--drain-call file:PATH` and the lines that
 * docs/presets.md has for each: their kept clients leave before the stop signal, and nothing else changes.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { KeptConnection } from "../support/kept_connection.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { IS_FULL } from "../support/repeats.ts";
import { which } from "../support/programs.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const REQUEST = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

interface Server {
  readonly program: string;
  command(program: string, at: { dir: TempDir; port: number }): string[];
  /** Each generation has a file of its own: the server finds its number in its environment, or in its command. */
  readonly hasEpoch: boolean;
  /** Whether it is in the gate; else it is in the full run. */
  readonly isInGate?: true;
}

/** In the program itself, as docs/presets.md has it. */
const NODE_SCRIPT = `
  const { existsSync } = require("node:fs");
  const [file, port] = process.argv.slice(1);
  require("node:http").createServer((_request, response) => {
    if (existsSync(file)) response.setHeader("Connection", "close");
    response.end("hello");
  }).listen(Number(port), "127.0.0.1");
`;

const SERVERS: readonly Server[] = [
  {
    program: "node",
    hasEpoch: true,
    isInGate: true,
    command: (node, { dir, port }) => [
      node,
      "-e",
      NODE_SCRIPT,
      ...[dir.join("drain.{epoch}"), String(port)],
    ],
  },
  {
    program: "nginx",
    hasEpoch: false,
    isInGate: true,
    command: (nginx, { dir, port }) => {
      const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map((name) => `${name}_temp_path ${dir.join(name)};`);
      writeFileSync(
        dir.join("conf"),
        `daemon off; pid ${dir.join("pid")}; error_log ${dir.join("log")}; events {}
        http { access_log off; ${paths.join(" ")}
          server {
            listen 127.0.0.1:${port};
            set $bye '';
            if (-f ${dir.join("drain")}) { set $bye close; }
            add_header Connection $bye always;
            location / { return 200 hello; }
          } }`,
      );
      return [nginx, "-e", dir.join("log"), "-c", dir.join("conf")];
    },
  },
  {
    program: "apache2",
    hasEpoch: true,
    command: (apache, { dir, port }) => {
      const modules = "/usr/lib/apache2/modules";
      writeFileSync(dir.join("hello"), "hello");
      const loads = ["mpm_event", "authz_core", "alias", "setenvif"]
        .map((name) => `LoadModule ${name}_module ${modules}/mod_${name}.so`);
      writeFileSync(
        dir.join("conf"),
        `ServerRoot ${dir.path}
        ServerName localhost
        PidFile ${dir.join("pid.${BATON_EPOCH}")}
        ErrorLog ${dir.join("log")}
        ${loads.join("\n")}
        Listen 127.0.0.1:${port}
        MaxKeepAliveRequests 0
        KeepAliveTimeout 60
        Alias "/" "${dir.join("hello")}"
        SetEnvIfExpr "-f '${dir.join("drain.${BATON_EPOCH}")}'" nokeepalive
        `,
      );
      return [apache, "-DFOREGROUND", "-f", dir.join("conf")];
    },
  },
  {
    program: "caddy",
    hasEpoch: true,
    command: (caddy, { dir, port }) => {
      writeFileSync(
        dir.join("Caddyfile"),
        `{
          admin off
          auto_https off
        }
        http://localhost:${port} {
          bind 127.0.0.1
          @bye file {
            root ${dir.path}
            try_files /drain.{$BATON_EPOCH}
          }
          header @bye Connection close
          respond hello
        }`,
      );
      return [caddy, "run", "--adapter", "caddyfile", "--config", dir.join("Caddyfile")];
    },
  },
  {
    program: "varnishd",
    hasEpoch: false,
    command: (varnish, { dir, port }) => {
      mkdirSync(dir.join("n"));
      writeFileSync(
        dir.join("vcl"),
        `vcl 4.1;
        import std;
        backend none none;
        sub vcl_recv { return (synth(200)); }
        sub vcl_synth {
          if (std.file_exists("${dir.join("drain")}")) { set resp.http.Connection = "close"; }
        }`,
      );
      const listen = `127.0.0.1:${port}`;
      const own = `${dir.join("n")}/{epoch}`;
      return [varnish, "-F", "-n", own, "-a", listen, "-f", dir.join("vcl"), "-T", "none"];
    },
  },
];

describe("--drain-call file:", () => {
  for (const server of SERVERS) {
    const program = which(server.program);
    const skip = program === null
      ? `${server.program} is not installed`
      : server.isInGate || IS_FULL
      ? false
      : "in the full run";
    test(
      `${server.program}: a kept client leaves with its answer`,
      { skip, timeout: TEST_TIMEOUT_MS },
      async () => {
        using dir = tempDir();
        const port = await freePort();
        const command = server.command(program!, { dir, port });
        const { hasEpoch } = server;
        const file = (epoch: number) => dir.join(hasEpoch ? `drain.${epoch}` : "drain");
        // An earlier baton was killed while its server said goodbye.
        writeFileSync(file(0), "");
        const drain = `file:${dir.join(hasEpoch ? "drain.{epoch}" : "drain")}`;
        // Until the client has left: without a goodbye that is never.
        const flags = ["--drain", "quiesce", "--drain-call", drain];
        await using baton = await startBaton({ command, env: {}, flags });
        const old = new KeptConnection(port);
        const ask = async (client: KeptConnection) => {
          client.send(REQUEST);
          const { status, head } = await client.answer();
          assert.equal(status, 200, head);
          return /^connection:.*\bclose\b/im.test(head) ? "leaves" : "stays";
        };
        assert.equal(await ask(old), "stays");
        const { result, reason } = await baton.reload();
        assert.equal(result, "ok", reason ?? "");
        const isAsked = () => existsSync(file(0));
        await waitUntil(isAsked, { what: "the goodbye" });
        await waitUntil(async () => await ask(old) === "leaves", { what: "its client leaves" });
        old[Symbol.dispose]();
        await waitUntil(async () => (await baton.status()).generations[0]?.state === "exited", {
          what: "the old generation has ended",
        });
        assert.ok(!existsSync(file(0)), "the file is there no longer than the generation");
        using next = new KeptConnection(port);
        assert.equal(await ask(next), "stays");
      },
    );
  }
});
