/**
 * The promise: what a client's session opens (FTP data ports, `ssh -R`) behaves as without baton, and is in no reload's
 * way; a listener that the server has given up is refused.
 */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { ask, members, python, reload, withFixtures } from "../support/listening.ts";
import { repeats } from "../support/repeats.ts";
import { openFds } from "../support/proc.ts";
import { findNode, fixture, required, which } from "../support/programs.ts";
import { isRefused, SessionClient } from "../support/session_client.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const SESSIONS = repeats({ full: 20, quick: 6 });

async function startSessions(): Promise<{ baton: Baton; port: number }> {
  const port = await freePort();
  const command = python(fixture("session_server.py"));
  // A session that says nothing for a while has not ended.
  const flags = ["--ready-timeout", "10s", "--quiet", "60s"];
  const baton = await startBaton({ command, env: { PORT: String(port) }, flags });
  return { baton, port };
}

describe("a server whose sessions open listeners of their own", () => {
  test("leaves nothing with baton, and the next reload asks for none of them", TEST, async () => {
    const { baton: started, port } = await startSessions();
    await using baton = started;
    const before = openFds(baton.pid).size;
    for (let i = 0; i < SESSIONS; i++) {
      using session = await SessionClient.at(port);
      const own = await freePort();
      assert.match(await session.say(`OPEN ${own}`), /^pid=\d+$/);
      assert.equal(await isRefused(own), false, "the session listens");
      await session.say("CLOSE");
      assert.equal(await isRefused(own), true, "as soon as the session has closed it");
      assert.match(await session.say(`OPEN ${own}`), /^pid=\d+$/, "and it can be had again");
      await session.say("QUIT");
      await waitUntil(() => isRefused(own), { what: "the session's process has ended" });
    }
    assert.deepEqual(Object.keys(await members(baton)), [`127.0.0.1:${port}`]);
    // The answer to a request for the status may be on its way out.
    await waitUntil(() => openFds(baton.pid).size <= before, { what: "no descriptor is left" });
    await reload(baton);
  });

  test("a session lives through a reload, and its address stays its own", TEST, async () => {
    const { baton: started, port } = await startSessions();
    await using baton = started;
    const own = await freePort();
    using session = await SessionClient.at(port);
    await session.say(`OPEN ${own}`);
    const report = await baton.reload();
    assert.deepEqual([report.result, report.late], ["ok", []], report.reason ?? "");
    assert.equal(await isRefused(own), false, "the session goes on");
    using later = await SessionClient.at(port);
    // With SO_REUSEPORT the kernel would give it half of the first one's clients.
    assert.equal(await later.say(`OPEN ${own}`), "EADDRINUSE", "of the new generation");
    await session.say("QUIT");
    await waitUntil(async () => /^pid=/.test(await later.say(`OPEN ${own}`)), {
      what: "it is free again",
    });
  });
});

const TWO_PORTS = `
const http = require("node:http");
const { PORT, SECOND } = process.env;
const answer = (_, response) => response.end("pid=" + process.pid);
const second = http.createServer(answer);
http.createServer(answer).listen(PORT, "127.0.0.1", () => second.listen(SECOND, "127.0.0.1"));
process.on("SIGUSR2", () => second.listening ? second.close() : second.listen(SECOND, "127.0.0.1"));
`;

/** The parent listens at PORT; a worker at SECOND, which is replaced at SIGUSR2 if REFORK=1. */
const WORKER = `
import os, signal, sys, time
from python_threaded import HOST, PORT, Handler, Server
main = Server((HOST, PORT), Handler)
def work():
    pid = os.fork()
    if pid == 0:
        main.server_close()
        signal.signal(signal.SIGUSR2, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        Server((HOST, int(os.environ["SECOND"])), Handler).serve_forever()
    return pid
def on_end(*_):
    try:
        ended, _ = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return
    if ended and os.environ["REFORK"] == "1":
        time.sleep(0.2)
        work()
signal.signal(signal.SIGCHLD, on_end)
work()
main.serve_forever()
`;

describe("a listener that no process holds any more, beside another", () => {
  test("that the server closes is refused, and is not asked of the next generation", {
    ...TEST,
  }, async () => {
    const [port, second] = [await freePort(), await freePort()];
    await using baton = await startBaton({
      command: [required("node", findNode()), "-e", TWO_PORTS],
      env: { PORT: String(port), SECOND: String(second) },
      flags: ["--ready-timeout", "10s"],
    });
    await waitUntil(async () => !await isRefused(second), { what: "both listen" });
    const pid = (await baton.status()).generations[0]?.pid ?? 0;
    process.kill(pid, "SIGUSR2");
    // Looked for: it was opened a moment ago.
    const gone = `generation 0 has closed its listener at 127.0.0.1:${second}`;
    await waitUntil(() => baton.stderr.includes(gone), { what: gone });
    assert.equal(await isRefused(second), true);
    assert.deepEqual(Object.keys(await members(baton)), [`127.0.0.1:${port}`]);
    process.kill(pid, "SIGUSR2");
    await waitUntil(async () => !await isRefused(second), { what: "it listens again" });
    await reload(baton);
  });

  test("that a debugger has opened fails no reload", TEST, async () => {
    const [port, debugPort] = [await freePort(), await freePort()];
    const program = required("node", findNode());
    await using baton = await startBaton({
      command: [program, `--inspect-port=127.0.0.1:${debugPort}`, fixture("node_http.js")],
      env: { PORT: String(port) },
      flags: ["--ready-timeout", "10s"],
    });
    process.kill((await baton.status()).generations[0]?.pid ?? 0, "SIGUSR1");
    await waitUntil(async () => !await isRefused(debugPort), { what: "it waits for a debugger" });
    const report = await baton.reload();
    assert.equal(report.result, "ok", report.reason ?? "");
  });

  for (const REFORK of ["1", "0"]) {
    const then = REFORK === "1" ? "gets its queue" : "does not come: it is refused";
    test(`its worker is killed, and the next one ${then}`, TEST, async () => {
      using work = tempDir();
      const [port, second] = [await freePort(), await freePort()];
      await using baton = await startBaton({
        command: python(work.write("worker.py", WORKER)),
        env: withFixtures(port, { SECOND: String(second), REFORK }),
      });
      const first = async () => [...(await ask(second)).byBody.keys()][0];
      const pid = await waitUntil(async () => await first(), { what: "the worker answers" });
      process.kill(pid, "SIGKILL");
      if (REFORK === "1") {
        const tally = await ask(second, { timeoutMs: TEST.timeout });
        assert.equal(tally.lost, 0, `it waits for the next worker\n${baton.stderr}`);
      } else {
        await waitUntil(() => isRefused(second), { what: "it is refused" });
        assert.deepEqual(Object.keys(await members(baton)), [`127.0.0.1:${port}`]);
      }
      await reload(baton);
    });
  }
});

