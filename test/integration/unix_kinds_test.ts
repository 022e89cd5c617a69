/**
 * The promise: of Unix sockets, those of type SOCK_SEQPACKET are handed over like streams; an abstract name is handed over
 * if --unix-shared says that all generations may have one socket, and else the reload that fails names it; so does one that
 * fails because of a datagram socket.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import process from "node:process";
import { describe, test } from "node:test";
import type { Platform } from "../../src/platform/platform.ts";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { findPython, fixture, required } from "../support/programs.ts";
import { probe } from "../support/kube_pod.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";
import { nodeAt } from "../support/unix_service.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const RELOADS = 3;
const CLIENTS = 4;

function server(socket: string, env: Record<string, string> = {}) {
  const command = [required("python3", findPython()), fixture("unix_kinds.py")];
  return { command, env: { SOCKET: socket, PYTHONDONTWRITEBYTECODE: "1", ...env } };
}

let names = 0;
const abstractName = () => `@baton-test-${process.pid}-${names++}`;

/** Clients that connect one after the other, with system calls alone: Node knows neither packets nor abstract names. */
class RawClients {
  ok = 0;
  readonly lost: string[] = [];
  readonly pids = new Set<string>();
  #isOver = false;
  readonly #running: Promise<unknown>;

  constructor(readonly platform: Platform, readonly path: string, readonly isPackets: boolean) {
    this.#running = Promise.all(Array.from({ length: CLIENTS }, () => this.#run()));
  }

