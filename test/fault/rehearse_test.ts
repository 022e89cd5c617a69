/**
 * Fault: a rehearsal is killed, or not allowed. Allowed outcome: nothing of it is left; or a refusal that says what was
 * refused and what to do, before anything was started.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { fixture } from "../support/programs.ts";
import { isRoot, noRehearsal, rehearsalWords, rehearseCommand } from "../support/rehearsals.ts";
import { restrictedBy } from "../support/restrict.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const EXIT_SYSTEM = 71;
const PYTHON = "/usr/bin/python3";
const TIMEOUT = { timeout: TEST_TIMEOUT_MS };

/** Processes with `word` in their command line. */
function processesWith(word: string): number[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(word);
    } catch {
      return false;
    }
  });
}

describe("rehearse", () => {
  test("killed in the middle: no process and no file is left", {
    ...TIMEOUT,
    skip: noRehearsal(),
  }, async () => {
    using dir = tempDir("rehearse");
    const token = dir.path;
    // Never ready: by itself the rehearsal would wait for a minute.
    const command = [PYTHON, "-c", "import time; time.sleep(600)", token];
    const [program = "", ...words] = rehearsalWords({ command });
    const baton = spawn(program, words, { stdio: "ignore" });
    // The user's own process, the run of baton in there, and the server.
    await waitUntil(() => processesWith(token).length >= 3, { what: "the server runs" });
    baton.kill("SIGKILL");
    await waitUntil(() => processesWith(token).length === 0, { what: "all have ended" });
    assert.deepEqual(readdirSync(dir.path), []);
  });

  const refusals = [
    ["unshare=EPERM", /^baton: Cannot rehearse here: Cannot unshare the .*namespace.*: EPERM\n/],
    ["mount=EACCES", /^baton: Cannot rehearse here: Cannot mount \/ \(private\): EACCES\n/],
    ["unshare=ENOSPC", /^baton: Cannot rehearse here: Cannot unshare the .*namespace.*: ENOSPC\n/],
  ] as const;
  for (const [restriction, expected] of refusals) {
    const skip = restriction.startsWith("mount") && noRehearsal();
    test(
      `refused with ${restriction}: says what, and what to do`,
      { ...TIMEOUT, skip },
      async () => {
        using dir = tempDir("rehearse");
        const command = ["sh", "-c", `echo started >${dir.join("started")}; exec sleep 60`];
        const wrapper = restrictedBy(restriction);
        const { code, stdout, stderr } = await rehearseCommand({ command, wrapper, cwd: dir.path });
        assert.equal(code, EXIT_SYSTEM, stdout + stderr);
        assert.match(stderr, expected);
        assert.match(stderr, isRoot ? /--privileged/ : /Run it as root; or allow user namespaces/);
        assert.deepEqual(readdirSync(dir.path), []);
      },
    );
  }

  test("root in a user namespace rehearses with what it may write to", {
    ...TIMEOUT,
    skip: noRehearsal(),
  }, async () => {
    using dir = tempDir("rehearse");
    const wrapper = ["unshare", "--user", "--map-root-user"];
    const command = [PYTHON, fixture("rehearsed.py"), "--port", "8080", "--pid", dir.join("pid")];
    const { code, stdout, stderr } = await rehearseCommand({ command, wrapper, cwd: dir.path });
    assert.equal(code, 1, stdout + stderr);
    assert.match(stdout, /pid is in the way.*\(tried\)/);
    assert.deepEqual(readdirSync(dir.path), []);
  });
});
