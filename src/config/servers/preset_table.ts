/**
 * What baton knows about servers by the name of their program. A row needs a place in the server's own documentation
 * (its last column in docs/presets.md), and an exit status a run. Pure.
 *
 * A wrong "graceful" costs requests: the server is signaled while they are in flight. So it is "abrupt" where the server's
 * own default limit is shorter than a slow request.
 */
import type { SignalName } from "../values/signals.ts";

/** SIGUSR1 makes the server reopen its logs, must not reach it, or has another use. */
export type Usr1Meaning = "reopen" | "ignore" | "forward";

/**
 * - checks: does not start while the process that the file names is alive, or while another one has it locked.
 * - removes: removes it at its end, whatever it names by then.
 * - writes: writes it, and no more.
 */
type PidfileHabit = "checks" | "removes" | "writes";

/** What a server does with its pid file. */
export interface Pidfile {
  readonly habit: PidfileHabit;
  /** How its path is given on the command line; null: in its configuration only. */
  readonly option: {
    readonly names: string;
    /** Where the path is in a value that holds more: the first group of this pattern. */
    readonly pattern: RegExp | null;
  } | null;
  /** How to give each generation a file of its own; null: not needed. */
  readonly own: string | null;
}

/** How a program's control address is found in its command line and the files that this names (generation/goodbye/). */
export type ControlFinder = "envoy";

/** How a server is asked to say goodbye to its clients, before its stop signal. */
export interface Goodbye {
  /** As in --drain-call, at the control address: "POST:/drain", or "exec:socat - {control}". */
  readonly call: string;
  /** As in --drain-undo. */
  readonly undo?: string;
  /** Path of a check at the control address, which answers with 200 when the server may serve: part of its gate. */
  readonly ready?: string;
  /** Path of gauges at the control address, "name: 3" each: streams that look idle from outside. */
  readonly streams?: string;
  /** How the control address is found; missing: the call needs none. */
  readonly finder?: ControlFinder;
}

interface Extras {
  /** From the stop signal to KILL, where that may be long. */
  readonly stopTimeMs?: number;
  /** What it exits with at its stop signal, besides 0: that is its way, and no failure. */
  readonly cleanExit?: readonly number[];
  readonly pidfile?: readonly [PidfileHabit, string?, RegExp?];
  /** How to give each generation a pid file of its own, for servers that check it. */
  readonly ownPidfile?: string;
  readonly goodbye?: Goodbye;
}

/** Names of a program, stop signal, whether that is graceful, meaning of SIGUSR1, note, source, rest. */
type Row = readonly [
  string,
  SignalName,
  "graceful" | "abrupt",
  Usr1Meaning,
  string,
  string,
  Extras?,
];

/** Databases may have much to write at their end. Units of distributions give them 15 minutes, or no limit. */
const DATABASE = { stopTimeMs: 300_000 } as const;

const SCRIPT = "what TERM does is up to the script";

