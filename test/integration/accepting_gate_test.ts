/**
 * The promise: ready means accepting. A copy that listens and then gives up, closes its listener, or goes on loading
 * gets no connection; a serving one that closes its listener is replaced.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { listeners } from "../support/proc.ts";
import { findPython, required } from "../support/programs.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const ENOUGH_REQUESTS = 10;

/** Binds first and checks later: files in $WORK say what it does after its listen. Closes its listener at SIGUSR1. */
const SERVER = `
import os, signal, socket, sys, time

def has(name):
    return os.path.exists(os.path.join(os.environ["WORK"], name))

closing = has("closes")

def close(*_):
    global closing
    closing = True

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(os.environ["PORT"])))
listener.listen(64)
if has("gives-up"):
    until = time.monotonic() + 0.02
    while time.monotonic() < until:
        has("lock")
    print("another instance is running", file=sys.stderr, flush=True)
    sys.exit(3)
if has("loads"):
    while not has("loaded"):
        time.sleep(0.01)
signal.signal(signal.SIGUSR1, close)
listener.settimeout(0.05)
while not closing:
    try:
        connection, _ = listener.accept()
    except socket.timeout:
        continue
    connection.recv(4096)
    body = b"pid=%d version=%d\\n" % (os.getpid(), int(os.environ["RESTART_EPOCH"]) + 1)
    head = b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body)
    connection.sendall(head + body)
    connection.close()
if has("shuts-down"):
    listener.shutdown(socket.SHUT_RDWR)
listener.close()
while True:
    signal.pause()
`;

async function startServer(
  work: { join: (name: string) => string; path: string },
  { flags = [], wrapper = [] }: { flags?: readonly string[]; wrapper?: readonly string[] } = {},
) {
  const port = await freePort();
  const baton = await startBaton({
    command: [required("python3", findPython()), "-c", SERVER],
    env: { PORT: String(port), WORK: work.path },
    flags,
    wrapper,
  });
  return { baton, port };
}

function one(port: number): Load {
  return new Load({ port, clients: 1, maxRequests: 1, timeoutMs: TEST_TIMEOUT_MS });
}

/** The reload has failed, and generation 0 answers all. */
async function servesOn(baton: Baton, load: Load, seen: number): Promise<void> {
  await waitUntil(() => load.tally.ok >= seen + ENOUGH_REQUESTS, {
    what: `generation 0 answers\n${baton.stderr}`,
  });
  const tally = await load.stop();
  assert.deepEqual([tally.lost, [...tally.byVersion.keys()]], [0, ["1"]], formatTally(tally));
}

describe("a candidate that listens", () => {
  test("and gives up then has failed, and got no connection", TEST, async () => {
    using work = tempDir();
    const { baton: started, port } = await startServer(work);
    await using baton = started;
    await using load = new Load({ port, clients: 4 }).start();
    writeFileSync(work.join("gives-up"), "");
    const { code, stderr } = await baton.cli("reload");
    assert.equal(code, 70, stderr);
    assert.match(stderr, /it exited before it was ready: exit status 3/);
    await servesOn(baton, load, load.tally.ok);
  });

  for (const format of ["text", "json"]) {
    test(`and gives up leaves its last words, in a file with a ${format} log`, TEST, async () => {
      using work = tempDir();
      const output = work.join("output");
      const wrapper = ["sh", "-c", `exec "$@" 2>>'${output}'`, "sh"];
      const flags = ["--log-format", format];
      const { baton: started } = await startServer(work, { wrapper, flags });
      await using baton = started;
      writeFileSync(work.join("gives-up"), "");
      const { code, stderr } = await baton.cli("reload");
      assert.equal(code, 70, stderr);
      const since = "since then, its own and that of others:\n  another instance is running\n";
      assert.ok(stderr.endsWith(since), stderr);
    });
  }

  test("and closes its listener has failed, although it lives on", TEST, async () => {
    using work = tempDir();
    const { baton: started, port } = await startServer(work);
    await using baton = started;
    await using load = new Load({ port, clients: 4 }).start();
    writeFileSync(work.join("closes"), "");
    const { code, stderr } = await baton.cli("reload");
    assert.equal(code, 70, stderr);
    assert.ok(stderr.includes(`it has closed its listener at 127.0.0.1:${port} and not ended`));
    await servesOn(baton, load, load.tally.ok);
  });

  test("and loads for long serves when it accepts", TEST, async () => {
    using work = tempDir();
    const { baton: started, port } = await startServer(work);
    await using baton = started;
    await using load = new Load({ port, clients: 4 }).start();
    writeFileSync(work.join("loads"), "");
    const report = baton.reload();
    await waitUntil(() => baton.stderr.includes("generation 1 listens"), { what: "it listens" });
    const seen = load.tally.ok;
    await waitUntil(() => load.tally.ok >= seen + ENOUGH_REQUESTS, { what: "the old one answers" });
    assert.equal(load.tally.byVersion.get("2"), undefined, "it gets nothing while it loads");
    writeFileSync(work.join("loaded"), "");
    const { result, reason } = await report;
    assert.equal(result, "ok", `${reason}\n${baton.stderr}`);
    await waitUntil(() => load.tally.byVersion.get("2"), { what: "version 2 answers" });
    const tally = await load.stop();
    assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
  });

  test("passes at its listen with --ready listen", TEST, async () => {
    using work = tempDir();
    const flags = ["--ready", "listen"];
    const { baton: started } = await startServer(work, { flags });
    await using baton = started;
    writeFileSync(work.join("loads"), "");
    const { result, reason } = await baton.reload();
    assert.equal(result, "ok", `${reason}\n${baton.stderr}`);
  });
});

