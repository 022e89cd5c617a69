/**
 * The promise: `baton rehearse` says rightly whether a server can be reloaded, and with which command line; and nothing
 * outside is reached: no file, socket or process.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readdirSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { describe, test } from "node:test";
import { batonCommand, runCommand } from "../support/baton.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { alive } from "../support/proc.ts";
import { fixture } from "../support/programs.ts";
import { IS_FULL } from "../support/repeats.ts";
import { isRoot, noRehearsal, rehearsal, rehearseCommand, USERS } from "../support/rehearsals.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";

const PORT = "8080";
/** The one in PATH may be in the home of root. */
const PYTHON = "/usr/bin/python3";

function server(...words: string[]): string[] {
  return [PYTHON, fixture("rehearsed.py"), "--port", PORT, ...words];
}

const DATAGRAMS = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); " +
  `s.bind(("127.0.0.1", ${PORT})); [s.recv(9) for _ in iter(int, 1)]`;

function folder(uid: number | undefined): TempDir {
  const dir = tempDir("rehearse");
  if (uid !== undefined) chownSync(dir.path, uid, uid);
  return dir;
}

/** Everything in a folder that would show that something was there. */
function listing(path: string): string[] {
  return readdirSync(path, { recursive: true, encoding: "utf8" }).sort().map((name) => {
    const { ino, mode, size, mtimeMs } = lstatSync(`${path}/${name}`);
    return [name, ino, mode, size, mtimeMs].join(" ");
  });
}

async function listening(at: string | number): Promise<{ server: Server; count: () => number }> {
  let connections = 0;
  const listener = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise<void>((resolve) =>
    typeof at === "string"
      ? listener.listen(at, resolve)
      : listener.listen(at, "127.0.0.1", resolve)
  );
  return { server: listener, count: () => connections };
}

