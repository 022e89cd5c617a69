/** A read in blocking mode that began on a paused connection, of a real process. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { pause, resume } from "../../src/migration/sample.ts";
import { freeStuckReads } from "../../src/migration/stuck_reads.ts";
import { blockedCalls, processName } from "../../src/platform/process/proc.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { connectInet, listenAt } from "../support/raw_client.ts";
import { spawnShell } from "../support/own_child.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const STDIN = 0;
const REQUEST = new TextEncoder().encode("hello\n");

test("a read that keeps a request returns it, and the reader reads on", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  await using platform = await testPlatform();
  const { descriptors, sockets } = platform;
  const { listener, address } = listenAt(platform, "127.0.0.1");
  using client = connectInet(platform, address);
  using server = sockets.accept(listener) ?? assert.fail("the accept queue is empty");
  descriptors.setNonblocking(server, false);
  const { read, write } = descriptors.pipe();
  pause(platform, server);
  await using reader = spawnShell(platform, "exec cat", { descriptors: [server, write, 2] });
  write.close();
  descriptors.setNonblocking(read, true);
  const isReading = () =>
    processName(reader.pid) === "cat" &&
    blockedCalls(reader.pid).some(({ args }) => args[0] === STDIN);
  await waitUntil(isReading, { what: "it reads" });
  for (let round = 0; round < 2; round++) {
    descriptors.writeAll(client, REQUEST);
    const isTaken = () => sockets.unreadBytes(server) === 0;
    if (round === 0) {
      const received = () => platform.sockDiag.trafficOf(server)?.bytesReceived;
      await waitUntil(() => received() === REQUEST.length, { what: "it has come" });
      assert.ok(!isTaken(), "a paused connection wakes no reader");
      resume(platform, server);
      await waitUntil(isTaken, { what: "the reader has it" });
      assert.ok(isReading(), "it waits for more, paused or not");
      freeStuckReads(platform, { pid: reader.pid, descriptor: STDIN });
    }
    const bytes = new Uint8Array(100);
    const length = await waitUntil(() => descriptors.read(read, bytes)?.length ?? 0, {
      what: "it has written it",
    });
    assert.deepEqual(bytes.subarray(0, length), REQUEST);
  }
  listener.close();
  read.close();
});