describe("a serving generation that closes its listener and lives on", () => {
  for (const order of ["start-first", "stop-first"]) {
    test(`is replaced with ${order}, and who waits in its queue is answered`, TEST, async () => {
      using work = tempDir();
      const flags = ["--drain-time", "1s", "--order", order];
      const { baton: started, port } = await startServer(work, { flags });
      await using baton = started;
      const [first] = (await baton.settled()).generations;
      const pid = first?.pid ?? NaN;
      process.kill(pid, "SIGUSR1");
      await waitUntil(() => listeners(pid).length === 0, { what: "it has closed its listener" });
      await using load = one(port).start();
      const tally = await load.finished();
      assert.equal(tally.ok, 1, `${formatTally(tally)}\n${baton.stderr}`);
      assert.match(baton.stderr, /generation 0 .*it has closed its listener at .* and not ended/);
      assert.equal((await baton.settled()).epoch, 1, baton.stderr);
    });
  }

  test("after a shutdown(2) of it is replaced, although no client waits", TEST, async () => {
    using work = tempDir();
    const { baton: started, port } = await startServer(work);
    await using baton = started;
    await using load = new Load({ port, clients: 2 }).start();
    await waitUntil(() => load.tally.ok >= ENOUGH_REQUESTS, { what: "clients are answered" });
    writeFileSync(work.join("shuts-down"), "");
    const [first] = (await baton.settled()).generations;
    process.kill(first?.pid ?? NaN, "SIGUSR1");
    await waitUntil(() => load.tally.byVersion.get("2"), {
      what: `version 2 answers\n${baton.stderr}`,
    });
    assert.match(baton.stderr, /generation 0 .*it has closed its listener and not ended/);
  });

  test("on trial is rolled back", TEST, async () => {
    using work = tempDir();
    const { baton: started, port } = await startServer(work, { flags: ["--bake", "1m"] });
    await using baton = started;
    await using load = new Load({ port, clients: 2 }).start();
    const report = baton.reload();
    await waitUntil(() => load.tally.byVersion.get("2"), { what: "version 2 answers" });
    const { generations } = await baton.status();
    process.kill(generations.find(({ epoch }) => epoch === 1)?.pid ?? NaN, "SIGUSR1");
    const { result, reason } = await report;
    assert.equal(result, "failed", baton.stderr);
    assert.match(reason ?? "", /^rolled back: it has closed its listener at .* and not ended$/);
    const seen = load.tally.byVersion.get("1") ?? 0;
    await waitUntil(() => (load.tally.byVersion.get("1") ?? 0) >= seen + ENOUGH_REQUESTS, {
      what: `version 1 answers\n${baton.stderr}`,
    });
  });
});
