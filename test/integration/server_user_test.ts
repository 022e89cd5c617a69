/** The promise: what --user, --rlimit and the like say holds for a server's first instruction, and a reload changes it. */
import assert from "node:assert/strict";
import { chmodSync, readFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { perlServer } from "../support/perl_server.ts";
import { alive } from "../support/proc.ts";
import { servingPid } from "../support/serving_pid.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const AS_ROOT = process.getuid?.() === 0;
const needsRoot = { ...TEST, skip: AS_ROOT ? false : "only root may become another user" };

/** A line of a file in /proc. */
function fact(pid: number, file: string, pattern: RegExp): string {
  return pattern.exec(readFileSync(`/proc/${pid}/${file}`, "utf8"))?.[1]?.replace(/\s+/g, " ") ??
    "";
}

describe("the process of a server", () => {
  test("has the limits, nice value and umask, with each user's rights", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton({
      command: [...perlServer(port), "x"],
      env: {},
      flags: ["--rlimit", "nofile=200:300", "--rlimit", "core=0", "--nice", "3", "--umask", "027"],
    });
    const pid = servingPid(await baton.settled());
    assert.equal(fact(pid, "limits", /^Max open files +(\d+ +\d+)/m), "200 300");
    assert.equal(fact(pid, "limits", /^Max core file size +(\d+ +\d+)/m), "0 0");
    assert.equal(fact(pid, "status", /^Umask:\s+(\d+)$/m), "0027");
    // The 19th field, proc_pid_stat(5).
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ");
    assert.equal(fields[16], "3");
  });

  test("is that of --user, with its groups and home, and ends with baton", needsRoot, async () => {
    const port = await freePort();
    await using baton = await startBaton({
      command: [...perlServer(port), "x"],
      env: {},
      flags: ["--user", "nobody"],
    });
    const pid = servingPid(await baton.settled());
    assert.match(fact(pid, "status", /^Uid:\s+(.*)$/m), /^65534 65534 65534 65534$/);
    assert.match(fact(pid, "status", /^Gid:\s+(.*)$/m), /^(\d+) \1 \1 \1$/);
    assert.equal(fact(pid, "status", /^Groups:[ \t]*(.*)$/m).trim(), "");
    assert.equal(fact(pid, "environ", /(?:^|\0)USER=([^\0]*)/), "nobody");
    process.kill(baton.pid, "SIGKILL");
    await waitUntil(() => !alive(pid), { what: "the server has ended with its baton" });
  });

  test("also of its hooks, checks and reloads", needsRoot, async () => {
    using dir = tempDir();
    chmodSync(dir.path, 0o777);
    const port = await freePort();
    // A check is made again and again: its file is whole at any moment.
    const tell = (what: string) => {
      const path = dir.join(what);
      return `id -u > ${path}.new && mv ${path}.new ${path}`;
    };
    await using baton = await startBaton({
      command: [...perlServer(port), "x"],
      env: {},
      flags: [
        "--user",
        "nobody",
        "--pre-flight",
        tell("pre-flight"),
        "--hook",
        `ready=${tell("hook")}`,
        "--ready",
        `exec:${tell("check")}`,
      ],
    });
    for (const what of ["pre-flight", "hook", "check"]) {
      assert.equal(readFileSync(dir.join(what), "utf8"), "65534\n", what);
    }
    const before = servingPid(await baton.settled());
    assert.equal((await baton.reload()).result, "ok");
    const pid = servingPid(await baton.settled());
    assert.notEqual(pid, before);
    assert.equal(fact(pid, "status", /^Uid:\s+(\d+)/m), "65534");
  });

  test("that cannot be had fails the start, and says why", TEST, async () => {
    const cases: [flags: string[], message: RegExp][] = [
      [
        ["--user", "no-such-user"],
        /Cannot use --user no-such-user: there is no such name in \/etc\/passwd/,
      ],
      [["--user", "12345678"], /no account has this number, and so no group/],
      [["--rlimit", "nofile=unlimited"], /--rlimit nofile: EPERM: .*\/proc\/sys\/fs\/nr_open/],
      [["--rlimit", "nofile=3"], /EMFILE: --rlimit nofile.* too small/],
      ...AS_ROOT
        ? []
        : [[["--user", "root"], /EPERM: baton must run as root/] as [string[], RegExp]],
    ];
    for (const [flags, message] of cases) {
      await using baton = await startBaton({
        command: ["true"],
        env: {},
        flags,
        expectFailure: true,
      });
      assert.notEqual((await baton.exited).code, 0);
      assert.match(baton.stderr, message);
    }
  });
});
