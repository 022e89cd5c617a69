/** The promise: a server may bind late, again, to any address and without blocking: baton changes nothing in how it succeeds or fails. */
import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import process from "node:process";
import { describe, test } from "node:test";
import { SINCE, tooOld } from "../../src/platform/kernel.ts";
import { startBare } from "../support/bare_server.ts";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { Load } from "../support/load.ts";
import { perlServer } from "../support/perl_server.ts";
import { findNode, required } from "../support/programs.ts";
import { fixtureCommand } from "../support/servers.ts";
import { servingPidOf } from "../support/serving_pid.ts";
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

const RELOADS = 5;

const NO_IPV6 =
  Object.values(networkInterfaces()).flat().every((each) => each?.address !== "::1") &&
  "there is no IPv6 on the loopback interface";

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

/** Its first thread has ended before another one binds: /proc shows that one's descriptors only. */
const WITHOUT_FIRST_THREAD = `
import ctypes, os, platform, threading, time
from python_threaded import HOST, PORT, Handler, Server

def serve():
    while " Z " not in open(f"/proc/self/task/{os.getpid()}/stat").read():
        time.sleep(0.001)
    Server((HOST, PORT), Handler).serve_forever()

threading.Thread(target=serve).start()
exit_thread = {"x86_64": 60, "aarch64": 93}[platform.machine()]
ctypes.CDLL(None).syscall(exit_thread, 0)
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

function node(path: string): string[] {
  return [required("node", findNode()), path];
}

async function body(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } });
  return await response.text();
}

describe("a server with a non-blocking listener", () => {
  test(
    "a server with a non-blocking listener loses nothing",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      const port = await freePort();
      const command = fixtureCommand("nonblock_listener.py");
      await using baton = await startBaton({ command, env: withFixtures(port) });
      await using load = new Load({ port }).start();
      await reload(baton, RELOADS);
      await assertNothingLost(load, baton);
    },
  );
});

describe("a server on IPv6", () => {
  test("a server at ::1 loses nothing", { skip: NO_IPV6, timeout: TEST_TIMEOUT_MS }, async () => {
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
    "a server at :: serves clients of both families",
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
  test("a server closes its listener and binds it again: no client is refused", {
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
      const pid = await servingPidOf(baton);
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

  for (const duplicates of ["getfd", "socket-trap"]) {
    test(`binds in a thread that has outlived the first one, with ${duplicates}`, {
      timeout: TEST_TIMEOUT_MS,
    }, async (t) => {
      const reason = duplicates === "getfd" ? tooOld(SINCE.threads_descriptors) : null;
      if (reason !== null) return t.skip(reason);
      using work = tempDir();
      const port = await freePort();
      await using baton = await startBaton({
        command: python(work.write("server.py", WITHOUT_FIRST_THREAD)),
        env: withFixtures(port),
        flags: ["--duplicates", duplicates],
      });
      await using load = new Load({ port, clients: 4 }).start();
      await reload(baton, 2);
      assert.equal((await assertNothingLost(load, baton)).byBody.size, 3);
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

test(
  "beside another service of baton at an overlapping address it fails, as it would without baton",
  {
    skip: NO_IPV6,
    timeout: TEST_TIMEOUT_MS,
  },
  async () => {
    const port = await freePort();
    await using first = await startBaton({ command: perlServer(port), env: {} });
    // Both have SO_REUSEPORT from baton: the kernel alone would let them share IPv4's clients.
    const listens = `require("node:http").createServer().listen(${port}, "::")`;
    await using second = await startBaton({
      command: [required("node", findNode()), "-e", listens],
      env: {},
      expectFailure: true,
    });
    assert.deepEqual(await second.exited, { code: 1, signal: null }, second.stderr);
    assert.match(second.stderr, /EADDRINUSE/);
    assert.match(second.stderr, /exit status 1 \(\[::\]:\d+ is held by .*\(pid \d+\)\)/);
    assert.equal((await first.status()).epoch, 0);
  },
);