const ROOT_UID = 0;
const needsRoot = process.getuid?.() !== ROOT_UID && "needs root";

/** One passive transfer. @returns the port of its data connection */
async function transfer(port: number): Promise<number> {
  using control = await SessionClient.at(port);
  await control.hear();
  await control.say("USER anonymous");
  assert.match(await control.say("PASS a@example.com"), /^230 /);
  const [high = 0, low = 0] = (await control.say("PASV")).match(/\d+/g)?.slice(-2).map(Number) ??
    [];
  const data = high * 256 + low;
  using listing = await SessionClient.at(data);
  assert.match(await control.say("LIST"), /^150 /);
  assert.match(await listing.hear(), /a-file/);
  assert.match(await control.hear(), /^226 /);
  await control.say("QUIT");
  return data;
}

describe("real servers with sessions", () => {
  const ftp = needsRoot || (which("vsftpd") === null && "vsftpd is not installed");
  test("vsftpd: passive transfers before and after a reload", { ...TEST, skip: ftp }, async () => {
    using work = tempDir();
    const port = await freePort();
    for (const folder of ["files", "empty"]) mkdirSync(work.join(folder));
    work.write("files/a-file", "");
    const config = `listen=YES
listen_address=127.0.0.1
listen_port=${port}
background=NO
anonymous_enable=YES
local_enable=NO
seccomp_sandbox=NO
anon_root=${work.join("files")}
secure_chroot_dir=${work.join("empty")}
`;
    const command = ["vsftpd", work.write("vsftpd.conf", config)];
    await using baton = await startBaton({ command, env: {}, flags: ["--ready-timeout", "10s"] });
    for (let i = 0; i < 2; i++) {
      const data = await transfer(port);
      await waitUntil(() => isRefused(data), { what: "the data port is closed" });
      assert.deepEqual(Object.keys(await members(baton)), [`127.0.0.1:${port}`]);
      await reload(baton);
    }
  });

  const sshd = "/usr/sbin/sshd";
  const ssh = needsRoot || (!existsSync(sshd) || which("ssh") === null) && "sshd is not installed";
  test("sshd: a remote forward (ssh -R) over a reload", { ...TEST, skip: ssh }, async () => {
    using work = tempDir();
    mkdirSync("/run/sshd", { recursive: true });
    const [port, forward] = [await freePort(), await freePort()];
    for (const name of ["host", "key"]) {
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", work.join(name)]);
    }
    const options = (...all: string[]) => all.flatMap((option) => ["-o", option]);
    const strict = ["StrictModes=no", "PermitRootLogin=yes", "PidFile=none"];
    const keys = `AuthorizedKeysFile=${work.join("key.pub")}`;
    const to = ["-h", work.join("host"), "-p", String(port)];
    await using baton = await startBaton({
      command: [
        sshd,
        "-D",
        "-f",
        "/dev/null",
        ...to,
        ...options(
          "ListenAddress=127.0.0.1",
          keys,
          ...strict,
        ),
      ],
      env: {},
      flags: ["--ready-timeout", "10s"],
    });
    const unchecked = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"];
    const client = spawn("ssh", [
      ...["-N", "-i", work.join("key"), "-p", String(port)],
      ...options(...unchecked, "ExitOnForwardFailure=yes", "BatchMode=yes"),
      ...["-v", "-R", `${forward}:127.0.0.1:${port}`, "root@127.0.0.1"],
    ], { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    client.stderr.on("data", (bytes) => said += bytes);
    try {
      await waitUntil(async () => {
        if (!await isRefused(forward)) return true;
        throw new Error(`ssh has ended: ${client.exitCode}\n${said}\n${baton.stderr}`);
      }, { what: "it forwards" });
      const report = await baton.reload();
      assert.deepEqual([report.result, report.late], ["ok", []], report.reason ?? "");
      assert.equal(await isRefused(forward), false, "the session goes on");
      assert.deepEqual(Object.keys(await members(baton)), [`127.0.0.1:${port}`]);
    } finally {
      client.kill("SIGKILL");
    }
    await waitUntil(() => isRefused(forward), { what: "it ends with its session" });
  });
});
