/**
 * Databases that must not run twice, as they are configured everywhere, in a folder of their own: how each is started
 * and stopped, one real exchange with it, and what shows that it has lost nothing.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { asks, type Exchange, type Step } from "../servers/exchange.ts";
import { AS_NOBODY, NOBODY } from "./diagnosis.ts";
import { which } from "./programs.ts";
import type { TempDir } from "./temp_dir.ts";

interface Placed {
  /** Words in front of the program. */
  readonly as: readonly string[];
  readonly program: string;
  readonly args: readonly string[];
  /** Path of its Unix socket, at which it listens as well. */
  readonly socket: string;
}

export interface Database {
  readonly name: string;
  /** Why it cannot run here, or null. */
  needs(): string | null;
  /** Makes its data in `dir`. */
  place(dir: TempDir, port: number): Placed;
  /** The signal of its documentation for a stop that keeps all data, without waiting for idle clients. */
  readonly stopSignal: NodeJS.Signals;
  readonly exchange: Exchange;
  /** Stores a value of its own under each number. */
  store(n: number): Exchange;
  /** Answered only if that is still there. */
  recall(n: number): Exchange;
  /** What its log must never say. */
  readonly recovery: RegExp;
}

const PROGRAMS = "/usr/lib/postgresql";

export const DATABASES: readonly Database[] = [
  {
    name: "redis",
    needs: () => missing("redis-server", which("redis-server")),
    place: (dir, port) => {
      const socket = dir.join("redis.sock");
      const addresses = [`port ${port}`, "bind 127.0.0.1", `unixsocket ${socket}`];
      const lines = [...addresses, `dir ${dir.path}`, "save 3600 1 300 100"];
      const args = [dir.write("redis.conf", lines.join("\n"))];
      return { as: [], program: which("redis-server")!, args, socket };
    },
    stopSignal: "SIGTERM",
    exchange: asks("PING\r\n", "+PONG\r\n"),
    store: (n) => asks(`SET key${n} value${n}\r\n`, "+OK\r\n"),
    recall: (n) => asks(`GET key${n}\r\n`, `$${`value${n}`.length}\r\nvalue${n}\r\n`),
    recovery: /Bad file format|Short read/,
  },
  {
    name: "PostgreSQL",
    needs: () => missing("postgresql", postgres("initdb")),
    place: (dir, port) => {
      const data = dir.join("data");
      mkdirSync(data, { mode: 0o700 });
      const isRoot = process.getuid?.() === 0;
      if (isRoot) chownSync(data, NOBODY, NOBODY);
      const as = isRoot ? AS_NOBODY : [];
      run([...as, postgres("initdb")!, "-A", "trust", "-U", "u", "-N", "--no-locale", "-D", data]);
      const settings = { unix_socket_directories: data, shared_buffers: "1MB", fsync: "off" };
      const options = Object.entries(settings).flatMap((
        [name, value],
      ) => ["-c", `${name}=${value}`]);
      const address = ["-h", "127.0.0.1", "-p", String(port)];
      const args = ["-D", data, ...address, ...options];
      return { as, program: postgres("postgres")!, args, socket: join(data, `.s.PGSQL.${port}`) };
    },
    // Fast shutdown; TERM waits for idle clients.
    stopSignal: "SIGINT",
    exchange: query("SELECT 'alive'", "alive"),
    store: (n) => query(`CREATE TABLE t${n} AS SELECT 'value${n}'::text AS v`, "SELECT 1"),
    recall: (n) => query(`SELECT v FROM t${n}`, `value${n}`),
    recovery: /not properly shut down|interrupted|recovery in progress/,
  },
  {
    name: "MariaDB",
    needs: () => missing("mariadb-server", which("mariadbd")),
    place: (dir, port) => {
      const data = dir.join("data");
      mkdirSync(data);
      // Without its tables of users it needs no installation, which takes seconds.
      const socket = dir.join("s");
      const address = `--bind-address=127.0.0.1 --port=${port} --socket=${socket}`;
      const small = "--innodb-buffer-pool-size=8M --innodb-log-file-size=4M --log-warnings=1";
      const own = `--datadir=${data} --pid-file=${dir.join("pid")} --user=root`;
      const args = `--no-defaults --skip-grant-tables ${own} ${address} ${small}`.split(" ");
      return { as: [], program: which("mariadbd")!, args, socket };
    },
    stopSignal: "SIGTERM",
    exchange: { steps: [...login(), select("SELECT 'alive'", "alive")] },
    store: (n) => ({
      steps: [
        ...login(),
        statement("CREATE DATABASE IF NOT EXISTS d", okAfter(1)),
        statement(`CREATE TABLE d.t${n} SELECT 'value${n}' AS v`, okAfter(1)),
      ],
    }),
    recall: (n) => ({ steps: [...login(), select(`SELECT v FROM d.t${n}`, `value${n}`)] }),
    recovery: /crash recovery|Starting crash/i,
  },
];

