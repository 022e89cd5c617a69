/** Under whom an upgrade must keep the process. */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { ancestorsOf, whyInPlace } from "../../../src/succession/process_manager.ts";

/** Parents first, each as "pid name: words of its command line". */
function above(...lines: string[]) {
  return lines.map((line) => {
    const [, pid, name, rest] = /^(\d+) ([^:]*): ?(.*)$/.exec(line)!;
    return { pid: Number(pid), name: name!, argv: rest === "" ? [] : rest!.split(" ") };
  });
}

const OWN = { pid: 7, env: {} };
const NOTIFIES = { SYSTEMD_EXEC_PID: "7", NOTIFY_SOCKET: "/run/systemd/notify" };

describe("mustStay()", () => {
  const cases: readonly (readonly [string, string[], RegExp | null])[] = [
    [
      "supervisord, a script",
      ["5 supervisord: /usr/bin/python3 /usr/bin/supervisord -n"],
      /^Supervisor /,
    ],
    ["as a module", ["5 python3: python3 -m supervisor.supervisord"], /^Supervisor \(pid 5\)/],
    ["behind a shell", ["6 sh: /bin/sh -c cd&&baton", "5 supervisord: supervisord"], /^Supervisor/],
    ["runit", ["6 run: /bin/sh ./run", "5 runsv: runsv web"], /^runit/],
    ["runit, run replaced", ["5 runsv: runsv web"], /^runit/],
    ["busybox", ["5 runsv: busybox runsv web"], /^runit/],
    ["s6", ["5 s6-supervise: s6-supervise web"], /^s6/],
    ["daemontools", ["5 supervise: supervise web"], /^daemontools/],
    ["OpenRC", ["5 supervise-daemo: supervise-daemon web --start"], /^OpenRC/],
    ["circus", ["5 circusd: /usr/bin/python3 /usr/bin/circusd x.ini"], /^circus/],
    ["foreman", ["6 sh: sh -c baton", "5 foreman: ruby /usr/bin/foreman start"], /^foreman/],
    [
      "sudo under honcho",
      ["6 sudo: sudo -u app baton", "5 honcho: python honcho start"],
      /^honcho/,
    ],
    ["docker run --init", ["1 docker-init: /sbin/docker-init -- baton run"], /^docker --init/],
    ["tini", ["1 tini: /tini -- baton run"], /^tini/],
    ["a shared PID namespace", ["0 :"], /container ends/],
    ["a shell that somebody types into", ["6 bash: -bash", "5 runsv: runsv sshd"], null],
    ["the same, by hand", ["6 bash: bash -il", "5 runsv: runsv sshd"], null],
    ["a login at a service of runit's", ["6 sshd: sshd: root@pts/0", "5 runsv: runsv sshd"], null],
    ["orphaned", ["1 systemd: /sbin/init"], null],
    ["a test", ["6 bun: bun test", "5 runsv: runsv x"], null],
    ["no manager's name in an argument", ["6 node: node a.js b c runsv"], null],
  ];
  for (const [name, lines, expected] of cases) {
    test(name, () => {
      const why = whyInPlace(OWN, above(...lines));
      if (expected === null) assert.equal(why, null);
      else assert.match(why ?? "", expected);
    });
  }

  test("pm2, which changes its title", () => {
    const god = { pid: 5, name: "PM2 v5.3.0: God", argv: ["PM2 v5.3.0: God Daemon (/root/.pm2)"] };
    assert.match(whyInPlace(OWN, [god]) ?? "", /^pm2/);
  });

  test("process 1", () => assert.match(whyInPlace({ pid: 1, env: {} }, []) ?? "", /process 1/));

  test("systemd: only where it is not told of the new process", () => {
    const systemd = above("1 systemd: /sbin/init");
    assert.match(whyInPlace({ pid: 7, env: { SYSTEMD_EXEC_PID: "7" } }, systemd) ?? "", /^systemd/);
    assert.equal(whyInPlace({ pid: 7, env: NOTIFIES }, systemd), null);
    assert.equal(
      whyInPlace({ pid: 8, env: { SYSTEMD_EXEC_PID: "7" } }, systemd),
      null,
      "not its own",
    );
  });
});

test("ancestorsOf() finds the parent first", () => {
  const [parent] = ancestorsOf("self");
  assert.equal(parent?.pid, process.ppid);
  assert.notEqual(parent?.name, "");
});
