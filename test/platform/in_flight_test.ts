/**
 * Connections in flight whose old server, in this process, does not close them when it stops: after a time a request is
 * returned to it, and only one server ever gets it.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { InFlightMoves, type MoveCounts } from "../../src/migration/in_flight.ts";
import { pause } from "../../src/migration/sample.ts";
import type { PendingAccept, PendingAccepts } from "../../src/migration/pending_accepts.ts";
import type { Fd } from "../../src/platform/fd.ts";
import { C } from "../../src/platform/libc/constants.ts";
import type { Platform } from "../../src/platform/platform.ts";
import * as proc from "../../src/platform/process/proc.ts";
import type { Group } from "../../src/steering/group.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { connectInet, listenAt } from "../support/raw_client.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const REQUEST = Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
const BUFFER = new Uint8Array(100);

/** What the old server does with a returned request, and the outcome. */
const CASES: [string, (platform: Platform, server: Fd) => void, keyof MoveCounts][] = [
  ["reads it", ({ descriptors }, server) => void descriptors.read(server, BUFFER), "returned"],
  ["closes the connection", (_, server) => server.close(), "moved"],
  ["reads it, and closes the connection", ({ descriptors }, server) => {
    descriptors.read(server, BUFFER);
    server.close();
  }, "returned"],
];

test("a returned request is read by one server only", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  await using platform = await testPlatform();
  using stack = new DisposableStack();
  const { listener, address } = listenAt(platform, "127.0.0.1");
  stack.use(listener);
  const offered: Buffer[] = [];
  const pendingAccepts = {
    add: ({ socket, onTaken }: PendingAccept) => {
      offered.push(Buffer.from(platform.sockets.peek(socket, BUFFER)));
      setTimeout(onTaken, 0);
      return () => {};
    },
  } as unknown as PendingAccepts;
  const table = new InFlightMoves(platform, pendingAccepts, () => {}, () => {});
  const ends: (keyof MoveCounts | null)[] = CASES.map(() => null);
  const servers = CASES.map((_, i) => {
    const client = stack.use(connectInet(platform, address));
    const server = platform.sockets.accept(listener) ?? assert.fail("the accept queue is empty");
    platform.descriptors.setNonblocking(server);
    stack.defer(() => server.isOpen && server.close());
    pause(platform, server);
    platform.descriptors.writeAll(client, REQUEST);
    const target = proc.descriptorTarget("self", server.number) ?? assert.fail("it is there");
    const oldDescriptor = { pid: platform.runtime.pid, descriptor: server.number, target };
    const socket = platform.descriptors.duplicate(server);
    const group = { address, tcp: address, members: [] } as unknown as Group;
    const counts = { inode: i, mayBlock: false, read: 0, sent: 0 };
    table.start({
      ...counts,
      socket,
      oldDescriptor,
      group,
      onOutcome: (outcome) => ends[i] = outcome,
    });
    return server;
  });
  assert.equal(
    table.protectedTargets.size,
    CASES.length,
    "no shutdown(2) of the old server takes effect",
  );
  const isReturned = (server: Fd) =>
    platform.sockets.option(server, C.SOL_SOCKET, C.SO_RCVLOWAT) === 1;
  await waitUntil(() => servers.every(isReturned), { what: "all requests are returned" });
  assert.deepEqual(ends, CASES.map(() => null));
  // Before any server closes its own: that connection would be on its way to the other server again.
  assert.equal(table.protectedTargets.size, 0, "from now on it does");
  for (const [i, [, does]] of CASES.entries()) does(platform, servers[i]!);
  await waitUntil(() => table.isEmpty, { what: "all moves are over" });
  assert.deepEqual(ends, CASES.map(([, , end]) => end));
  assert.deepEqual(offered, [REQUEST]);
  assert.deepEqual(table.counts, { moved: 1, closed: 0, dropped: 0, returned: 2 });
});
