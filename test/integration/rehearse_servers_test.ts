/** The promise: `baton rehearse` has the right verdict on real servers, and leaves their files as they were. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { describe, test } from "node:test";
import type { Verdict } from "../../src/rehearse/verdict.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { buildGo, findNode, fixture, which } from "../support/programs.ts";
import { isRoot, noRehearsal, rehearsal, type RehearsalReport } from "../support/rehearsals.ts";
import { IS_FULL } from "../support/repeats.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";

const PORT = "8080";
const NOBODY = 65534;
const POSTGRES = "/usr/lib/postgresql/15/bin";
const AS_NOBODY = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"];
const APACHE_MODULES = "/usr/lib/apache2/modules";

interface Row {
  readonly name: string;
  /** Null: not here. */
  readonly program: string | null;
  readonly options?: readonly string[];
  readonly env?: Record<string, string>;
  /** Writes what it needs into the folder. @returns the server's command */
  command(dir: TempDir): readonly string[];
  readonly verdict: Verdict["verdict"];
  /** In the reasons and notes. */
  readonly says: RegExp;
  /** In the command line that is printed. */
  readonly line: RegExp;
  /** Clients that keep their connections in use lose requests at the end of the drain time: `migrate` is tried. */
  readonly losesKept?: boolean;
  /** Not only in `make test-all`. */
  readonly isInGate?: boolean;
}

function assertMoved({ kept, stdout }: RehearsalReport & { readonly stdout: string }): void {
  const [given, moved] = kept;
  assert.ok(given !== undefined && given.lost > 0 && given.requests > given.lost, stdout);
  assert.ok(moved !== undefined && moved.requests > 0, stdout);
  assert.ok(moved.options.includes("--keep-alive=migrate"), stdout);
}

const ROWS: readonly Row[] = [
  {
    name: "redis: stop-first, because each copy overwrites the dump",
    program: which("redis-server"),
    command: (dir) => ["redis-server", "--port", PORT, "--dir", dir.path, "--save", "60", "1"],
    verdict: "can be reloaded",
    says: /the order is stop-first: redis-server/,
    line: /^baton run -- redis-server/,
  },
  {
    name: "redis beside itself: both copies write the dump",
    program: which("redis-server"),
    options: ["--order", "start-first"],
    command: (dir) => ["redis-server", "--port", PORT, "--dir", dir.path, "--save", "60", "1"],
    verdict: "can be reloaded with a change",
    says: /both copies write .*\/dump\.rdb/,
    line: /^baton run --order=start-first --/,
    isInGate: true,
  },
  {
    name: "apache2 with its pid file: one for each generation, or stop-first",
    program: existsSync(APACHE_MODULES) ? which("apache2") : null,
    command: (dir) => ["apache2", "-DFOREGROUND", "-f", dir.write("httpd.conf", apacheConfig(dir))],
    verdict: "can be reloaded with a change",
    says: /httpd\.pid is in the way.*\(tried\)[^]*RESTART_EPOCH[^]*stop-first/,
    line: /--order=stop-first/,
    isInGate: true,
  },
  {
    name: "a static Go server: nothing is needed",
    program: which("go"),
    env: { PORT },
    command: () => [buildGo()],
    verdict: "can be reloaded",
    says: /^$/,
    line: /^baton run -- /,
    losesKept: true,
    isInGate: true,
  },
  {
    name: "puma with a pid file in its command, which baton keeps right",
    program: which("puma"),
    command: (dir) => {
      const bind = ["-b", `tcp://127.0.0.1:${PORT}`];
      return ["puma", ...bind, "--pidfile", dir.join("puma.pid"), fixture("puma_config.ru")];
    },
    verdict: "can be reloaded",
    says: /^$/,
    line: /^baton run -- puma/,
  },
  {
    name: "nginx, whose old copy removes the pid file of the new one: the option that keeps it",
    program: which("nginx"),
    command: (
      dir,
    ) => ["nginx", "-c", dir.write("nginx.conf", nginxConfig(dir)), "-g", "daemon off;"],
    verdict: "can be reloaded",
    says: /web\.pid is gone after a reload: --server-pidfile=.*\/web\.pid keeps it right \(tried\)/,
    line: /^baton run -- nginx/,
  },
  {
    name: "PostgreSQL: stop-first, by its preset",
    program: isRoot && existsSync(POSTGRES) ? POSTGRES : null,
    command: postgres,
    verdict: "can be reloaded",
    says: /the order is stop-first: postgres/,
    line: /^baton run -- setpriv/,
  },
  {
    name: "PostgreSQL beside itself: its data is held",
    program: isRoot && existsSync(POSTGRES) ? POSTGRES : null,
    options: ["--order", "start-first"],
    command: postgres,
    verdict: "cannot be reloaded",
    says: /the first copy holds its data: .*postmaster\.pid/,
    line: /^baton run --order=start-first/,
  },
  {
    name: "gunicorn with a pid file in its command: the line with {epoch}",
    program: which("gunicorn"),
    command: (dir) => {
      const app = ["--chdir", fixture(""), "wsgi_app:app"];
      return ["gunicorn", "-p", dir.join("web.pid"), "-b", `127.0.0.1:${PORT}`, ...app];
    },
    verdict: "can be reloaded with a change",
    says: /web\.pid is in the way.*\(tried\)/,
    line: /web\.\{epoch\}\.pid/,
  },
  {
    name: "etcd: stop-first, by its preset",
    program: which("etcd"),
    command: (dir) => ["etcd", "--data-dir", dir.join("etcd")],
    verdict: "can be reloaded",
    says: /the order is stop-first: etcd/,
    line: /^baton run -- etcd/,
  },
  {
    name: "mosquitto beside itself: both copies write its database",
    program: which("mosquitto"),
    options: ["--order", "start-first"],
    command: (dir) => ["mosquitto", "-c", dir.write("mosquitto.conf", mosquittoConfig(dir))],
    verdict: "can be reloaded with a change",
    says: /both copies write .*mosquitto\.db/,
    line: /--order=start-first/,
  },
  {
    name: "memcached, in the background: it must stay in the foreground",
    program: which("memcached"),
    command: () => ["memcached", "-d", "-u", "nobody", "-p", PORT, "-U", "0"],
    verdict: "does not start",
    says: /went to the background/,
    line: /^baton run -- memcached/,
  },
  {
    name: "node: nothing is needed",
    program: findNode(),
    env: { PORT },
    command: () => [findNode()!, fixture("node_http.js")],
    verdict: "can be reloaded",
    says: /^$/,
    line: /^baton run -- /,
  },
];