// deno-fmt-ignore: one program per entry, so that it reads as a table
export const PRESET_ROWS: readonly Row[] = [
  ["nginx openresty angie freenginx tengine", "SIGQUIT", "graceful", "reopen",
    "TERM and INT are the fast shutdown; run it with 'daemon off;'",
    "nginx.org/en/docs/control.html",
    { pidfile: ["removes", "-g", /(?:^|[;\s])pid\s+([^;\s]+)/] }],
  ["apache apache2 httpd", "SIGWINCH", "graceful", "ignore",
    "USR1 is its own graceful restart; run it with -DFOREGROUND",
    "httpd.apache.org/docs/2.4/stopping.html",
    { pidfile: ["checks"], ownPidfile: "PidFile /run/apache2/apache2.${BATON_EPOCH}.pid in its configuration" }],
  ["haproxy", "SIGUSR1", "graceful", "ignore",
    "USR1 is its soft stop, never forwarded; hard-stop-after bounds the wait; set close-spread-time 1s",
    "haproxy's management.txt, 4. Stopping and restarting", { pidfile: ["writes", "-p"] }],
  ["lighttpd", "SIGINT", "graceful", "ignore",
    "TERM is immediate and USR1 its own restart; run it with -D",
    "lighttpd-angel(8)", { pidfile: ["removes"] }],
  ["caddy", "SIGTERM", "graceful", "ignore", "version 2; grace_period bounds the wait",
    "caddyserver.com/docs/command-line#signals", { pidfile: ["writes", "--pidfile"] }],
  ["traefik", "SIGTERM", "graceful", "reopen", "graceTimeOut (10 s by default) bounds the wait; 404 until it has routes: --ready http:PORT/PATH",
    "doc.traefik.io, entrypoints: lifeCycle; log rotation"],
  ["envoy", "SIGTERM", "abrupt", "reopen",
    "TERM cuts connections at once, so baton has it say goodbye first; use --disable-hot-restart",
    "envoyproxy.io, operations: draining; access log rotation",
    { goodbye: { call: "POST:/healthcheck/fail", undo: "POST:/healthcheck/ok", ready: "/ready",
      streams: "/stats?filter=downstream_cx_upgrades_active$", finder: "envoy" } }],
  ["h2o", "SIGTERM", "graceful", "ignore", "as under Server::Starter",
    "h2o.examp1e.net/configure/command_options.html", { pidfile: ["removes"] }],
  ["nghttpx", "SIGQUIT", "graceful", "reopen", "TERM and INT are immediate", "nghttpx(1), SIGNALS",
    { pidfile: ["writes", "--pid-file"] }],
  ["gunicorn", "SIGTERM", "graceful", "reopen",
    "graceful_timeout (30 s by default) bounds the wait; INT and QUIT are the quick shutdown",
    "docs.gunicorn.org/en/stable/signals.html",
    { pidfile: ["checks", "-p --pid"], ownPidfile: "-p /run/app.{epoch}.pid" }],
  ["uvicorn", "SIGTERM", "graceful", "ignore",
    "waits for connections and background tasks; USR1 would kill it",
    "uvicorn.org/server-behavior"],
  ["hypercorn", "SIGTERM", "abrupt", "ignore",
    "TERM waits only graceful_timeout (3 s by default), so baton drains it from outside first",
    "hypercorn.readthedocs.io, configuration"],
  ["waitress waitress-serve", "SIGINT", "abrupt", "ignore",
    "TERM kills it with its requests; INT finishes those that run, for at most 5 s",
    "waitress's server.py, run(); task.py, shutdown(timeout=5)"],
  ["uwsgi uwsgi-core", "SIGINT", "abrupt", "ignore",
    "TERM reloads it unless die-on-term is set, so it gets INT, which is immediate",
    "uwsgi-docs.readthedocs.io, Management"],
  ["puma", "SIGTERM", "graceful", "ignore", "USR1 is its own phased restart",
    "puma.io/puma/file.signals.html", { pidfile: ["removes", "--pidfile"] }],
  ["unicorn unicorn_rails", "SIGQUIT", "graceful", "reopen", "TERM and INT are immediate",
    "unicorn's SIGNALS",
    { pidfile: ["checks"], ownPidfile: 'pid "/run/app.#{ENV["BATON_EPOCH"]}.pid" in its configuration' }],
  ["rails", "SIGTERM", "abrupt", "ignore", "what TERM does is up to the server in it; puma finishes its requests",
    "railties' commands/server/server_command.rb", { pidfile: ["checks", "-P --pid"], ownPidfile: "-P tmp/pids/server.{epoch}.pid" }],
  ["starman", "SIGQUIT", "graceful", "ignore", "TERM and INT kill the workers at once",
    "starman(1p), SIGNALS", { pidfile: ["checks", "--pid"], ownPidfile: "--pid /run/app.{epoch}.pid" }],
  ["hypnotoad", "SIGQUIT", "graceful", "ignore",
    "TERM and INT are immediate; its second copy replaces the first by its pid file; run it with -f",
    "Mojo::Server::Hypnotoad(3pm), MANAGER SIGNALS",
    { pidfile: ["checks"], ownPidfile: 'hypnotoad => {pid_file => "/run/app.$ENV{BATON_EPOCH}.pid"}' }],
  ["php-fpm", "SIGQUIT", "abrupt", "reopen",
    "QUIT is graceful only where process_control_timeout is set (0 by default); run it with -F",
    "php-fpm(8), SIGNALS", { pidfile: ["removes", "-g --pid"] }],
  ["squid", "SIGINT", "abrupt", "reopen",
    "TERM waits for clients for shutdown_lifetime (30 s by default), INT does not; run it with -N",
    "squid-cache.org/Doc/config/shutdown_lifetime; squid(8), -k interrupt",
    { pidfile: ["checks"], ownPidfile: "pid_filename none in its configuration" }],
  ["pgbouncer", "SIGINT", "abrupt", "ignore",
    "INT lets transactions finish; before 1.23 TERM is immediate; USR1 pauses it",
    "pgbouncer.org/usage.html, Signals",
    { cleanExit: [1], pidfile: ["checks"],
      ownPidfile: "no pidfile, and unix_socket_dir empty, in its configuration" }],
  ["postgres postmaster", "SIGINT", "abrupt", "ignore",
    "INT is the fast shutdown; TERM, the smart one, waits until all clients have disconnected",
    "postgresql.org/docs/current/server-shutdown.html", DATABASE],
  ["mariadbd mariadb mysqld", "SIGTERM", "abrupt", "ignore", "TERM writes out what is only in memory",
    "mariadb.com/kb/en/systemd; dev.mysql.com/doc/refman, signal-response.html", DATABASE],
  ["redis-server valkey-server keydb-server", "SIGTERM", "abrupt", "ignore",
    "TERM saves the data first, if it is configured to be saved",
    "redis.io/docs/latest/operate/oss_and_stack/reference/signals",
    { ...DATABASE, pidfile: ["removes", "--pidfile"] }],
  ["mongod mongos", "SIGTERM", "abrupt", "reopen", "TERM waits for operations, and writes a checkpoint",
    "mongodb.com/docs/manual/tutorial/manage-mongodb-processes; tutorial/rotate-log-files", DATABASE],
  ["etcd", "SIGTERM", "abrupt", "ignore", "a leader hands its leadership over first",
    "etcd.io/docs, op-guide", DATABASE],
  ["mosquitto", "SIGTERM", "abrupt", "ignore", "TERM saves what is persistent; USR1 saves it at once",
    "mosquitto(8), SIGNALS", { ...DATABASE, pidfile: ["removes"] }],
  ["nats-server", "SIGTERM", "abrupt", "reopen", "USR2 is its lame duck mode; 2.9 exits with 1 at TERM",
    "docs.nats.io/running-a-nats-service/nats_admin/signals",
    { ...DATABASE, cleanExit: [1], pidfile: ["writes", "-P --pid"] }],
  ["slapd", "SIGTERM", "abrupt", "ignore", "waits for operations, then closes its databases",
    "slapd(8); OpenLDAP's Administrator's Guide, 7. Running slapd", { ...DATABASE, pidfile: ["removes"] }],
  ["influxd", "SIGTERM", "abrupt", "ignore", "TERM writes out what is only in memory",
    "docs.influxdata.com/influxdb/v2", DATABASE],
  ["clickhouse-server clickhouse", "SIGTERM", "abrupt", "ignore", "shutdown_wait_unfinished bounds the wait",
    "clickhouse.com/docs/operations/server-configuration-parameters", DATABASE],
  ["cockroach", "SIGTERM", "abrupt", "ignore", "TERM drains the node; its drain settings bound the wait",
    "cockroachlabs.com/docs/stable/node-shutdown", DATABASE],
  ["sshd", "SIGTERM", "abrupt", "ignore", "its sessions are ended with it; run it with -D",
    "sshd(8)", { pidfile: ["removes", "-o", /^PidFile[= ](.+)$/i] }],
  ["dropbear", "SIGTERM", "abrupt", "ignore", "exits with 1 at TERM; run it with -F",
    "dropbear's svr-main.c: Terminated by signal", { cleanExit: [1], pidfile: ["removes", "-P"] }],
  ["privoxy", "SIGTERM", "abrupt", "ignore", "exits with the number of its signal; run it with --no-daemon",
    "privoxy(8), SIGNALS; SuccessExitStatus=15 of Debian's privoxy.service",
    { cleanExit: [15], pidfile: ["removes", "--pidfile"] }],
  ["inspircd", "SIGTERM", "abrupt", "ignore", "exits with 10 at TERM; run it with --nofork",
    "inspircd(1), EXIT STATUS", { cleanExit: [10], pidfile: ["writes"] }],
  ["xinetd", "SIGTERM", "abrupt", "ignore", "run it with -dontfork", "xinetd(8), CONTROLLING XINETD",
    { pidfile: ["removes", "-pidfile"] }],
  ["node nodejs", "SIGTERM", "abrupt", "ignore", `${SCRIPT}; USR1 opens the inspector`,
    "nodejs.org/api/process.html#signal-events"],
  ["deno", "SIGTERM", "abrupt", "ignore",
    `${SCRIPT}; USR1 opens the inspector, or kills older versions`, "docs.deno.com/api/deno/~/Deno.Signal"],
  ["bun", "SIGTERM", "abrupt", "ignore", `${SCRIPT}; USR1 kills it`, "bun.sh/guides/process/os-signals"],
  ["python pypy", "SIGTERM", "abrupt", "ignore", SCRIPT, "docs.python.org/3/library/signal.html"],
  ["ruby", "SIGTERM", "abrupt", "ignore", SCRIPT, "docs.ruby-lang.org/en/master/Signal.html"],
  ["perl", "SIGTERM", "abrupt", "ignore", SCRIPT, "perlipc(1)"],
  ["php", "SIGTERM", "abrupt", "ignore", SCRIPT, "php.net/pcntl"],
  ["java", "SIGTERM", "abrupt", "ignore",
    "TERM runs the shutdown hooks; finishing requests is up to the application",
    "docs.oracle.com, java.lang.Runtime#shutdown"],
  ["spring-boot", "SIGTERM", "abrupt", "ignore",
    "its graceful shutdown fails requests on kept connections, so baton drains it first",
    "docs.spring.io/spring-boot, graceful shutdown: timeout-per-shutdown-phase (30 s by default)",
    { stopTimeMs: 45_000 }],
];
