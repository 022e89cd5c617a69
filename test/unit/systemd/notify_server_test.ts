/** The NOTIFY_SOCKET of a generation: what is read, what is ignored, and what is closed. */
import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { Fd } from "../../../src/platform/fd.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import { NotifyServer, parseNotification } from "../../../src/systemd/notify_server.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { leakedSince, openDescriptors } from "../../support/open_descriptors.ts";
import { sendRaw } from "../../support/raw_message.ts";
import { tempDir } from "../../support/temp_dir.ts";
import { testPlatform } from "../../support/test_platform.ts";
import { waitUntil } from "../../support/wait_until.ts";

const MESSAGE_LIMIT = 4096;
/** The one process that belongs to the generation here: init, as a process that surely exists. */
const MEMBER = 1;
const bytesOf = (text: string) => new TextEncoder().encode(text);

describe("parseNotification()", () => {
  const cases: [string, Record<string, string>][] = [
    ["READY=1", { READY: "1" }],
    ["READY=1\n", { READY: "1" }],
    ["READY=1\nSTATUS=up and running\nMAINPID=12", {
      READY: "1",
      STATUS: "up and running",
      MAINPID: "12",
    }],
    ["STATUS=a=b=c", { STATUS: "a=b=c" }],
    ["STATUS=", { STATUS: "" }],
    ["READY=0\nREADY=1", { READY: "1" }],
    ["", {}],
    ["\n\n", {}],
    ["READY", {}],
    ["=1", {}],
    ["READY=1\r\n", { READY: "1\r" }],
    [" READY=1", { " READY": "1" }],
    ["STATUS=\u00e9\u{1f680}", { STATUS: "\u00e9\u{1f680}" }],
  ];
  for (const [text, variables] of cases) {
    test(`reads ${JSON.stringify(text)}`, { timeout: TEST_TIMEOUT_MS }, () => {
      assert.deepEqual(Object.fromEntries(parseNotification(text)), variables);
    });
  }
});

/** Runs `use` with a server whose messages are collected, and a way to send to it. */
async function withServer(
  use: (context: {
    platform: Awaited<ReturnType<typeof testPlatform>>;
    path: string;
    messages: Record<string, string>[];
    send: (data: Uint8Array, fds?: readonly Fd[]) => void;
    /** As another process; only root may. */
    sendAs: (sender: { pid: number; uid: number }, data: Uint8Array) => void;
  }) => Promise<void>,
): Promise<void> {
  await using platform = await testPlatform();
  const errors: unknown[] = [];
  platform.reactor.onError = (error) => errors.push(error);
  using dir = tempDir();
  const path = dir.join("notify");
  const messages: Record<string, string>[] = [];
  const isMember = (pid: number) => pid === MEMBER;
  const server = new NotifyServer(platform, path, isMember, (variables) => {
    messages.push(Object.fromEntries(variables));
  });
  const { libc, sockets, descriptors } = platform;
  const type = C.SOCK_DGRAM | C.SOCK_CLOEXEC | C.SOCK_NONBLOCK;
  const client = new Fd(libc, libc.c.socket(C.AF_UNIX, type, 0));
  sockets.connectUnix(client, path);
  try {
    const send = (data: Uint8Array, fds: readonly Fd[] = []) => descriptors.send(client, data, fds);
    const sendAs = (sender: { pid: number; uid: number }, data: Uint8Array) =>
      sendRaw(platform, client, { data, credentials: { ...sender, gid: sender.uid } });
    await use({ platform, path, messages, send, sendAs });
  } finally {
    server.close();
    client.close();
  }
  assert.deepEqual(errors, []);
  assert.equal(platform.reactor.size, 0);
  assert.equal(existsSync(path), false);
}

describe("NotifyServer", () => {
  test("gives every message on, in order, from whoever may write", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await withServer(async ({ path, messages, send }) => {
      assert.equal(statSync(path).mode & 0o777, 0o666, "the server may run as another user");
      for (let i = 0; i < 5; i++) send(bytesOf(`STATUS=${i}`));
      await waitUntil(() => messages.length === 5, { what: "five messages have come" });
      assert.deepEqual(messages.map(({ STATUS }) => STATUS), ["0", "1", "2", "3", "4"]);
      send(bytesOf("READY=1"));
      await waitUntil(() => messages.length === 6, { what: "the socket is armed again" });
    });
  });

  test("believes root, our own user and processes of the generation, and nobody else", {
    skip: process.getuid!() !== 0 && "only root may send as somebody else",
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await withServer(async ({ messages, send, sendAs }) => {
      const [stranger, root] = [12_345, 0];
      sendAs({ pid: process.pid, uid: stranger }, bytesOf("STATUS=a stranger"));
      sendAs({ pid: MEMBER, uid: stranger }, bytesOf("STATUS=a member"));
      sendAs({ pid: process.ppid, uid: root }, bytesOf("STATUS=root"));
      send(bytesOf("STATUS=us"));
      await waitUntil(() => messages.length === 3, { what: "three have come" });
      assert.deepEqual(messages.map(({ STATUS }) => STATUS), ["a member", "root", "us"]);
    });
  });

  test("takes a flood in turns with everything else", { timeout: TEST_TIMEOUT_MS }, async () => {
    await withServer(async ({ messages, send }) => {
      // The kernel holds ten at least (net.unix.max_dgram_qlen): the socket is filled up as it empties.
      let sent = 0;
      const fill = () => {
        try {
          for (; sent < 100; sent++) send(bytesOf(`STATUS=${sent}`));
        } catch {
          // Full.
        }
      };
      await waitUntil(() => (fill(), messages.length === 100), { what: "all have come" });
      assert.deepEqual(messages.map(({ STATUS }) => Number(STATUS)), [...Array(100).keys()]);
    });
  });

  test("closes descriptors that come along", { timeout: TEST_TIMEOUT_MS }, async () => {
    await withServer(async ({ platform, messages, send }) => {
      const { read, write } = platform.descriptors.pipe();
      await waitUntil(() => platform.reactor.size === 1, { what: "it listens" });
      send(bytesOf("STATUS=first"));
      await waitUntil(() => messages.length === 1, { what: "it has read" });
      const before = openDescriptors();
      send(bytesOf("FDSTORE=1"), [read, write]);
      await waitUntil(() => messages.length === 2, { what: "it has read" });
      assert.deepEqual(leakedSince(before).filter((line) => line.includes("pipe:")), []);
      read.close();
      write.close();
    });
  });

  test(
    "ignores a message that is too long, and goes on",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      await withServer(async ({ messages, send }) => {
        send(bytesOf("STATUS=" + "x".repeat(MESSAGE_LIMIT)));
        send(bytesOf("READY=1"));
        send(bytesOf("STATUS=" + "y".repeat(MESSAGE_LIMIT - "STATUS=".length)));
        await waitUntil(() => messages.length === 2, { what: "the others have come" });
        assert.equal(messages[0]?.["READY"], "1");
        assert.equal(messages[1]?.["STATUS"]?.length, MESSAGE_LIMIT - "STATUS=".length);
      });
    },
  );

  test(
    "takes the place of a file that was left at its path",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      await using platform = await testPlatform();
      using dir = tempDir();
      const path = dir.write("notify", "left over");
      const server = new NotifyServer(platform, path, () => true, () => {});
      assert.ok(statSync(path).isSocket());
      server.close();
    },
  );
});
