/** Whose a connection to a Unix socket is, and how long it is waited for. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import { UnixConnections } from "../../../../src/drain/unix/unix_connections.ts";
import { socketInodesOf } from "../../../../src/platform/process/proc.ts";
import type { UnixSocket } from "../../../../src/platform/network/unix_diag.ts";

const listener = (inode: number, node: string | null): UnixSocket => (
  { inode, isListener: true, name: "/x", node, peer: null, receiveQueue: 3, sendQueue: 9 }
);
const connection = (inode: number, node: string | null, receiveQueue = 0): UnixSocket => (
  { inode, isListener: false, name: "/x", node, peer: 1, receiveQueue, sendQueue: 0 }
);
const OWN = { own: [1], shared: [] };
const at = (atMs: number, patienceMs = Infinity, processes = () => [] as number[]) => (
  { atMs, patienceMs, processes }
);

describe("UnixConnections.look()", () => {
  test("a generation has those of its own node, whatever name both have", () => {
    const sockets = [
      listener(1, "8:1"),
      listener(2, "8:2"),
      connection(11, "8:1"),
      connection(12, "8:1", 3),
      connection(21, "8:2"),
      connection(31, "9:1"),
    ];
    const census = new UnixConnections().look(sockets, OWN, at(0));
    assert.deepEqual([...census.busy], [12]);
    assert.deepEqual([...census.undecided], [11]);
    assert.deepEqual([...census.blocking], [11, 12]);
    assert.deepEqual(census.counts, { total: 2, busy: 1, idle: 0, undecided: 1 });
  });

  test("by its name where there is no node: an abstract name, or a kernel without unix_diag", () => {
    const sockets = [listener(1, null), connection(11, null)];
    assert.deepEqual([...new UnixConnections().look(sockets, OWN, at(0)).undecided], [11]);
  });

  test("a listener that was shut down is not shown any more: its connections are still known", () => {
    const connections = new UnixConnections();
    connections.look([listener(1, "8:1"), connection(11, "8:1")], OWN, at(0));
    assert.equal(connections.look([connection(11, "8:1")], OWN, at(1)).counts.total, 1);
  });

  test("of a listener that several have, only those that its processes have open", () => {
    const sockets = [listener(1, "8:1"), connection(11, "8:1"), connection(12, "8:1")];
    let asked = 0;
    const processes = () => {
      asked++;
      return [];
    };
    const shared = { own: [], shared: [1] };
    const census = new UnixConnections().look(sockets, shared, at(0, 1, processes));
    assert.deepEqual([census.counts.total, asked], [0, 1]);
  });

  test("what its processes say to each other is no client's", async () => {
    const server = createServer().listen(0);
    await once(server, "listening");
    const own = socketInodesOf(process.pid);
    const [inside = 0] = own;
    let looks = 0;
    const processes = () => {
      looks++;
      return [process.pid];
    };
    const sockets = (queue: number) => [
      listener(1, "8:1"),
      { ...connection(11, "8:1", queue), peer: inside },
      { ...connection(12, "8:1"), peer: Math.max(...own) + 1 },
    ];
    const connections = new UnixConnections();
    const blocking = (queue: number) => [
      ...connections.look(sockets(queue), OWN, at(0, Infinity, processes)).blocking,
    ];
    assert.deepEqual([blocking(0), blocking(0), looks], [[12], [12], 1], "looked for once");
    assert.deepEqual(blocking(1), [11, 12], "a request is on it");
    server.close();
  });

  test("the time without a byte in its queues begins again with each", () => {
    let queue = 0;
    const connections = new UnixConnections();
    const blocking = (atMs: number) => {
      const sockets = [listener(1, "8:1"), connection(11, "8:1", queue)];
      return connections.look(sockets, OWN, at(atMs, 100)).blocking.size;
    };
    assert.deepEqual([blocking(0), blocking(99), blocking(100)], [1, 1, 0]);
    queue = 1;
    assert.equal(blocking(150), 1);
    queue = 0;
    assert.deepEqual([blocking(200), blocking(249), blocking(250)], [1, 1, 0]);
  });
});
