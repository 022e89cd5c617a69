/** The server's own pid file is found in its command line, where baton may keep it without being asked. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pidfileAdvice } from "../../../../src/config/servers/pidfile_path.ts";
import { keptPidfile, presetForCommand } from "../../../../src/config/presets.ts";

const CASES: [command: string[], path: string | null][] = [
  [["nginx", "-g", "daemon off; pid /run/n.pid;"], "/run/n.pid"],
  [["sh", "-c", "exec nginx -g 'daemon off; pid /run/n.pid;'"], "/run/n.pid"],
  [["nginx", "-g", "daemon off;"], null],
  [["nginx", "-g", "daemon off; pid /run/n.{epoch}.pid;"], null],
  [["nginx", "-g", "pid logs/n.pid;"], null],
  [["haproxy", "-Ws", "-p", "/run/h.pid", "-f", "/x"], "/run/h.pid"],
  [["puma", "--pidfile", "/run/p.pid"], "/run/p.pid"],
  [["puma", "--pidfile=/run/p.pid"], "/run/p.pid"],
  [["ruby", "/usr/bin/puma", "--pidfile", "/run/p.pid"], "/run/p.pid"],
  [["php-fpm8.2", "-F", "-g", "/run/f.pid"], "/run/f.pid"],
  [["/usr/sbin/sshd", "-D", "-o", "PidFile=/run/s.pid", "-p", "22"], "/run/s.pid"],
  [["/usr/sbin/sshd", "-D", "-oPidFile /run/s.pid"], "/run/s.pid"],
  [["/usr/sbin/sshd", "-D", "-o", "PidFile=none"], null],
  [["dropbear", "-F", "-P", "/run/d.pid"], "/run/d.pid"],
  [["xinetd", "-dontfork", "-pidfile", "/run/x.pid"], "/run/x.pid"],
  [["privoxy", "--no-daemon", "--pidfile", "/run/p.pid", "/etc/c"], "/run/p.pid"],
  [["redis-server", "/etc/c", "--pidfile", "/run/r.pid"], "/run/r.pid"],
  // It checks what is there: it needs one for each generation.
  [["gunicorn", "-p", "/run/g.pid", "app"], null],
  [["starman", "--pid", "/run/s.pid"], null],
  [["node", "--pidfile", "/run/x.pid"], null],
];

describe("keptPidfile()", () => {
  for (const [command, path] of CASES) {
    it(`of ${command.join(" ")}: ${path ?? "none"}`, () => {
      assert.equal(keptPidfile({ serverPidfile: null }, presetForCommand(command)), path);
    });
  }

  it("is what the option says, and none for none", () => {
    const preset = presetForCommand(["nginx", "-g", "pid /run/n.pid;"]);
    assert.equal(keptPidfile({ serverPidfile: "/run/other" }, preset), "/run/other");
    assert.equal(keptPidfile({ serverPidfile: "none" }, preset), null);
  });
});

describe("pidfileAdvice()", () => {
  /** As each of them says it, Debian 12. */
  const cases: [program: string, line: string, advice: RegExp | null][] = [
    [
      "apache2",
      "httpd (pid 9919) already running",
      /apache does not start .*: PidFile .*BATON_EPOCH/,
    ],
    [
      "gunicorn",
      "Error: Already running on PID 1 (or pid file '/x' is stale)",
      /-p \/run\/app.{epoch}/,
    ],
    ["unicorn", "Already running on PID:19811 (or pid=/x is stale) (ArgumentError)", /pid "/],
    [
      "squid",
      "FATAL: Squid is already running: Found fresh instance PID file",
      /pid_filename none/,
    ],
    ["pgbouncer", "FATAL unix socket is in use, cannot continue", /unix_socket_dir/],
    ["starman", "Pid_file already exists for running process (2)... aborting", /--pid/],
    ["hypnotoad", "Starting hot deployment for Hypnotoad server 21391.", /pid_file/],
    ["gunicorn", "ModuleNotFoundError: No module named 'app'", null],
    ["nginx", "invalid PID file", null],
  ];
  for (const [program, line, advice] of cases) {
    it(`of ${program} that prints "${line}": ${advice}`, () => {
      const text = pidfileAdvice(presetForCommand([program]), ["starting", line]);
      if (advice === null) assert.equal(text, null);
      else assert.match(text ?? "", advice);
    });
  }
});
