/**
 * The promise: with --server-pidfile the server's own pid file names the serving process, whatever candidates write to it
 * and old generations remove; and so does that of a known server whose command names it.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { findPython, fixture, required, which } from "../support/programs.ts";
import { servingPid } from "../support/serving_pid.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const RELOADS = 3;

async function server(dir: TempDir, flags: string[], env: Record<string, string> = {}) {
  const python = required("python3", findPython());
  return {
    command: [python, fixture("pid_file.py")],
    env: { PORT: String(await freePort()), PIDFILE: dir.join("own.pid"), ...env },
    flags,
  };
}

function read(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "none";
}

async function names(path: string, pid: number, baton: Baton): Promise<void> {
  const what = `${path} names ${pid}, the serving process`;
  await waitUntil(() => read(path).trim() === String(pid), { what }).catch((error) => {
    throw new Error(`${error.message}; it has "${read(path)}"\n${baton.stderr}`);
  });
}

describe("--server-pidfile", () => {
  test(
    "names the new process after each reload, as the server wrote it; gone after a stop",
    TEST,
    async () => {
      using dir = tempDir("pidfile");
      const path = dir.join("own.pid");
      await using baton = await startBaton(await server(dir, ["--server-pidfile", path]));
      const pids = new Set<number>();
      for (let i = 0; i <= RELOADS; i++) {
        if (i > 0) assert.equal((await baton.reload()).result, "ok", baton.stderr);
        const pid = servingPid(await baton.settled());
        await names(path, pid, baton);
        assert.equal(read(path), String(pid));
        assert.equal(statSync(path).mode & 0o777, 0o640);
        pids.add(pid);
      }
      assert.equal(pids.size, RELOADS + 1);
      assert.doesNotMatch(baton.stdout, /pid file is gone/);
      await baton.stop();
      assert.equal(read(path), "none");
    },
  );

  test(
    "a candidate that removes the file, and then insists on creating it, may do so",
    TEST,
    async () => {
      using dir = tempDir("pidfile");
      const path = dir.join("own.pid");
      const flags = ["--server-pidfile", path];
      await using baton = await startBaton(await server(dir, flags, { CREATE: "1" }));
      for (let i = 0; i < RELOADS; i++) {
        const { result, reason } = await baton.reload();
        assert.equal(result, "ok", `${reason}\n${baton.stderr}`);
        await names(path, servingPid(await baton.settled()), baton);
      }
    },
  );

  test("none: the old generation removes the new one's, as without baton", TEST, async () => {
    using dir = tempDir("pidfile");
    const path = dir.join("own.pid");
    await using baton = await startBaton(await server(dir, ["--server-pidfile", "none"]));
    assert.equal((await baton.reload()).result, "ok", baton.stderr);
    servingPid(await baton.settled());
    assert.equal(read(path), "none");
  });

  test("a candidate that fails leaves the serving one's in place", TEST, async () => {
    using dir = tempDir("pidfile");
    const [path, trap] = [dir.join("own.pid"), dir.join("fail")];
    await using baton = await startBaton(
      await server(dir, ["--server-pidfile", path], { FAIL: trap }),
    );
    const pid = servingPid(await baton.settled());
    writeFileSync(trap, "");
    assert.equal((await baton.reload()).result, "failed");
    await names(path, pid, baton);
  });

  test("has the process that the server named, where another one leads", TEST, async () => {
    using dir = tempDir("pidfile");
    const path = dir.join("own.pid");
    const flags = ["--server-pidfile", path];
    await using baton = await startBaton(await server(dir, flags, { BEHIND: "1" }));
    for (let i = 0; i < 2; i++) {
      const leader = servingPid(await baton.settled());
      const below = readFileSync(`/proc/${leader}/task/${leader}/children`, "utf8").trim();
      await names(path, Number(below), baton);
      if (i === 0) assert.equal((await baton.reload()).result, "ok", baton.stderr);
    }
  });

  test("is written for a server that writes none, and put back", TEST, async () => {
    using dir = tempDir("pidfile");
    const path = dir.join("other.pid");
    await using baton = await startBaton(await server(dir, ["--server-pidfile", path]));
    const pid = servingPid(await baton.settled());
    await names(path, pid, baton);
    writeFileSync(path, "");
    await names(path, pid, baton);
  });

  test(
    "a FIFO, a link: none holds baton up, or gives its mode to the file; a device stays",
    TEST,
    async () => {
      using dir = tempDir("pidfile");
      const path = dir.join("other.pid");
      await using baton = await startBaton(await server(dir, ["--server-pidfile", path]));
      const pid = servingPid(await baton.settled());
      await names(path, pid, baton);
      execFileSync("mkfifo", [dir.join("fifo")]);
      renameSync(dir.join("fifo"), path);
      await waitUntil(() => lstatSync(path, { throwIfNoEntry: false })?.isFile() === true, {
        what: "a file instead of the FIFO",
      });
      await names(path, pid, baton);
      symlinkSync(dir.write("target", "1\n"), dir.join("link"));
      renameSync(dir.join("link"), path);
      await names(path, pid, baton);
      assert.equal(statSync(path).mode & 0o022, 0);
      // The server is to write none: no file may take the place of a device.
      symlinkSync("/dev/null", dir.join("device"));
      renameSync(dir.join("device"), path);
      assert.equal((await baton.reload()).result, "ok", baton.stderr);
      await baton.stop();
      assert.equal(lstatSync(path).isSymbolicLink(), true);
    },
  );

  const nginx = which("nginx") ?? which("/usr/sbin/nginx");
  const skip = nginx === null ? "nginx is not installed" : false;
  test("nginx: the path in its command is kept without the option", { ...TEST, skip }, async () => {
    using dir = tempDir("pidfile");
    const path = dir.join("nginx.pid");
    const port = await freePort();
    writeFileSync(
      dir.join("conf"),
      `events {} http { access_log off; server { listen 127.0.0.1:${port}; } }`,
    );
    await using baton = await startBaton({
      env: {},
      command: [nginx!, "-c", dir.join("conf"), "-e", "stderr", "-g", `daemon off; pid ${path};`],
    });
    await names(path, servingPid(await baton.settled()), baton);
    assert.equal((await baton.reload()).result, "ok", baton.stderr);
    await names(path, servingPid(await baton.settled()), baton);
    await baton.stop();
    assert.equal(read(path), "none");
  });
});
