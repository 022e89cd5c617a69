/**
 * What drain/order.ts concludes from the kernel's acknowledgments, against this kernel: a connection on which an answer is
 * owed is never taken for an answered one, whatever came in one tick of the clock; one that is answered is recognized.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SocketTable, Tracks } from "../../src/drain/connections.ts";
import { ACKNOWLEDGED_MS, lastSender } from "../../src/drain/order.ts";
import type { Fd } from "../../src/platform/fd.ts";
import { C } from "../../src/platform/libc/constants.ts";
import { interactiveModes, parseModes } from "../../src/platform/network/interactive_mode.ts";
import { ownSocketInode, sysctl } from "../../src/platform/process/proc.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { connectInet, listenAt } from "../support/raw_client.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

/** <netinet/tcp.h> */
const [TCP_NODELAY, TCP_CORK, TCP_QUICKACK] = [1, 3, 12];
/** How often each story is told, so that ticks fall everywhere. */
const EACH = 8;

/** Who sends how many bytes, which the other one reads at once. "last": the client, and its FIN in the same segment. */
type Step = readonly [who: "client" | "server" | "last", bytes: number];
const ASKS: Step = ["client", 80];
const ANSWERS: Step = ["server", 150];
const GREETS: Step = ["server", 30];
const HALF_UPLOAD: Step = ["client", 30_000];
const CONTINUES: Step = ["server", 25];
const TURN = [ASKS, ANSWERS];
/** More than the kernel takes a full segment to be at first. */
const ASKS_LAST: Step = ["last", 600];

const STORIES: readonly [name: string, steps: Step[], isOwed: boolean][] = [
  ["a request, answered", TURN, false],
  ["four, answered", [...TURN, ...TURN, ...TURN, ...TURN], false],
  ["a request", [ASKS], true],
  ["a greeting, a request", [GREETS, ASKS], true],
  ["a greeting, a request in two", [GREETS, ASKS, ASKS], true],
  ["answered, a request", [...TURN, ASKS], true],
  ["answered, a request in two", [...TURN, ASKS, ASKS], true],
  ["answered, half an upload", [...TURN, HALF_UPLOAD], true],
  ["three, answered, a request in three", [...TURN, ...TURN, ...TURN, ASKS, ASKS, ASKS], true],
  ["a greeting, a request and the client's end", [GREETS, ASKS_LAST], true],
  ["answered, a request and the client's end", [...TURN, ASKS_LAST], true],
  ["100 Continue, the body", [ASKS, CONTINUES, ASKS], true],
  ["100 Continue, the body in two", [ASKS, CONTINUES, ASKS, ASKS], true],
];

interface Pair {
  readonly client: Fd;
  readonly server: Fd;
}

async function play(platform: Platform, { client, server }: Pair, steps: readonly Step[]) {
  const { descriptors } = platform;
  for (const [who, bytes] of steps) {
    const [from, to] = who === "server" ? [server, client] : [client, server];
    if (who === "last") platform.sockets.setOption(from, C.IPPROTO_TCP, TCP_CORK, 1);
    descriptors.writeAll(from, new Uint8Array(bytes));
    if (who === "last") platform.sockets.endSending(from);
    const read = () => platform.sockets.unreadBytes(to) >= bytes;
    if (!read()) await waitUntil(read, { what: "it has arrived" });
    descriptors.read(to, new Uint8Array(bytes));
  }
}

