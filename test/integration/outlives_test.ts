/**
 * The promise: a process that has left the service without a trace, so that no signal of baton reaches it, is named at the
 * end of the service, by its log and by `baton stop`.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { alive } from "../support/proc.ts";
import { findPython, required } from "../support/programs.ts";
import { tempDir } from "../support/temp_dir.ts";
import { existsSync, readFileSync } from "node:fs";
import { waitUntil } from "../support/wait_until.ts";

/** As an sshd session is: another session, no variable of its server, orphaned; its process id is in NOTE. */
const LEAVES = `
import os, socket
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        with open(os.environ["NOTE"] + ".new", "w") as note:
            note.write(str(os.getpid()))
        os.rename(os.environ["NOTE"] + ".new", os.environ["NOTE"])
        os.execve("/bin/sleep", ["sleep", "600"], {})
    os._exit(0)
os.wait()
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True: server.accept()
`;

test("a process that has left without a trace is named by baton stop and the log", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  using dir = tempDir("outlives");
  const note = dir.join("note");
  await using baton = await startBaton({
    command: [required("python3", findPython()), "-c", LEAVES],
    env: { PORT: String(await freePort()), NOTE: note },
    flags: [],
  });
  const pid = Number(
    await waitUntil(() => existsSync(note) ? readFileSync(note, "utf8") : null, {
      what: "it has left",
    }),
  );
  try {
    const { code, stdout, stderr } = await baton.cli("stop");
    assert.equal(stdout, `web has stopped; 1 process lives on: sleep (pid ${pid})\n`, stderr);
    assert.equal(code, 0);
    assert.deepEqual(await baton.exited, { code: 0, signal: null }, baton.stderr);
    assert.match(baton.stderr, new RegExp(`1 process lives on: sleep \\(pid ${pid}\\)`));
    assert.ok(alive(pid));
  } finally {
    process.kill(pid, "SIGKILL");
  }
});
