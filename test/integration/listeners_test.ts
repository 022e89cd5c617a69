/**
 * The promise holds for whatever a server does with its listening sockets: several of them, several workers with one
 * each, IPv6, non-blocking, shut down, closed and bound again. And what fails without baton fails with it.
 */
import assert from "node:assert/strict";
import { createConnection } from "node:net";
import { networkInterfaces } from "node:os";
import process from "node:process";
import { describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { startBare } from "../support/bare_server.ts";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import {
  DEFAULT_CLIENTS,
  formatTally,
  Load,
  type LoadOptions,
  type Tally,
} from "../support/load.ts";
import { children } from "../support/proc.ts";
import { listenAt } from "../support/raw_client.ts";
import { testPlatform } from "../support/test_platform.ts";
import { findNode, findPython, FIXTURES, required } from "../support/programs.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const RELOADS = 5;
/** Answers in a row that show where new connections go. */
const ENOUGH_ANSWERS = 200;
const NO_IPV6 =
  Object.values(networkInterfaces()).flat().every((each) => each?.address !== "::1") &&
  "there is no IPv6 on the loopback interface";

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

/** SIGUSR2: closes its listener and listens anew at the same address. */
const REBINDS = `
const http = require("node:http");
const server = http.createServer((_request, response) => response.end("pid=" + process.pid));
const listen = () => server.listen(Number(process.env.PORT), "127.0.0.1");
process.on("SIGUSR2", () => server.close(listen));
listen();
`;

/** Listens at HOST, then at SECOND in the same process and in a child; says what came of it. */
const BINDS_TWICE = `
const net = require("node:net");
const { spawnSync } = require("node:child_process");
const { HOST, PORT, SECOND } = process.env;
const child = \`require("node:net").createServer().on("error", (error) => {
  process.stdout.write(error.code);
}).listen(\${PORT}, "\${SECOND}", () => process.exit())\`;
let said = "pid=" + process.pid;
const server = require("node:http").createServer((_, response) => response.end(said));
server.listen(PORT, HOST, () => {
  said += " child=" + spawnSync(process.execPath, ["-e", child]).stdout;
  net.createServer().on("error", (error) => said += " own=" + error.code).listen(PORT, SECOND);
});
`;

/** Also listens at a port of the kernel's choice, with SO_REUSEPORT if REUSE=1, and tells which. */
const EPHEMERAL = `
import os, socket, threading
from python_threaded import HOST, PORT, Handler, Server

other = socket.socket()
other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(os.environ["REUSE"]))
other.bind((HOST, 0))
other.listen()

class TellingHandler(Handler):
    def answer(self, _text):
        super().answer(f"pid={os.getpid()} other_port={other.getsockname()[1]}\\n")

def accept():
    while True:
        TellingHandler(*other.accept(), None)

threading.Thread(target=accept, daemon=True).start()
Server((HOST, PORT), TellingHandler).serve_forever()
`;

function python(path: string): string[] {
  return [required("python3", findPython()), path];
}

function node(path: string): string[] {
  return [required("node", findNode()), path];
}

function withFixtures(port: number, more: Record<string, string> = {}): Record<string, string> {
  return { PORT: String(port), PYTHONPATH: FIXTURES, PYTHONDONTWRITEBYTECODE: "1", ...more };
}

async function reload(baton: Baton, times = 1): Promise<void> {
  for (let i = 0; i < times; i++) {
    const report = await baton.reload();
    assert.equal(report.result, "ok", `${report.reason}\n${baton.stderr}`);
    await baton.settled();
  }
}

async function servingPid(baton: Baton): Promise<number> {
  const { generations } = await baton.status();
  const pid = generations.find(({ state }) => state === "serving")?.pid;
  assert.ok(pid, "a generation serves");
  return pid;
}

/** How many members at each address get connections, and how many do not. */
async function members(baton: Baton): Promise<Record<string, { yes: number; no: number }>> {
  const { listeners } = await baton.status();
  return Object.fromEntries(listeners.map(({ address, members }) => {
    const yes = members.filter(({ receiving }) => receiving).length;
    return [address, { yes, no: members.length - yes }];
  }));
}

function show(tally: Tally, baton: Baton): string {
  return `${formatTally(tally)}\n${baton.stderr}`;
}

async function assertNothingLost(load: Load, baton: Baton): Promise<Tally> {
  const tally = await load.stop();
  assert.equal(tally.lost, 0, show(tally, baton));
  assert.ok(tally.ok > 0, show(tally, baton));
  return tally;
}

/** One request. */
function ask(port: number, more: LoadOptions = {}): Promise<Tally> {
  return new Load({ port, clients: 1, maxRequests: 1, ...more }).start().finished();
}

async function body(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } });
  return await response.text();
}

