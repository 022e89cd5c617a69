/** What a watch of ports counts at each sample, and how often it asks the kernel; time is an argument. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PortWatch } from "../../../src/drain/port_watch.ts";
import type { TcpSocket } from "../../../src/platform/network/sock_diag.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import type { Platform } from "../../../src/platform/platform.ts";

type Options = ConstructorParameters<typeof PortWatch>[1];
type PortSample = NonNullable<ReturnType<PortWatch["sample"]>>;

const PORT = 80;
const QUIET_MS = 500;

function end(port: number) {
  return { family: "inet", host: "127.0.0.1", port, scope: 0 } as const;
}

/** @param ageMs since the last byte, which the client or the server has sent */
function socket(inode: number, last: "client" | "server", ageMs: number): TcpSocket {
  const [sinceReceivedMs, sinceSentMs] = last === "client"
    ? [ageMs, ageMs + 1]
    : [ageMs + 1, ageMs];
  return {
    state: C.TCP_ESTABLISHED,
    inode,
    uid: 0,
    boundInterface: 0,
    local: end(PORT),
    remote: end(40_000 + inode),
    receiveQueue: 0,
    sendQueue: 0,
    traffic: {
      sinceReceivedMs,
      sinceSentMs,
      sinceAckMs: sinceSentMs,
      bytesReceived: 100,
      bytesAcked: 100,
      segmentsSent: 2,
      segmentsReceived: 1,
    },
  };
}

const LISTENER: TcpSocket = {
  ...socket(1, "client", 0),
  state: C.TCP_LISTEN,
  remote: end(0),
  traffic: null,
};

class World {
  sockets: readonly TcpSocket[] = [LISTENER];
  portsRead = 0;
  readonly watch: PortWatch;

  constructor(options: Partial<Options> = {}) {
    const sockDiag = {
      listeners: () => {
        this.portsRead++;
        return this.sockets.filter(({ state }) => state === C.TCP_LISTEN);
      },
      tcpByLocalPorts: (ports: Iterable<number>) =>
        this.sockets.filter(({ local }) => [...ports].includes(local.port)),
    };
    this.watch = new PortWatch({ sockDiag } as unknown as Platform, {
      ports: () => [PORT],
      exceptPorts: [],
      processes: null,
      quietMs: QUIET_MS,
      countsOpens: false,
      ownOpens: () => 0,
      ...options,
    });
  }

  sample(atMs: number): PortSample {
    return this.watch.sample(atMs) ?? assert.fail("the sample has not failed");
  }
}

describe("PortWatch.sample()", () => {
  const NONE = { fresh: 0, busy: 0, idle: 0, owed: 0, undecided: 0, atRest: 0, listening: true };
  const cases: [string, readonly TcpSocket[], Partial<PortSample>][] = [
    ["no connection", [LISTENER], {}],
    ["no listener", [], { listening: false }],
    ["a request", [LISTENER, socket(2, "client", 3_000)], { busy: 1, owed: 1 }],
    ["an answer a moment ago", [LISTENER, socket(2, "server", 499)], { busy: 1, undecided: 1 }],
    ["a quiet one", [LISTENER, socket(2, "server", 501)], { idle: 1, undecided: 1 }],
    ["a silent one", [LISTENER, socket(2, "server", 10_000)], { idle: 1, atRest: 1 }],
    ["two in the accept queue", [{ ...LISTENER, receiveQueue: 2 }], { busy: 2, owed: 2 }],
    ["one that closes", [LISTENER, { ...socket(2, "server", 501), state: C.TCP_FIN_WAIT1 }], {}],
    ["another port", [LISTENER, { ...socket(2, "client", 1), local: end(81) }], {}],
  ];
  for (const [name, sockets, expected] of cases) {
    test(name, () => {
      const world = new World();
      world.sockets = sockets;
      assert.deepEqual(world.sample(0), { ...NONE, ...expected });
    });
  }

  test("counts connections since the previous sample", () => {
    const world = new World();
    const fresh = [[2, 3], [2, 3], [3, 4], [3, 4, 5, 6], []].map((inodes, i) => {
      world.sockets = [LISTENER, ...inodes.map((inode) => socket(inode, "client", 1))];
      return world.sample(i * 100).fresh;
    });
    assert.deepEqual(fresh, [0, 0, 1, 2, 0]);
  });

  test("reads the listening ports every half second", () => {
    const world = new World();
    for (let atMs = 0; atMs <= 2_000; atMs += 100) world.sample(atMs);
    assert.equal(world.portsRead, 5);
  });

  test("keeps watching the connections of a listener that was closed", () => {
    const world = new World();
    world.sample(0);
    world.sockets = [socket(2, "client", 1)];
    assert.deepEqual([world.sample(400).busy, world.sample(1_000).busy], [1, 1]);
    assert.deepEqual([world.sample(1_000).listening, world.watch.ports], [false, [PORT]]);
  });

  test("watches all ports but baton's own where the processes are unknown", () => {
    const world = new World({ ports: () => [], exceptPorts: [81] });
    world.sockets = [LISTENER, { ...LISTENER, inode: 9, local: end(81) }];
    world.sample(0);
    assert.deepEqual(world.watch.ports, [PORT]);
    assert.equal(world.watch.isListening(), true);
  });
});