/** @returns who sent last, as drain/order.ts has it, on each of the connections that were played */
async function judgeAll(platform: Platform, steps: readonly Step[], setUp: (listener: Fd) => void) {
  const { listener, address } = listenAt(platform, "127.0.0.1");
  setUp(listener);
  const pairs: Pair[] = [];
  try {
    for (let i = 0; i < EACH; i++) {
      const client = connectInet(platform, address);
      const server = platform.sockets.accept(listener)!;
      pairs.push({ client, server });
      for (const end of [client, server]) {
        platform.sockets.setOption(end, C.IPPROTO_TCP, TCP_NODELAY, 1);
      }
      await play(platform, { client, server }, steps);
    }
    const ports = { groups: [{ address: address }] };
    const tracks = new Tracks();
    // A client of another program may have the port as its own.
    const own = new Set(pairs.map(({ server }) => ownSocketInode(server.number)));
    const rows = await waitUntil(() => {
      const found = new SocketTable(platform, ports).accepted.filter(({ inode }) => own.has(inode));
      const isSilent = found.every(({ traffic }) =>
        Math.min(traffic!.sinceSentMs, traffic!.sinceReceivedMs) > ACKNOWLEDGED_MS
      );
      return isSilent ? found : null;
    }, { what: "all are silent" });
    const { clock } = platform;
    tracks.note(rows, clock.now());
    const modes = interactiveModes(new Set([address.port]))!;
    const interactive = modes.spoiled.size > 0 ? new Set<number>() : modes.interactive;
    tracks.noteModes(rows.map(({ inode }) => inode), interactive, clock.now());
    return rows.map((row) => lastSender(row, tracks.get(row.inode)));
  } finally {
    for (const { client, server } of pairs) {
      client.close();
      server.close();
    }
    listener.close();
  }
}

// Where it takes more answers, the others stay unknown.
const IS_QUICK = sysctl("net/ipv4/tcp_pingpong_thresh") === "1";

for (
  const [where, setUp] of [
    ["", () => {}],
    [
      " at a listener that is in interactive mode",
      (platform: Platform, listener: Fd) =>
        platform.sockets.setOption(listener, C.IPPROTO_TCP, TCP_QUICKACK, 0),
    ],
  ] as const
) {
  test(`acknowledgments tell an answered connection from one that is owed an answer${where}`, {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const judged = await Promise.all(
      STORIES.map(async ([name, steps, isOwed]) => {
        const found = await judgeAll(platform, steps, (listener) => setUp(platform, listener));
        assert.equal(found.length, EACH);
        return { name, isOwed, found };
      }),
    );
    const isSure = IS_QUICK && where === "";
    for (const { name, isOwed, found } of judged) {
      const wrong = isOwed ? ["server"] : isSure ? ["client", "unknown"] : ["client"];
      const mistakes = found.filter((sender) => wrong.includes(`${sender}`));
      assert.deepEqual(mistakes, [], `${name}: ${found}`);
    }
  });
}

describe("parseModes()", () => {
  const HEAD =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
  const row = (local: string, remote: string, state: string, inode: number, quick: number) =>
    ` 123: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 ` +
    `00000000add0c0c9 20 4 ${quick} 18 -1     \n`;
  const four = "0600007F:1F90";
  const six = "00000000000000000000000001000000:1F90";
  const cases: [string, string, number[], number[]][] = [
    ["none", HEAD, [], []],
    ["of IPv4", HEAD + row(four, "0100007F:7638", "01", 5, 31), [5], []],
    ["of IPv6", row(six, six, "01", 6, 1), [6], []],
    ["not in that mode", row(four, "0100007F:7638", "01", 5, 30), [], []],
    ["of another port", row("0600007F:1F91", four, "01", 5, 31), [], []],
    ["a listener", row(four, "00000000:0000", "0A", 5, 1), [], [8080]],
    [
      "a closed one, whose row is short",
      " 9: 0600007F:1F90 0100007F:1 06 0:0 03:00 0 0 0 0 3 0\n",
      [],
      [],
    ],
  ];
  for (const [name, text, interactive, spoiled] of cases) {
    test(name, () => {
      const found = { interactive: new Set<number>(), spoiled: new Set<number>() };
      parseModes(text, new Set([8080]), found);
      assert.deepEqual([[...found.interactive], [...found.spoiled]], [interactive, spoiled]);
    });
  }
});
