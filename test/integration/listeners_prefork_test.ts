/** The promise: workers that have a SO_REUSEPORT listener each are one server to baton, whichever of them comes or goes. */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { DEFAULT_CLIENTS, Load } from "../support/load.ts";
import { children } from "../support/proc.ts";
import { listenAt } from "../support/raw_client.ts";
import { repeats } from "../support/repeats.ts";
import { servingPidOf } from "../support/serving_pid.ts";
import { testPlatform } from "../support/test_platform.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";
import {
  ask,
  assertNothingLost,
  getsAll,
  members,
  python,
  reload,
  show,
  withFixtures,
} from "../support/listening.ts";

const RELOADS = repeats({ full: 5, quick: 3 });

/** Prefork with SO_REUSEPORT: each worker binds; a worker that dies is replaced, unless REFORK=0. */
const REFORKS = `
import os, signal, socket
from python_threaded import HOST, PORT, Handler, Server

class ReusePortServer(Server):
    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()

def start_worker():
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        ReusePortServer((HOST, PORT), Handler).serve_forever()
    return pid

def stop(number, _frame):
    global stopping
    stopping = True
    for worker in workers:
        os.kill(worker, number)

stopping = os.environ.get("REFORK") == "0"
workers = {start_worker(), start_worker()}
signal.signal(signal.SIGTERM, stop)
while workers:
    ended, _ = os.wait()
    workers.discard(ended)
    if not stopping:
        workers.add(start_worker())
`;

/** SIGUSR2: one more worker, a thread with a SO_REUSEPORT listener of its own. */
const GROWS = `
import errno, os, signal, socket, threading
from python_threaded import HOST, PORT, Handler, Server

class ReusePortServer(Server):
    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()

def work():
    try:
        ReusePortServer((HOST, PORT), Handler).serve_forever()
    except OSError as error:
        print("a worker ended:", errno.errorcode[error.errno], flush=True)

signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGUSR2, lambda *_: threading.Thread(target=work, daemon=True).start())
ReusePortServer((HOST, PORT), Handler).serve_forever()
`;

describe("a prefork server whose workers have a SO_REUSEPORT listener each", () => {
  test(
    `${RELOADS} reloads of a prefork server lose nothing`,
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      const port = await freePort();
      await using baton = await startBaton({
        command: fixtureCommand("prefork_reuseport.py"),
        env: withFixtures(port),
      });
      await using load = new Load({ port }).start();
      for (let i = 0; i < RELOADS; i++) {
        await reload(baton);
        await bothWorkersServe(baton, port);
      }
      const tally = await assertNothingLost(load, baton);
      assert.ok(tally.byBody.size > RELOADS + 1, show(tally, baton));
      // Two sockets are one address.
      assert.equal(baton.stderr.match(/generation 1 listens at /g)?.length, 1, baton.stderr);
    },
  );

  const endings = [
    { reforks: true, ways: [] },
    { reforks: false, ways: [] },
    // A socket that the kernel has made since the gate is replaced when it is bound, and keeps its SO_REUSEPORT.
    { reforks: true, ways: ["--duplicates", "socket-trap"] },
  ];
  for (const { reforks, ways } of endings) {
    const end = [
      reforks ? "forks it anew: nobody is refused" : "does not replace it: the other serves",
      ...ways,
    ].join(" ");
    test(`a worker is killed, and the parent ${end}`, { timeout: TEST_TIMEOUT_MS }, async () => {
      using work = tempDir();
      const port = await freePort();
      await using baton = await startBaton({
        command: python(work.write("reforks.py", REFORKS)),
        env: withFixtures(port, { REFORK: reforks ? "1" : "0" }),
        // Nobody will ever accept what waits for a worker that is not replaced.
        flags: ["--drain-time", "2s", ...ways],
      });
      await bothWorkersServe(baton, port);
      await using load = new Load({ port, timeoutMs: 5_000 }).start();
      await waitUntil(() => load.tally.byBody.size === 2, { what: "both workers answer" });
      const [victim = 0, other = 0] = children(await servingPidOf(baton));
      process.kill(victim, "SIGKILL");
      if (reforks) {
        await waitUntil(() => load.tally.byBody.size === 3, { what: "the new worker answers" });
        await bothWorkersServe(baton, port);
      } else {
        await waitUntil(async () => (await members(baton))[`127.0.0.1:${port}`]?.yes === 1, {
          what: "one member gets connections",
        });
        await getsAll(load, other);
      }
      const tally = await load.stop();
      // What the killed worker had accepted, and what waits for one that is not replaced, is lost.
      assert.ok(tally.lost <= DEFAULT_CLIENTS * (reforks ? 1 : 2), show(tally, baton));
      assert.equal(tally.refused, 0, show(tally, baton));
      if (reforks) assert.equal(tally.reset + tally.short, tally.lost, show(tally, baton));
      await using after = new Load({ port }).start();
      await reload(baton);
      await assertNothingLost(after, baton);
    });
  }
});

async function bothWorkersServe(baton: Baton, port: number): Promise<void> {
  await waitUntil(async () => (await members(baton))[`127.0.0.1:${port}`]?.yes === 2, {
    what: "both workers get connections",
  });
}

test("a further worker beside a stranger in the group is refused, and the stranger gets nothing", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  using work = tempDir();
  await using platform = await testPlatform();
  const port = await freePort();
  const workers = async () => (await members(baton))[`127.0.0.1:${port}`]?.yes;
  await using baton = await startBaton({
    command: python(work.write("grows.py", GROWS)),
    env: withFixtures(port),
  });
  await reload(baton);
  const pid = await servingPidOf(baton);
  const { listener } = listenAt(platform, "127.0.0.1", { port, reuseport: true });
  process.kill(pid, "SIGUSR2");
  await waitUntil(() => baton.stdout.includes(`a worker ended: EADDRINUSE`), {
    what: "the worker is refused",
  });
  const joined = `error: generation 1: another program has joined 127.0.0.1:${port}`;
  assert.ok(baton.stderr.includes(joined), baton.stderr);
  const asked = await ask(port, { maxRequests: 40, timeoutMs: 2_000 });
  assert.deepEqual([...asked.byBody], [[pid, 40]], show(asked, baton));
  assert.equal((await baton.reload()).result, "failed");
  listener.close();
  process.kill(pid, "SIGUSR2");
  await waitUntil(async () => await workers() === 2, { what: "a second worker serves" });
});