for (const [index, [user, uid]] of USERS.entries()) {
  const skip = noRehearsal(uid) || (existsSync(PYTHON) ? false : `${PYTHON} is missing`);
  const how = { skip, timeout: TEST_TIMEOUT_MS };
  const full = { ...how, skip: skip || (IS_FULL ? false : "in make test-all") };
  // The decisions are the same for all users, and each takes seconds.
  const rest = { ...how, skip: skip || (index > 0 && !IS_FULL ? "in make test-all" : false) };

  describe(`rehearse, as ${user}`, () => {
    test(
      "a server without trouble can be reloaded, with the line that was given",
      how,
      async () => {
        const { code, verdict, command, attempts } = await rehearsal({ uid, command: server() });
        assert.deepEqual([code, verdict], [0, "can be reloaded"], command);
        assert.equal(command, ["baton run --", ...server()].join(" "));
        const [attempt] = attempts;
        assert.deepEqual(attempt?.start.listeners, [`127.0.0.1:${PORT}`]);
        assert.deepEqual(attempt?.reload?.lost, []);
        assert.ok(attempt.reload.exchanges > 20, `${attempt.reload.exchanges} exchanges`);
        assert.equal(attempt.stop?.status, 0);
      },
    );

    test("a shell that stays in front of the server is named", rest, async () => {
      const script = `${server().map((word) => `'${word}'`).join(" ")}; true`;
      const { code, notes } = await rehearsal({ uid, command: ["sh", "-c", script] });
      assert.equal(code, 0);
      assert.match(notes.join("\n"), /the shell stays in front of the server .*before python3/);
    });

    test("a checked pid file: the line with one for each generation, tried", rest, async () => {
      using dir = folder(uid);
      const command = server("--pid", dir.join("web.pid"));
      const report = await rehearsal({ uid, command, cwd: dir.path });
      assert.deepEqual([report.code, report.verdict], [1, "can be reloaded with a change"]);
      assert.match(report.reasons.join("\n"), /pid file .*web\.pid is in the way.*\(tried\)/);
      assert.ok(report.command.endsWith(`--pid ${dir.join("web.{epoch}.pid")}`), report.command);
      assert.equal(report.attempts[1]?.reload?.ok, true, report.stdout);
      assert.deepEqual(readdirSync(dir.path), []);
    });

    test("a locked directory of data: stop-first, tried", rest, async () => {
      using dir = folder(uid);
      dir.write("table", "rows");
      if (uid !== undefined) chownSync(dir.join("table"), uid, uid);
      const before = listing(dir.path);
      const report = await rehearsal({ uid, command: server("--data", dir.path), cwd: dir.path });
      assert.deepEqual([report.code, report.verdict], [1, "can be reloaded with a change"]);
      assert.match(report.reasons.join("\n"), /holds its data: lock .*LOCK/);
      assert.match(report.command, /^baton run --order=stop-first -- /);
      assert.deepEqual(listing(dir.path), before);
    });

    test("a state file that each copy writes at its end: stop-first, tried", full, async () => {
      using dir = folder(uid);
      const command = server("--state", dir.join("state"));
      const report = await rehearsal({ uid, command, cwd: dir.path });
      assert.deepEqual([report.code, report.verdict], [1, "can be reloaded with a change"]);
      assert.match(report.reasons.join("\n"), /both copies write .*\/state,/);
      assert.match(report.command, /--order=stop-first/);
      assert.deepEqual(readdirSync(dir.path), []);
    });

    test("a server of UDP alone: --udp switch, tried, and soon", full, async () => {
      const { code, command } = await rehearsal({ uid, command: [PYTHON, "-c", DATAGRAMS] });
      assert.equal(code, 1);
      assert.match(command, /^baton run --udp=switch -- /);
    });

    test("a server that does not start: a verdict of its own, with its words", rest, async () => {
      const command = [...server(), "--pid", "/nowhere/web.pid"];
      const { code, stdout } = await rehearseCommand({ uid, command });
      assert.equal(code, 70);
      assert.match(stdout, /^does not start\n/);
      assert.match(stdout, /No such file or directory: '\/nowhere\/web.pid'/);
    });

    test("no file, socket or process outside is reached, and nothing is left", how, async () => {
      using dir = folder(uid);
      const token = `baton-${dir.path.split("/").at(-1)}`;
      const places = [dir.path, "/tmp", "/var/tmp", "/run", "/var/lib", "/etc", "/dev/shm"];
      // An ordinary user has no layer over /run.
      const sockets = [dir.path, "/tmp", ...isRoot ? ["/run"] : []].map((at) =>
        `${at}/${token}.sock`
      );
      const unix = await Promise.all(sockets.map(listening));
      sockets.forEach((path) => chmodSync(path, 0o777));
      const tcp = await listening(0);
      const address = tcp.server.address();
      const process = spawn("sleep", ["60"], { stdio: "ignore" });
      try {
        mkdirSync(dir.join("data"));
        const before = listing(dir.path);
        const targets = {
          write: places.map((place) => `${place}/${token}`),
          unix: sockets,
          tcp: typeof address === "object" ? address?.port : 0,
          process: process.pid,
        };
        const script = [fixture("reaches_out.py"), JSON.stringify(targets)];
        const command = [PYTHON, ...script];
        const { attempts, code } = await rehearsal({ uid, command, cwd: dir.path });
        const said = attempts[0]?.output.join("\n") ?? "";
        assert.equal(code, 70);
        // The server itself believes that it has written.
        assert.match(said, new RegExp(`reached write ${dir.path}/${token}`));
        assert.match(said, new RegExp(`reached write /tmp/${token}`));
        for (const socket of sockets) {
          // In /run it is left out, as after a boot.
          assert.match(
            said,
            new RegExp(`refused unix ${socket}: (Connection refused|No such file)`),
          );
        }
        assert.match(said, /refused tcp: Connection refused/);
        assert.match(said, /refused process: No such process/);
        assert.ok(
          [...unix, tcp].every(({ count }) => count() === 0),
          "a socket outside was reached",
        );
        assert.ok(alive(process.pid!), "the process outside lives");
        assert.deepEqual(listing(dir.path), before);
        const left = places.filter((place) => readdirSync(place).includes(token));
        assert.deepEqual(left, []);
      } finally {
        process.kill("SIGKILL");
        [...unix, tcp].forEach(({ server }) => server.close());
      }
    });
  });
}

/** A folder that is no mount point, with the machine's files below it: for a chroot. */
const ENTER =
  'for d in /*; do case $d in /proc|/sys|/dev|/run) continue; esac; if [ -L "$d" ]; then ' +
  'cp -P "$d" "$0$d"; elif [ -d "$d" ]; then mkdir "$0$d" && mount --bind "$d" "$0$d"; fi; done; ' +
  'mkdir "$0/proc" "$0/dev" && mount -t proc proc "$0/proc" && mount --bind /dev "$0/dev" && ' +
  'exec chroot "$0" "$@"';

test(
  "in a chroot whose root is no mount point: what to do, from rehearse and from doctor",
  { skip: noRehearsal(undefined) || !isRoot, timeout: TEST_TIMEOUT_MS },
  async () => {
    using dir = tempDir("rehearse_chroot");
    using other = tempDir("doctor_chroot");
    const enter = (path: string) => ["unshare", "--mount", "sh", "-c", ENTER, path];
    const { code, stderr } = await rehearseCommand({
      command: ["true"],
      wrapper: enter(dir.path),
    });
    assert.equal(code, 71, stderr);
    assert.match(stderr, /Cannot rehearse here: \/ is no mount point.*\n.*mount --bind DIR DIR/);
    const doctor = await runCommand([...enter(other.path), ...batonCommand(), "doctor"]);
    assert.match(doctor.stdout, /rehearsals.*: \/ is no mount point.*mount --bind DIR DIR/);
  },
);