  async #run(): Promise<void> {
    const { sockets, descriptors } = this.platform;
    const buffer = new Uint8Array(1_000);
    while (!this.#isOver) {
      using socket = this.isPackets ? sockets.packets() : sockets.stream("unix");
      try {
        sockets.connectUnix(socket, this.path);
        descriptors.write(socket, Buffer.from("hello"));
        sockets.setTimeouts(socket, TEST_TIMEOUT_MS);
        const answer = String(Buffer.from(descriptors.read(socket, buffer) ?? []));
        const [, pid] = /pid=(\d+)/.exec(answer) ?? [];
        if (pid === undefined) this.lost.push(`answered ${JSON.stringify(answer)}`);
        else this.pids.add(pid);
        this.ok++;
      } catch (error) {
        this.lost.push(String(error));
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }
}

describe("a reload of a server at a Unix socket", () => {
  test("of packets: each generation has its own, and no client is lost", TEST, async () => {
    using work = tempDir();
    await using platform = await testPlatform();
    await using baton = await startBaton(server(work.join("s"), { TYPE: "seqpacket" }));
    const clients = new RawClients(platform, work.join("s"), true);
    for (let i = 0; i < RELOADS; i++) {
      const { result, reason } = await baton.reload();
      assert.equal(result, "ok", `${reason}\n${baton.stderr}`);
      await baton.settled();
    }
    await clients.stop();
    assert.deepEqual(clients.lost, [], baton.stderr);
    assert.ok(clients.pids.size > 1, "generations after the first have answered");
    assert.equal((await baton.stop()).code, 0, baton.stderr);
  });

  test("of an abstract name: fails, with the name and what to do", TEST, async () => {
    const name = abstractName();
    await using baton = await startBaton(server(name, { PORT: String(await freePort()) }));
    const { code, stderr } = await baton.cli("reload");
    assert.equal(code, 70, stderr);
    assert.ok(stderr.includes(name), stderr);
    assert.match(
      stderr,
      /abstract Unix socket .* --order stop-first, --unix-shared .*, or --private-socket/,
    );
    assert.equal((await baton.stop()).code, 0, baton.stderr);
  });

  for (const TYPE of ["dgram", "stream"]) {
    for (const duplicates of ["getfd", "socket-trap"]) {
      test(
        `of an abstract lock (${TYPE}), with --private-socket: ${duplicates}`,
        TEST,
        async () => {
          const name = abstractName();
          const options = server(name, { TYPE, LOCK: "1", PORT: String(await freePort()) });
          const flags = ["--private-socket", `${name}*`, "--duplicates", duplicates];
          await using baton = await startBaton({ ...options, flags });
          const { result, reason } = await baton.reload();
          assert.equal(result, "ok", `${reason}\n${baton.stderr}`);
          assert.equal((await baton.stop()).code, 0, baton.stderr);
        },
      );
    }
  }

  test("of an abstract lock of datagrams: fails, with the name and what to do", TEST, async () => {
    const name = abstractName();
    const env = { TYPE: "dgram", PORT: String(await freePort()) };
    await using baton = await startBaton(server(name, env));
    const { code, stderr } = await baton.cli("reload");
    assert.equal(code, 70, stderr);
    assert.ok(
      stderr.includes(`--order stop-first, or --private-socket '${name}' if no client`),
      stderr,
    );
    assert.equal((await baton.stop()).code, 0, baton.stderr);
  });

  test(
    "of an abstract name, with --unix-shared: no client of a server that answers what it has accepted is lost",
    TEST,
    async () => {
      const name = abstractName();
      await using platform = await testPlatform();
      await using baton = await startBaton({ ...server(name), flags: ["--unix-shared"] });
      const clients = new RawClients(platform, name, false);
      for (let i = 0; i < RELOADS; i++) {
        const { result, reason } = await baton.reload();
        assert.equal(result, "ok", `${reason}\n${baton.stderr}`);
        await baton.settled();
      }
      await clients.stop();
      assert.deepEqual(clients.lost, [], baton.stderr);
      assert.ok(clients.pids.size > 1, "generations after the first have answered");
      assert.equal((await baton.stop()).code, 0, baton.stderr);
    },
  );

  test("of datagrams: one that fails because of it names it", TEST, async () => {
    using work = tempDir();
    const env = { TYPE: "dgram", KEEPS: "1", PORT: String(await freePort()) };
    await using baton = await startBaton(server(work.join("log"), env));
    const { code, stderr } = await baton.cli("reload");
    assert.equal(code, 70, stderr);
    assert.match(stderr, /it binds the datagram socket unix:\S+\/log, which is not handed over/);
    assert.equal((await baton.stop()).code, 0, baton.stderr);
  });
});

/** At a port and a path; its second copy fails at the path, as without baton. */
const AT_BOTH = `
import os, socket
beside = socket.socket(socket.AF_UNIX)
beside.bind(os.environ["SOCKET"])
beside.listen()
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    server.accept()[0].close()
`;

describe("--unix leave", () => {
  test("leaves a path to the server, and names it when a reload fails", TEST, async () => {
    using work = tempDir();
    await using baton = await startBaton({
      command: [required("python3", findPython()), "-c", AT_BOTH],
      env: { PORT: String(await freePort()), SOCKET: work.join("s") },
      flags: ["--unix", "leave"],
    });
    const listeners = (await baton.status()).listeners.map(({ address }) => address);
    assert.equal(listeners.length, 1, String(listeners));
    const { code, stderr } = await baton.cli("reload");
    assert.equal(code, 70, stderr);
    assert.match(stderr, /it binds unix:\S+\/s, which is not handed over with --unix leave/);
    assert.match(stderr, /Address already in use/);
  });
});

/** Starts a server of Node, which TERM ends at once. */
async function startShutdownOnly(socket: string): Promise<Baton> {
  const port = await freePort();
  const flags = ["--shutdown-only", "--probe-listen", `127.0.0.1:${port}`];
  const baton = await startBaton({ ...nodeAt(socket), flags });
  await waitUntil(() => probe("127.0.0.1", { port, path: "/readyz" }), { what: "ready" });
  return baton;
}

describe("--shutdown-only, of a server at a Unix socket", () => {
  test("waits for a client that has connected and not asked yet", TEST, async () => {
    using work = tempDir();
    await using platform = await testPlatform();
    await using baton = await startShutdownOnly(work.join("s"));
    await using unused = await startShutdownOnly(work.join("unused"));
    const { sockets, descriptors } = platform;
    using client = sockets.stream("unix");
    sockets.connectUnix(client, work.join("s"));
    baton.signal("SIGTERM");
    await waitUntil(() => /waiting for connections/.test(baton.stderr), {
      what: `baton waits\n${baton.stderr}`,
    });
    // Without a client it is over by now.
    assert.equal((await unused.stop()).code, 0, unused.stderr);
    descriptors.write(client, Buffer.from("GET / HTTP/1.0\r\n\r\n"));
    sockets.setTimeouts(client, TEST_TIMEOUT_MS);
    const answer = descriptors.read(client, new Uint8Array(1_000)) ?? [];
    assert.match(String(Buffer.from(answer)), /200 OK/, baton.stderr);
    client.close();
    const { code, signal } = await baton.exited;
    assert.deepEqual([code, signal], [0, null], baton.stderr);
  });
});