function missing(what: string, path: string | null): string | null {
  return path === null ? `${what} is not installed` : null;
}

/** Debian has no link to these in PATH. */
function postgres(program: string): string | null {
  const versions = existsSync(PROGRAMS) ? readdirSync(PROGRAMS) : [];
  const found = versions.map((version) => join(PROGRAMS, version, "bin", program));
  return found.find((path) => existsSync(path)) ?? which(program);
}

function run([program = "", ...argv]: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, argv, { encoding: "utf8" });
  if (status !== 0) throw new Error(`Cannot run ${program}: ${error?.message ?? stderr}`);
}

/** Protocol 3.0 of PostgreSQL, "Message Formats": a startup message, then one simple query. */
function query(sql: string, answer: string): Exchange {
  const parameters = int32(3 << 16) + "user\0u\0database\0postgres\0\0";
  const ready = "Z\\0\\0\\0\\x05I$";
  return {
    steps: [
      { send: int32(parameters.length + 4) + parameters, expect: new RegExp(`^R[^]*${ready}`) },
      // An error begins with E.
      {
        send: `Q${int32(sql.length + 5)}${sql}\0`,
        expect: new RegExp(`^[TC][^]*${answer}[^]*${ready}`),
      },
    ],
  };
}

function int32(value: number): string {
  return String.fromCharCode(value >>> 24, value >>> 16 & 255, value >>> 8 & 255, value & 255);
}

/** The greeting and HandshakeResponse41 of the MySQL protocol, as a user without a password. */
function login(): Step[] {
  // LONG_PASSWORD, PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH; largest packet; utf8mb4.
  const head = "\x01\x82\x08\0" + "\0\0\0\x01" + "\x2d" + "\0".repeat(23);
  const plugin = "mysql_native_password\0";
  return [
    { expect: /^[^]{3}\0\n[^]*_password\0$/ },
    { send: packet(1, `${head}u\0\0${plugin}`), expect: okAfter(2) },
  ];
}

/** An OK packet with this sequence number. */
function okAfter(sequence: number): RegExp {
  return new RegExp(`^[^]{3}${String.fromCharCode(sequence)}\\0`);
}

/** COM_QUERY whose answer is a row, between two packets that end a list. */
function select(sql: string, answer: string): Step {
  return statement(sql, new RegExp(`^[^]{4}[^\xff][^]*\\xfe[^]*${answer}[^]*\\xfe[^]{4}$`));
}

function statement(sql: string, expect: RegExp): Step {
  return { send: packet(0, `\x03${sql}`), expect };
}

function packet(sequence: number, payload: string): string {
  const { length } = payload;
  return String.fromCharCode(length & 255, length >> 8 & 255, length >> 16, sequence) + payload;
}

/**
 * Two releases of it, of which the second does not start, and `current`, which leads to the first: the command goes by
 * that. `deploy()` moves it to the second, and `restore()` back.
 */
export function released(dir: TempDir, { as, program, args }: Placed) {
  for (const release of ["1", "2"]) mkdirSync(dir.join("releases", release), { recursive: true });
  symlinkSync(program, dir.join("releases/1/server"));
  const script = "#!/bin/sh\necho 'the data were written by an older version'\nexit 3\n";
  chmodSync(dir.write("releases/2/server", script), 0o755);
  const link = (release: string) => {
    symlinkSync(`releases/${release}`, dir.join("next"));
    renameSync(dir.join("next"), dir.join("current"));
  };
  link("1");
  const command = [...as, dir.join("current/server"), ...args];
  return { command, deploy: () => link("2"), restore: () => link("1") };
}