async function inState(baton: Baton, epoch: number, state: string): Promise<void> {
  await waitUntil(async () => {
    const { generations } = await baton.status();
    return generations.find((each) => each.epoch === epoch)?.state === state;
  }, { what: `generation ${epoch} is ${state}` });
}

/** A request that keeps its generation alive; resolves once it is in that generation's queue. */
function slowRequest(port: number, ms: number): Promise<{ answer: Promise<string> }> {
  const socket = createConnection({ port, host: "127.0.0.1" });
  let received = "";
  socket.on("data", (bytes) => received += String(bytes));
  socket.on("error", (error) => received += error.message);
  const answer = new Promise<string>((resolve) => socket.once("close", () => resolve(received)));
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.write(`GET /slow?ms=${ms} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n`);
      resolve({ answer });
    });
  });
}

/** Waits until ENOUGH_ANSWERS in a row come from `pid`: until baton has heard the news, some may not. */
async function getsAll(load: Load, pid: number): Promise<void> {
  const others = () => load.tally.ok - (load.tally.byBody.get(pid) ?? 0);
  let [from, othersBefore] = [load.tally.ok, others()];
  await waitUntil(() => {
    if (others() > othersBefore) [from, othersBefore] = [load.tally.ok, others()];
    return load.tally.ok >= from + ENOUGH_ANSWERS;
  }, { what: `process ${pid} answers all` });
}

describe("a server that calls shutdown(2) on its listener", () => {
  const command = fixtureCommand("shutdown_listener.py");

  test(
    "while it is being replaced: nobody else notices",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      const port = await freePort();
      await using baton = await startBaton({ command, env: withFixtures(port) });
      await using load = new Load({ port }).start();
      await reload(baton, RELOADS);
      const tally = await assertNothingLost(load, baton);
      assert.equal(tally.byBody.size, RELOADS + 1, show(tally, baton));
    },
  );

  test("while three generations are alive: the serving one goes on getting everything", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const port = await freePort();
    await using baton = await startBaton({ command, env: withFixtures(port) });
    const slow: { pid: number; answer: Promise<string> }[] = [];
    for (let epoch = 0; epoch < 2; epoch++) {
      const pid = await servingPid(baton);
      slow.push({ pid, ...await slowRequest(port, 5_000) });
      assert.equal((await baton.reload()).result, "ok");
    }
    const serving = await servingPid(baton);
    await using load = new Load({ port }).start();
    for (const { pid } of slow) {
      process.kill(pid, "SIGUSR2");
      await getsAll(load, serving);
    }
    const { generations } = await baton.status();
    assert.deepEqual(generations.map(({ state }) => state), ["draining", "draining", "serving"]);
    assert.deepEqual(await members(baton), { [`127.0.0.1:${port}`]: { yes: 1, no: 0 } });
    await assertNothingLost(load, baton);
    for (const { pid, answer } of slow) assert.match(await answer, new RegExp(`pid=${pid} `));
  });

  test("at its stop signal, while it finishes its requests and others come and go", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const port = await freePort();
    const flags = ["--drain", "signal", "--max-generations", "8"];
    await using baton = await startBaton({ command, env: withFixtures(port), flags });
    await using load = new Load({ port }).start();
    const slow: { pid: number; answer: Promise<string> }[] = [];
    for (let epoch = 0; epoch < 6; epoch++) {
      const pid = await servingPid(baton);
      slow.push({ pid, ...await slowRequest(port, 2_500) });
      assert.equal((await baton.reload()).result, "ok");
      await inState(baton, epoch, "stopping");
      await getsAll(load, await servingPid(baton));
    }
    assert.deepEqual(await members(baton), { [`127.0.0.1:${port}`]: { yes: 1, no: 0 } });
    for (const { pid, answer } of slow) assert.match(await answer, new RegExp(`pid=${pid} `));
    await assertNothingLost(load, baton);
  });
});

