/** Databases, caches, brokers and directories: most of them must not run twice. */
import { execFileSync } from "node:child_process";
import { asks, type Exchange, http, type Step } from "../exchange.ts";
import type { Place, ServerRow } from "../row.ts";
import { openFolder } from "./files.ts";

const POSTGRES = "/usr/lib/postgresql/15/bin";
const AS_POSTGRES = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"];

const PING = asks("PING\r\n", /^\+PONG\r\n/);

function redis(at: Place, settings: string): string {
  return at.write(
    "redis.conf",
    `port ${at.port}\nbind 127.0.0.1\ndir ${openFolder(at, "data")}\ndaemonize no\n${settings}`,
  );
}

export const DATA: readonly ServerRow[] = [
  {
    name: "Redis, with its dump",
    source: { debian: "redis-server" },
    program: "redis-server",
    version: ["redis-server", "--version"],
    tried: "7.0.15",
    verdict: "stop-first",
    isInGate: true,
    exchange: PING,
    data: {
      store: (n) => asks(`SET k${n} v\r\n`, /^\+OK/),
      recall: (n) => asks(`GET k${n}\r\n`, /^\$1\r\nv/),
    },
    place: (at) => ({
      command: [at.program("redis-server"), redis(at, "save 3600 1 300 100 60 10000\n")],
    }),
  },
  {
    name: 'Redis as a cache, `save ""`',
    source: { debian: "redis-server" },
    program: "redis-server",
    version: ["redis-server", "--version"],
    tried: "7.0.15",
    verdict: "works",
    lost: "the cache",
    exchange: PING,
    place: (at) => ({ command: [at.program("redis-server"), redis(at, 'save ""\n')] }),
  },
  {
    name: "memcached",
    source: { debian: "memcached" },
    program: "memcached",
    version: ["memcached", "-V"],
    tried: "1.6.18",
    verdict: "works",
    lost: "the cache",
    isInGate: true,
    exchange: asks("version\r\n", /^VERSION /),
    place: (at) => ({
      command: [
        at.program("memcached"),
        "-u",
        "nobody",
        "-l",
        "127.0.0.1",
        "-U",
        "0",
        "-p",
        String(at.port),
      ],
    }),
  },
  {
    name: "PostgreSQL",
    source: { debian: "postgresql-15" },
    program: `${POSTGRES}/postgres`,
    version: [`${POSTGRES}/postgres`, "--version"],
    tried: "15.20",
    verdict: "stop-first",
    needsRoot: true,
    exchange: sql("SELECT 1", /SELECT 1/),
    data: {
      store: (n) => sql(`CREATE TABLE t${n} AS SELECT 1`, /SELECT 1/),
      recall: (n) => sql(`SELECT * FROM t${n}`, /SELECT 1/),
    },
    place(at) {
      const folder = openFolder(at, "data");
      execFileSync("chown", ["postgres", folder]);
      const [setpriv = "", ...words] = AS_POSTGRES;
      const initialize = [`${POSTGRES}/initdb`, "-D", folder, "-A", "trust", "--no-sync"];
      execFileSync(setpriv, [...words, ...initialize], { stdio: "ignore", cwd: "/" });
      return {
        command: [
          ...AS_POSTGRES,
          `${POSTGRES}/postgres`,
          "-D",
          folder,
          "-p",
          String(at.port),
          "-c",
          "listen_addresses=127.0.0.1",
          "-c",
          "unix_socket_directories=",
        ],
      };
    },
  },
  {
    name: "MariaDB",
    source: { debian: "mariadb-server" },
    program: "mariadbd",
    version: ["mariadbd", "--version"],
    tried: "10.11.19",
    verdict: "stop-first",
    needsRoot: true,
    exchange: mysql("\x03SELECT 1", "\x01\x00\x00\x01\x01"),
    data: {
      store: (n) => mysql(`\x03CREATE DATABASE d${n}`, "\x07\x00\x00\x01\x00"),
      recall: (n) => mysql(`\x02d${n}`, "\x07\x00\x00\x01\x00"),
    },
    place(at) {
      const folder = openFolder(at, "data");
      execFileSync("chown", ["mysql", folder]);
      execFileSync("mariadb-install-db", [
        "--no-defaults",
        `--datadir=${folder}`,
        "--user=mysql",
        "--skip-test-db",
        "--auth-root-authentication-method=normal",
      ], { stdio: "ignore" });
      return {
        command: [
          at.program("mariadbd"),
          "--no-defaults",
          `--datadir=${folder}`,
          "--user=mysql",
          "--bind-address=127.0.0.1",
          `--port=${at.port}`,
          "--skip-grant-tables",
          `--socket=${folder}/s`,
          `--pid-file=${folder}/pid`,
        ],
      };
    },
  },
  {
    name: "PgBouncer",
    source: { debian: "pgbouncer" },
    program: "pgbouncer",
    version: ["pgbouncer", "--version"],
    tried: "1.18.0",
    verdict: "needs",
    refusal: /unix socket is in use|pidfile exists/,
    tweak: "`unix_socket_dir =` (empty), and no `pidfile`",
    needsRoot: true,
    exchange: startup("pgbouncer"),
    place(at) {
      const own = at.isTweaked
        ? "unix_socket_dir =\n"
        : `unix_socket_dir = ${openFolder(at, "s")}\npidfile = ${openFolder(at, "p")}/pid\n`;
      const config = at.write(
        "pgbouncer.ini",
        `[databases]\nx = host=127.0.0.1\n[pgbouncer]\nlisten_addr = 127.0.0.1\n` +
          `listen_port = ${at.port}\nauth_type = any\nadmin_users = postgres\n${own}`,
      );
      return { command: [at.program("pgbouncer"), "-u", "nobody", config] };
    },
  },
  {
    name: "Mosquitto, `persistence true`",
    source: { debian: "mosquitto" },
    program: "mosquitto",
    version: ["dpkg-query", "-W", "mosquitto"],
    tried: "2.0.11",
    verdict: "stop-first",
    exchange: { steps: mqtt() },
    data: {
      store: (n) => ({
        steps: [...mqtt(), {
          send: `\x33\x08\x00\x02t${n}\x00\x01v\n`,
          expect: "\x40\x02\x00\x01",
        }],
      }),
      recall: (n) => ({
        steps: [...mqtt(), { send: `\x82\x07\x00\x01\x00\x02t${n}\x00`, expect: /v\n/ }],
      }),
    },
    place(at) {
      const config = at.write(
        "mosquitto.conf",
        `listener ${at.port} 127.0.0.1\nallow_anonymous true\npersistence true\n` +
          `persistence_location ${openFolder(at, "data")}/\n`,
      );
      return { command: [at.program("mosquitto"), "-c", config] };
    },
  },
  {
    name: "Mosquitto, without persistence, with `pid_file`",
    source: { debian: "mosquitto" },
    program: "mosquitto",
    version: ["dpkg-query", "-W", "mosquitto"],
    tried: "2.0.11",
    verdict: "works",
    pidFile: "gone",
    lost: "retained messages and queues of offline clients, as at its own restart",
    exchange: { steps: mqtt() },
    place(at) {
      const pidFile = `${openFolder(at, "run")}/mosquitto.pid`;
      const config = at.write(
        "mosquitto.conf",
        `listener ${at.port} 127.0.0.1\nallow_anonymous true\npid_file ${pidFile}\n`,
      );
      return { command: [at.program("mosquitto"), "-c", config], pidFile };
    },
  },
  {
    name: "NATS, with `-m` and `-P`",
    source: { debian: "nats-server" },
    program: "nats-server",
    version: ["nats-server", "--version"],
    tried: "2.9.10",
    verdict: "works",
    pidFile: "kept",
    exchange: { steps: nats() },
    place(at) {
      const pidFile = `${at.dir}/nats.pid`;
      return {
        command: [
          at.program("nats-server"),
          "-a",
          "127.0.0.1",
          "-p",
          String(at.port),
          "-m",
          String(at.secondPort),
          "-P",
          pidFile,
        ],
        pidFile,
      };
    },
  },
  {
    name: "NATS JetStream, `-js -sd DIR`",
    source: { debian: "nats-server" },
    program: "nats-server",
    version: ["nats-server", "--version"],
    tried: "2.9.10",
    verdict: "stop-first",
    exchange: { steps: nats() },
    data: {
      store: (n) => ({
        steps: [
          ...nats(),
          jetStream("STREAM.CREATE.S", '{"name":"S","subjects":["s.*"]}', /stream_create_response/),
          { send: `PUB s.${n} in 1\r\nv\r\n`, expect: /"seq":\s?\d/ },
        ],
      }),
      recall: (n) => ({
        steps: [...nats(), jetStream("STREAM.MSG.GET.S", `{"last_by_subj":"s.${n}"}`, /"data"/)],
      }),
    },
    place: (at) => ({
      command: [
        at.program("nats-server"),
        "-a",
        "127.0.0.1",
        "-p",
        String(at.port),
        "-js",
        "-sd",
        openFolder(at, "data"),
      ],
    }),
  },
  {
    name: "etcd",
    source: { debian: "etcd-server" },
    program: "etcd",
    version: ["etcd", "--version"],
    tried: "3.4.23",
    verdict: "stop-first",
    exchange: http(/etcdserver/, "/version"),
    place(at) {
      const client = `http://127.0.0.1:${at.port}`;
      const peer = `http://127.0.0.1:${at.secondPort}`;
      return {
        command: [
          at.program("etcd"),
          "--data-dir",
          `${at.dir}/etcd`,
          "--name",
          "m",
          "--listen-client-urls",
          client,
          "--advertise-client-urls",
          client,
          "--listen-peer-urls",
          peer,
          "--initial-advertise-peer-urls",
          peer,
          "--initial-cluster",
          `m=${peer}`,
        ],
      };
    },
  },
  {
    name: "beanstalkd, in memory",
    source: { debian: "beanstalkd" },
    program: "beanstalkd",
    version: ["beanstalkd", "-v"],
    tried: "1.12",
    verdict: "works",
    lost: "its jobs, as at its own restart: use `-b`",
    isInGate: true,
    exchange: asks("stats-tube default\r\n", /^OK \d/),
    place: (at) => ({
      command: [at.program("beanstalkd"), "-l", "127.0.0.1", "-p", String(at.port)],
    }),
  },
  {
    name: "beanstalkd `-b DIR`",
    source: { debian: "beanstalkd" },
    program: "beanstalkd",
    version: ["beanstalkd", "-v"],
    tried: "1.12",
    verdict: "stop-first",
    isInGate: true,
    exchange: asks("stats-tube default\r\n", /^OK \d/),
    data: {
      store: () => asks("put 0 0 10 1\r\nx\r\n", /^INSERTED/),
      recall: (n) => asks(`peek ${n}\r\n`, /^FOUND/),
    },
    place: (at) => ({
      command: [
        at.program("beanstalkd"),
        "-l",
        "127.0.0.1",
        "-p",
        String(at.port),
        "-b",
        openFolder(at, "binlog"),
      ],
    }),
  },
  {
    name: "gearmand",
    source: { debian: "gearman-job-server" },
    program: "gearmand",
    version: ["gearmand", "--version"],
    tried: "1.1.20",
    verdict: "works",
    lost: "its jobs, as at its own restart",
    exchange: asks("version\n", /^OK \d/),
    place: (at) => ({
      command: [
        at.program("gearmand"),
        "-L",
        "127.0.0.1",
        "-p",
        String(at.port),
        "-l",
        "stderr",
        "-u",
        "nobody",
      ],
    }),
  },
  {
    name: "OpenLDAP slapd, mdb",
    source: { debian: "slapd" },
    program: "slapd",
    version: ["dpkg-query", "-W", "slapd"],
    tried: "2.5.13",
    verdict: "stop-first",
    exchange: asks(
      "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00",
      /^0[^]{4}a/,
    ),
    place(at) {
      const config = at.write(
        "slapd.conf",
        `include /etc/ldap/schema/core.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n` +
          `pidfile ${at.dir}/slapd.pid\ndatabase mdb\nsuffix "dc=x"\nmaxsize 10485760\n` +
          `directory ${openFolder(at, "db")}\n`,
      );
      return {
        command: [
          at.program("slapd"),
          "-d",
          "0",
          "-f",
          config,
          "-h",
          `ldap://127.0.0.1:${at.port}`,
        ],
      };
    },
  },
];

