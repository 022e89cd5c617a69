/** Who may bind what beside whom: addresses of other generations, of the own one, and those that overlap. */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { parseOwnAddress } from "../../../src/config/values/listen_spec.ts";
import { Inheritor, ListenError, specAddress } from "../../../src/handoff/inherit.ts";
import { rightToBind } from "../../../src/handoff/right_to_bind.ts";
import type { ListenerOwner } from "../../../src/handoff/listener_owner.ts";
import { boundSocket } from "../../../src/steering/bound_socket.ts";
import { Listeners } from "../../../src/steering/listeners.ts";
import type { GroupAddress } from "../../../src/steering/member.ts";
import { noIpv6 } from "../../support/features.ts";
import { freePort } from "../../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { testPlatform } from "../../support/test_platform.ts";

const CANDIDATE = 1;
const skipIpv6 = noIpv6(await testPlatform());

interface Case {
  /** Where generation 0 serves. */
  readonly serving: readonly string[];
  /** Where generation 1 listens already. */
  readonly own?: readonly string[];
  /** What generation 1 binds; `[::]` is dual-stack, `[::] alone` is not. */
  readonly wanted: string;
  /** Generation 0 has crashed, and 1 is its heir. */
  readonly isHeir?: boolean;
  readonly right: ReturnType<typeof rightToBind>;
}

const CASES: readonly Case[] = [
  { serving: ["127.0.0.1"], wanted: "127.0.0.1", right: "shared" },
  { serving: ["127.0.0.1"], wanted: "127.0.0.2", right: "shared" },
  { serving: ["0.0.0.0"], wanted: "127.0.0.1", right: "none" },
  { serving: ["127.0.0.1"], wanted: "0.0.0.0", right: "none" },
  { serving: ["[::]"], wanted: "0.0.0.0", right: "none" },
  { serving: ["[::]"], wanted: "127.0.0.1", right: "none" },
  { serving: ["0.0.0.0"], wanted: "[::]", right: "none" },
  { serving: ["[::] alone"], wanted: "0.0.0.0", right: "shared" },
  { serving: ["0.0.0.0"], wanted: "[::] alone", right: "shared" },
  { serving: ["0.0.0.0", "[::] alone"], wanted: "[::] alone", right: "shared" },
  { serving: ["0.0.0.0", "[::] alone"], own: ["0.0.0.0"], wanted: "[::] alone", right: "shared" },
  // Both with SO_REUSEPORT of the server's own, in all generations or in the new one only.
  { serving: ["0.0.0.0", "127.0.0.1"], own: ["0.0.0.0"], wanted: "127.0.0.1", right: "own" },
  { serving: ["0.0.0.0"], own: ["0.0.0.0"], wanted: "127.0.0.1", right: "none" },
  { serving: [], own: ["0.0.0.0"], wanted: "127.0.0.1", right: "own" },
  { serving: ["0.0.0.0"], wanted: "127.0.0.1", isHeir: true, right: "shared" },
];

function addressOf(text: string, port: number): GroupAddress {
  const [host = "", alone] = text.split(" ");
  const address = specAddress(parseOwnAddress(`${host}:${port}`, ""));
  return address.family === "inet6" ? { ...address, v6only: alone !== undefined } : address;
}

function listenAs(epoch: number, address: GroupAddress, listeners: Listeners): void {
  const group = listeners.obtain(address);
  const socket = boundSocket(group);
  group.takeMember(socket, { epoch, owner: process.pid, backlog: 1, late: false });
}

function candidate(heirOf: number | null, hints: string[]): ListenerOwner {
  return {
    epoch: CANDIDATE,
    worker: 0,
    isRising: false,
    queueComesLater: false,
    replacementOf: heirOf,
    settledTicks: 0,
    leader: process.pid,
    readyTicks: 0,
    // Without a process to look into, all sockets of the own generation are taken to be open.
    processes: () => [],
    onListening: () => {},
    refusesPassed: () => false,
    onOwnHandoff: () => assert.fail(),
    onConflict: (reason) => assert.fail(reason),
    onHint: (text) => hints.push(text),
    answer: () => assert.fail("nothing was postponed"),
  };
}