function apacheConfig(dir: TempDir): string {
  const modules = ["mpm_event", "authz_core"];
  return [
    `ServerRoot ${dir.path}`,
    ...modules.map((name) => `LoadModule ${name}_module ${APACHE_MODULES}/mod_${name}.so`),
    `PidFile ${dir.join("httpd.pid")}`,
    `Listen 127.0.0.1:${PORT}`,
    "ServerName localhost",
    `ErrorLog ${dir.join("error.log")}`,
    `DocumentRoot ${dir.path}`,
    "",
  ].join("\n");
}

function nginxConfig(dir: TempDir): string {
  const server = `server { listen 127.0.0.1:${PORT}; return 200 "ok"; }`;
  return [
    `pid ${dir.join("web.pid")};`,
    `error_log ${dir.join("error.log")};`,
    "events {}",
    `http { access_log off; ${server} }`,
    "",
  ].join("\n");
}

function mosquittoConfig(dir: TempDir): string {
  const user = isRoot ? "root" : "nobody";
  return [
    `listener ${PORT} 127.0.0.1`,
    "allow_anonymous true",
    "persistence true",
    `persistence_location ${dir.path}/`,
    `user ${user}`,
    "",
  ].join("\n");
}

function postgres(dir: TempDir): readonly string[] {
  const data = dir.join("data");
  mkdirSync(data, { mode: 0o700 });
  chownSync(data, NOBODY, NOBODY);
  const [program = "", ...words] = [...AS_NOBODY, `${POSTGRES}/initdb`, "-D", data, "-A", "trust"];
  execFileSync(program, words, { stdio: "ignore" });
  return [...AS_NOBODY, `${POSTGRES}/postgres`, "-D", data, "-p", PORT, "-k", "/tmp"];
}

describe("rehearse", () => {
  for (const row of ROWS) {
    const skip = noRehearsal() || (row.program === null ? "it is not installed" : false) ||
      (row.isInGate || IS_FULL ? false : "in make test-all");
    test(row.name, { skip, timeout: TEST_TIMEOUT_MS }, async () => {
      using dir = tempDir("rehearse");
      const command = row.command(dir);
      const before = readdirSync(dir.path);
      const { options = [], env = {} } = row;
      const report = await rehearsal({ options, command, env, cwd: dir.path });
      assert.equal(report.verdict, row.verdict, report.stdout);
      assert.match([...report.reasons, ...report.notes].join("\n"), row.says, report.stdout);
      assert.match(report.command, row.line);
      if (row.losesKept) assertMoved(report);
      assert.deepEqual(readdirSync(dir.path), before);
    });
  }
});