describe("a prefork server whose workers have a SO_REUSEPORT listener each", () => {
  test(`${RELOADS} reloads lose nothing`, { timeout: TEST_TIMEOUT_MS }, async () => {
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
  });

  for (const reforks of [true, false]) {
    const end = reforks
      ? "forks it anew: nobody is refused"
      : "does not replace it: the other serves";
    test(`a worker is killed, and the parent ${end}`, { timeout: TEST_TIMEOUT_MS }, async () => {
      using work = tempDir();
      const port = await freePort();
      await using baton = await startBaton({
        command: python(work.write("reforks.py", REFORKS)),
        env: withFixtures(port, { REFORK: reforks ? "1" : "0" }),
        // Nobody will ever accept what waits for a worker that is not replaced.
        flags: ["--drain-time", "2s"],
      });
      await bothWorkersServe(baton, port);
      await using load = new Load({ port, timeoutMs: 5_000 }).start();
      await waitUntil(() => load.tally.byBody.size === 2, { what: "both workers answer" });
      const [victim = 0, other = 0] = children(await servingPid(baton));
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
  const pid = await servingPid(baton);
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

test("a server with two ports: both are handed over", { timeout: TEST_TIMEOUT_MS }, async () => {
  const ports = [await freePort(), await freePort()];
  await using baton = await startBaton({
    command: fixtureCommand("two_ports.js"),
    env: { PORT: String(ports[0]), PORT2: String(ports[1]) },
  });
  // The gate of a first start can know of the first listener only.
  await waitUntil(async () => Object.keys(await members(baton)).length === 2, {
    what: "both ports listen",
  });
  const options = { clients: 4 };
  await using first = new Load({ port: ports[0] ?? 0, ...options }).start();
  await using second = new Load({ port: ports[1] ?? 0, ...options }).start();
  await reload(baton, RELOADS);
  for (const load of [first, second]) {
    const tally = await assertNothingLost(load, baton);
    assert.equal(tally.byBody.size, RELOADS + 1, show(tally, baton));
  }
  const expected = ports.map((port) => [`127.0.0.1:${port}`, { yes: 1, no: 0 }]);
  assert.deepEqual(await members(baton), Object.fromEntries(expected));
});

test("two generations open a second listener after the switch: the serving one gets all", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  const [port, later] = [await freePort(), await freePort()];
  const env = { PORT: String(port), LATER_PORT: String(later) };
  await using baton = await startBaton({ command: fixtureCommand("binds_later.js"), env });
  const old = await servingPid(baton);
  await slowRequest(port, TEST_TIMEOUT_MS);
  assert.equal((await baton.reload()).result, "ok", baton.stderr);
  const serving = await servingPid(baton);
  assert.equal((await baton.cli("upgrade", "--in-place")).code, 0, baton.stderr);
  const has = (expected: { yes: number; no: number }) => async () =>
    isDeepStrictEqual((await members(baton))[`127.0.0.1:${later}`], expected);
  process.kill(old, "SIGUSR2");
  await waitUntil(has({ yes: 1, no: 0 }), { what: "the old one has opened it" });
  process.kill(serving, "SIGUSR2");
  await waitUntil(has({ yes: 1, no: 1 }), { what: "both have opened it" });
  await inState(baton, 0, "draining");
  const answers = async () => [...(await ask(later, { maxRequests: 20, timeoutMs: 2_000 })).byBody];
  assert.deepEqual(await answers(), [[serving, 20]], baton.stderr);
  process.kill(old, "SIGKILL");
  await baton.settled();
  assert.deepEqual(await answers(), [[serving, 20]], baton.stderr);
  assert.ok(await has({ yes: 1, no: 0 })());
});

describe("a server with a non-blocking listener", () => {
  test("loses nothing", { timeout: TEST_TIMEOUT_MS }, async () => {
    const port = await freePort();
    const command = fixtureCommand("nonblock_listener.py");
    await using baton = await startBaton({ command, env: withFixtures(port) });
    await using load = new Load({ port }).start();
    await reload(baton, RELOADS);
    await assertNothingLost(load, baton);
  });
});

describe("a server on IPv6", () => {
  test("::1", { skip: NO_IPV6, timeout: TEST_TIMEOUT_MS }, async () => {
    const port = await freePort();
    await using baton = await startBaton({
      command: fixtureCommand("node_http.js"),
      env: { PORT: String(port), HOST: "::1" },
    });
    await using load = new Load({ port, host: "::1", clients: 4 }).start();
    await reload(baton, RELOADS);
    const tally = await assertNothingLost(load, baton);
    assert.equal(tally.byBody.size, RELOADS + 1, show(tally, baton));
    assert.deepEqual(Object.keys(await members(baton)), [`[::1]:${port}`]);
  });

  test(
    ":: with clients of both families",
    { skip: NO_IPV6, timeout: TEST_TIMEOUT_MS },
    async () => {
      const port = await freePort();
      await using baton = await startBaton({
        command: fixtureCommand("node_http.js"),
        env: { PORT: String(port), HOST: "::" },
      });
      await using four = new Load({ port, clients: 4 }).start();
      await using six = new Load({ port, host: "::1", clients: 4 }).start();
      await reload(baton, RELOADS);
      for (const load of [four, six]) {
        const tally = await assertNothingLost(load, baton);
        assert.equal(tally.byBody.size, RELOADS + 1, show(tally, baton));
      }
      assert.deepEqual(await members(baton), { [`[::]:${port}`]: { yes: 1, no: 0 } });
    },
  );
});

describe("a server that binds in its own way", () => {
  test("closes its listener and binds it again: nobody is refused", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    await using baton = await startBaton({
      command: node(work.write("rebinds.js", REBINDS)),
      env: { PORT: String(port) },
    });
    await using load = new Load({ port }).start();
    for (let i = 0; i < RELOADS; i++) {
      const pid = await servingPid(baton);
      process.kill(pid, "SIGUSR2");
      await getsAll(load, pid);
      assert.deepEqual(await members(baton), { [`127.0.0.1:${port}`]: { yes: 1, no: 0 } });
      await reload(baton);
    }
    await assertNothingLost(load, baton);
  });

  const twice = [
    { HOST: "127.0.0.1", SECOND: "127.0.0.1" },
    // More and less specific: with SO_REUSEPORT the kernel would allow it, and split the connections.
    { HOST: "0.0.0.0", SECOND: "127.0.0.1" },
    { HOST: "127.0.0.1", SECOND: "0.0.0.0" },
    { HOST: "::", SECOND: "127.0.0.1" },
  ];
  for (const addresses of twice) {
    const { HOST, SECOND } = addresses;
    test(`binds ${HOST} and then ${SECOND}: that fails as without baton`, {
      skip: HOST === "::" && NO_IPV6,
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      using work = tempDir();
      const port = await freePort();
      const script = {
        command: node(work.write("twice.js", BINDS_TWICE)),
        env: { PORT: String(port), ...addresses },
      };
      const failed = /^pid=\d+ child=EADDRINUSE own=EADDRINUSE$/;
      {
        await using _bare = await startBare({ ...script, port });
        await waitUntil(async () => failed.test(await body(port)), { what: "both failed, bare" });
      }
      await using baton = await startBaton(script);
      await waitUntil(async () => failed.test(await body(port)), { what: "both failed" });
      await reload(baton);
      await waitUntil(async () => failed.test(await body(port)), { what: "both failed again" });
      const name = HOST.includes(":") ? `[${HOST}]` : HOST;
      assert.deepEqual(await members(baton), { [`${name}:${port}`]: { yes: 1, no: 0 } });
    });
  }

  for (const REUSE of ["0", "1"]) {
    const option = REUSE === "1" ? ", with SO_REUSEPORT" : "";
    test(`lets the kernel choose a port${option}: that one is its own`, {
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      using work = tempDir();
      const port = await freePort();
      await using baton = await startBaton({
        command: python(work.write("ephemeral.py", EPHEMERAL)),
        env: withFixtures(port, { REUSE }),
      });
      const before = await body(port);
      await reload(baton);
      const after = await body(port);
      assert.notEqual(before, after);
      assert.deepEqual(Object.keys(await members(baton)), [`127.0.0.1:${port}`]);
      const otherPort = (text: string) => Number(/other_port=(\d+)/.exec(text)?.[1]);
      assert.equal(await body(otherPort(after)), after, "the new one answers there too");
      const gone = await ask(otherPort(before));
      assert.equal(gone.refused, 1, "the old one's port is closed");
    });
  }

  test("binds the address that --listen has: early connections wait, none is lost", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    const gate = work.join("may-start");
    const late = `while ! [ -e ${gate} ]; do sleep 0.05; done; exec "$@"`;
    await using baton = await startBaton({
      command: ["sh", "-c", late, "sh", ...fixtureCommand("node_http.js")],
      env: { PORT: String(port) },
      flags: ["--listen", `127.0.0.1:${port}`],
      expectFailure: true,
    });
    const clients = 8;
    const backlog = async () => (await baton.status()).listeners[0]?.members[0]?.backlog;
    await waitUntil(async () => await backlog() === 0, { what: "baton listens" });
    await using load = new Load({ port, clients }).start();
    await waitUntil(async () => await backlog() === clients, { what: "they wait in the queue" });
    work.write("may-start", "");
    await waitUntil(() => load.tally.ok > clients, { what: "they are answered" });
    await reload(baton, RELOADS);
    const tally = await assertNothingLost(load, baton);
    assert.equal(tally.byBody.size, RELOADS + 1, show(tally, baton));
    assert.deepEqual(await members(baton), { [`127.0.0.1:${port}`]: { yes: 1, no: 0 } });
  });
});