function int32(value: number): string {
  return String.fromCharCode(value >> 24 & 255, value >> 16 & 255, value >> 8 & 255, value & 255);
}

/** PostgreSQL, "Message Formats": StartupMessage of protocol 3.0, until ReadyForQuery. */
function startup(database: string): Exchange {
  const body = `${int32(196_608)}user\0postgres\0database\0${database}\0\0`;
  return asks(int32(body.length + 4) + body, /Z[^]{4}I$/);
}

function sql(query: string, expect: RegExp | string): Exchange {
  const send = `Q${int32(query.length + 5)}${query}\0`;
  return { steps: [...startup("postgres").steps, { send, expect }] };
}

/** MySQL's protocol 4.1: greeting, login as root without a password, one command. */
function mysql(command: string, expect: RegExp | string): Exchange {
  const packet = (sequence: number, body: string) =>
    String.fromCharCode(body.length & 255, body.length >> 8, 0, sequence) + body;
  const login = "\x00\x82\x08\x00\x00\x00\x00\x01\x21" + "\0".repeat(23) + "root\0\0" +
    "mysql_native_password\0";
  return {
    steps: [
      { expect: /mysql_native_password/ },
      { send: packet(1, login), expect: "\x07\x00\x00\x02\x00" },
      { send: packet(0, command), expect },
    ],
  };
}

/** MQTT 3.1.1: CONNECT with a clean session, CONNACK. */
function mqtt(): Step[] {
  return [{ send: "\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", expect: "\x20\x02\x00\x00" }];
}

function nats(): Step[] {
  return [
    { expect: /^INFO .*\r\n/ },
    { send: 'CONNECT {"verbose":false}\r\nSUB in 1\r\nPING\r\n', expect: /^PONG\r\n/ },
  ];
}

function jetStream(subject: string, body: string, expect: RegExp): Step {
  return { send: `PUB $JS.API.${subject} in ${body.length}\r\n${body}\r\n`, expect };
}
