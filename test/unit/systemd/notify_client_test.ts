/** What is sent to the service manager, byte for byte, and the barrier. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import type { Fd } from "../../../src/platform/fd.ts";
import type { Platform } from "../../../src/platform/platform.ts";
import { NotifyClient } from "../../../src/systemd/notify_client.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { leakedSince, openDescriptors } from "../../support/open_descriptors.ts";
import { findPython } from "../../support/programs.ts";
import { tempDir } from "../../support/temp_dir.ts";
import { testPlatform } from "../../support/test_platform.ts";
import { waitUntil } from "../../support/wait_until.ts";

const MESSAGE_LIMIT = 4096;

/** A manager that takes one message and closes what came with it, when it has read all before it. */
const MANAGER = `
import array, os, socket, sys
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(sys.argv[1])
messages = []
while True:
    data, control, _, _ = manager.recvmsg(4096, socket.CMSG_SPACE(64))
    messages.append(repr(data))
    if control:
        break
print("\\n".join(messages[-2:]))
`;

/** Reads nothing before the file "go" is there. */
const SLOW_MANAGER = MANAGER.replace(
  "while True:",
  "import time\nwhile not os.path.exists(sys.argv[2]): time.sleep(0.01)\nwhile True:",
);

function withManager(
  platform: Platform,
  use: (client: NotifyClient, receive: () => string, socket: Fd) => void,
): void {
  using dir = tempDir();
  const path = dir.join("notify");
  const before = openDescriptors();
  const socket = platform.sockets.datagram(path);
  const client = new NotifyClient(platform, path);
  try {
    use(client, () => {
      const message = platform.descriptors.receive(socket, MESSAGE_LIMIT);
      message?.fds.forEach((fd) => fd.close());
      return new TextDecoder().decode(message?.data);
    }, socket);
  } finally {
    client.close();
    socket.close();
  }
  assert.deepEqual(leakedSince(before), []);
}

describe("NotifyClient", () => {
  test(
    "says what it was told, each on a line of its own",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      await using platform = await testPlatform();
      withManager(platform, (client, receive) => {
        client.ready("generation 0 serves");
        assert.equal(receive(), "READY=1\nSTATUS=generation 0 serves\n");
        client.reloading("generation 1 is starting");
        assert.match(
          receive(),
          /^RELOADING=1\nMONOTONIC_USEC=\d+\nSTATUS=generation 1 is starting\n$/,
        );
        client.status("two\nlines\nMAINPID=1");
        assert.equal(receive(), "STATUS=two lines MAINPID=1\n");
        client.status("two\nlines\nMAINPID=1");
        client.extendTimeout(1500);
        assert.equal(
          receive(),
          "EXTEND_TIMEOUT_USEC=1500000\n",
          "the same status is not sent again",
        );
        client.repeatReady();
        assert.equal(receive(), "READY=1\nSTATUS=two lines MAINPID=1\n");
      });
    },
  );

  test("barrier() waits for a manager that is slow, but not for ever", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    withManager(platform, (client, receive) => {
      client.ready("up");
      assert.equal(client.barrier(), false, "nobody has read it");
      assert.equal(receive(), "READY=1\nSTATUS=up\n");
      assert.equal(receive(), "BARRIER=1");
    });
  });

  test("barrier() returns when the manager has read what came before", {
    timeout: TEST_TIMEOUT_MS,
    skip: findPython() === null && "python3 is not installed",
  }, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    const path = dir.join("notify");
    const manager = spawn(findPython() ?? "", ["-c", MANAGER, path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    manager.stdout.on("data", (bytes) => output += String(bytes));
    const ended = new Promise((resolve) => manager.once("close", resolve));
    try {
      const client = await waitUntil(() => {
        const connected = new NotifyClient(platform, path);
        return connected.isConnected && connected;
      }, { what: "the manager listens" });
      client.stopping("bye");
      assert.equal(client.barrier(), true);
      await ended;
      assert.equal(output, "b'STOPPING=1\\nSTATUS=bye\\n'\nb'BARRIER=1'\n");
      assert.equal(client.barrier(), false, "it has gone");
      client.close();
    } finally {
      manager.kill("SIGKILL");
      await ended;
    }
  });

  test("a message waits for a place in the queue of a manager that is slow", {
    timeout: TEST_TIMEOUT_MS,
    skip: findPython() === null && "python3 is not installed",
  }, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    const path = dir.join("notify");
    const go = dir.join("go");
    const manager = spawn(findPython() ?? "", ["-c", SLOW_MANAGER, path, go], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    manager.stdout.on("data", (bytes) => output += String(bytes));
    const ended = new Promise((resolve) => manager.once("close", resolve));
    try {
      const client = await waitUntil(() => {
        const connected = new NotifyClient(platform, path);
        return connected.isConnected && connected;
      }, { what: "the manager listens" });
      // Each one but the watchdog's is to arrive, although the queue is full before it is read.
      let sent = 0;
      while (client.send({ STATUS: String(sent) }, 0)) sent++;
      assert.ok(sent > 0);
      writeFileSync(go, "");
      client.stopping("bye");
      assert.equal(client.barrier(), true);
      await ended;
      assert.match(output, /STOPPING=1/);
      client.close();
    } finally {
      manager.kill("SIGKILL");
      await ended;
    }
  });

  test("without a manager nothing is sent, and nothing waited for", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    for (const path of [undefined, "", "relative", "/nowhere/notify", "vsock:2:1"]) {
      const client = new NotifyClient(platform, path);
      assert.equal(client.isConnected, false);
      assert.equal(client.send({ READY: "1" }), false);
      assert.equal(client.barrier(), true);
    }
  });
});