describe("rightToBind()", () => {
  for (const { serving, own = [], wanted, isHeir = false, right } of CASES) {
    const what = [
      `beside ${serving.join(" and ") || "nobody"}`,
      ...own.map((text) => `having ${text}`),
      ...isHeir ? ["as its heir"] : [],
    ];
    test(`${wanted} ${what.join(", ")}: ${right}`, {
      skip: [wanted, ...serving].some((text) => text.includes("::")) && skipIpv6,
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      const port = await freePort();
      const listeners = new Listeners(platform.sockets);
      const hints: string[] = [];
      try {
        for (const text of serving) listenAs(0, addressOf(text, port), listeners);
        for (const text of own) listenAs(CANDIDATE, addressOf(text, port), listeners);
        const tenant = candidate(isHeir ? 0 : null, hints);
        assert.equal(rightToBind(platform, listeners, addressOf(wanted, port), tenant), right);
      } finally {
        listeners.close();
      }
      const overlap = /^\S+:\d+ overlaps with \S+:\d+, where another generation gets connections: /;
      if (right === "none") assert.match(hints.join("\n"), overlap);
      else assert.deepEqual(hints, []);
    });
  }
});

describe("rightToBind() beside a socket that is not baton's", () => {
  const cases: readonly [
    stranger: string,
    wanted: string,
    right: ReturnType<typeof rightToBind>,
  ][] = [
    ["127.0.0.1", "127.0.0.1", "own"],
    ["127.0.0.1", "127.0.0.2", "shared"],
    ["0.0.0.0", "127.0.0.1", "own"],
    ["127.0.0.1", "0.0.0.0", "own"],
    ["0.0.0.0", "[::]", "own"],
    ["127.0.0.1", "[::]", "own"],
    ["[::]", "0.0.0.0", "own"],
    ["[::]", "127.0.0.1", "own"],
    ["[::] alone", "0.0.0.0", "shared"],
    ["0.0.0.0", "[::] alone", "shared"],
  ];
  for (const [stranger, wanted, right] of cases) {
    test(`${wanted} beside ${stranger}: ${right}`, {
      skip: `${wanted}${stranger}`.includes("::") && skipIpv6,
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      const port = await freePort();
      const listeners = new Listeners(platform.sockets);
      // As another service of baton has them: with SO_REUSEPORT, which the kernel would let join.
      const others = new Listeners(platform.sockets);
      const hints: string[] = [];
      try {
        listenAs(0, addressOf(stranger, port), others);
        const tenant = candidate(null, hints);
        assert.equal(rightToBind(platform, listeners, addressOf(wanted, port), tenant), right);
      } finally {
        others.close();
        listeners.close();
      }
      assert.match(
        hints.join("\n"),
        right === "own" ? /^\S+:\d+ is held by .* \(pid \d+\)$/ : /^$/,
      );
    });
  }
});

test("baton itself does not bind there either: --listen differs from the old baton's", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  await using platform = await testPlatform();
  const port = await freePort();
  const listeners = new Listeners(platform.sockets);
  try {
    listenAs(0, addressOf("0.0.0.0", port), listeners);
    const spec = parseOwnAddress(`127.0.0.1:${port}`, "");
    const inheritor = new Inheritor(platform, listeners, [spec], 1);
    assert.throws(
      () => inheritor.membersFor({ epoch: CANDIDATE, worker: 0 }, null),
      (error: unknown) => {
        assert.ok(error instanceof ListenError, String(error));
        assert.match(error.message, /^Cannot listen at 127\S+: it overlaps with 0\.0\.0\.0:\d+, /);
        return true;
      },
    );
    assert.equal(listeners.groupsOf(CANDIDATE).length, 0);
  } finally {
    listeners.close();
  }
});
