/**
 * The takeover protocol with peers that do not keep to it, on both sides: a clear error, and nothing lost.
 *
 * docs/takeover.md describes the protocol; the peers here are the test's own (test/support/takeover_peer.ts).
 */
import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { MESSAGE_LIMIT } from "../../src/succession/takeover/messages.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { connectInet } from "../support/raw_client.ts";
import { place, server } from "../support/servers.ts";
import {
  accepted,
  FakeOldBaton,
  hello,
  type Said,
  TakeoverPeer,
} from "../support/takeover_peer.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const timeout = TEST_TIMEOUT_MS;
const THINK_TIME_MS = 2;
const NOBODY = 65_534;
const bytes = (text: string) => new TextEncoder().encode(text);

/** Answers until the connection ends; the last one says why. */
async function lastWord(peer: TakeoverPeer): Promise<Said | null> {
  let last: Said | null = null;
  for (let said = await peer.hear(); said !== null; said = await peer.hear()) last = said;
  return last;
}

/** Says hello, and everything that is needed before a switch. */
async function begun(peer: TakeoverPeer): Promise<{ group: Said; member: Said }> {
  assert.equal((await peer.ask(hello()))?.kind, "accepted");
  const group = await peer.ask({ kind: "group", index: 0, from: 0 });
  const member = await peer.ask({ kind: "member", index: 0 });
  assert.deepEqual([group?.kind, member?.kind], ["group", "member"]);
  return { group: group!, member: member! };
}

const inodesOf = ({ members }: Said) => (members as { inode: number }[]).map(({ inode }) => inode);

/** What a new baton says, and how the old one refuses it. */
const BAD_PEERS: readonly [
  what: string,
  talk: (peer: TakeoverPeer) => Promise<void> | void,
  reason: RegExp,
][] = [
  ["garbage", (peer) => peer.sayBytes(bytes("GET / HTTP/1.1")), /14 bytes that are not JSON/],
  [
    "an oversized message",
    (peer) => peer.sayBytes(bytes(" ".repeat(MESSAGE_LIMIT + 1))),
    /a message of more than 65536 bytes/,
  ],
  ["a field out of bounds", (peer) => peer.say(hello({ name: "x".repeat(201) })), /"name" must be/],
  [
    "a version that is too new",
    (peer) => peer.say(hello({ versions: { min: 2, max: 7 } })),
    /speaks versions 2 to 7 of the takeover protocol, this one version 1/,
  ],
  ["a request without hello", (peer) => peer.say({ kind: "group", index: 0, from: 0 }), /"group"/],
  ["a switch without hello", (peer) => peer.say({ kind: "switch", members: [1] }), /"switch"/],
  [
    "hello twice",
    async (peer) => {
      await peer.ask(hello());
      peer.say(hello());
    },
    /"hello" while starting its generation/,
  ],
  [
    "a listener that is not there",
    async (peer) => {
      await peer.ask(hello());
      peer.say({ kind: "member", index: 1 });
    },
    /Cannot find listener 1: there are 1/,
  ],
  [
    "a switch to a socket of the old generation",
    async (peer) => {
      const { group } = await begun(peer);
      peer.say({ kind: "switch", members: inodesOf(group) });
    },
    /Cannot switch to socket \d+: not made here/,
  ],
  [
    "a switch to nothing",
    async (peer) => {
      await begun(peer);
      peer.say({ kind: "switch", members: [] });
    },
    /Cannot switch: no member was chosen at 127\.0\.0\.1:\d+/,
  ],
  [
    "that it has failed",
    async (peer) => {
      await begun(peer);
      peer.say({ kind: "failed", reason: "my server is no good" });
    },
    /my server is no good/,
  ],
];

describe("an old baton and new ones that do not keep to the protocol", () => {
  async function world() {
    const work = tempDir();
    const port = await freePort();
    const socket = work.join("handoff");
    const old = await startBaton({
      ...place(server("node"), { port, workDir: work.path }),
      flags: ["--handoff-socket", socket],
    });
    const options = { port, thinkTimeMs: THINK_TIME_MS };
    const load = new Load(options).start();
    return {
      work,
      port,
      socket,
      old,
      load,
      async [Symbol.asyncDispose]() {
        await load.stop();
        await old[Symbol.asyncDispose]();
        work[Symbol.dispose]();
      },
    };
  }

  /** The old one is as it was, and a reload works. */
  async function unharmed(old: Baton, load: Load): Promise<void> {
    assert.equal((await old.status()).epoch, 0);
    const { result, reason } = await old.reload();
    assert.equal(result, "ok", `${reason}`);
    const { listeners } = await old.settled();
    assert.equal(listeners[0]?.members.length, 1, "no socket of the new one is left");
    const tally = await load.stop();
    assert.equal(tally.lost, 0, `${formatTally(tally)}\n${old.stderr}`);
  }

  test("each of them is refused with the reason, and nothing is lost", { timeout }, async () => {
    await using platform = await testPlatform();
    await using all = await world();
    for (const [what, talk, reason] of BAD_PEERS) {
      using peer = TakeoverPeer.connect(platform, all.socket);
      await talk(peer);
      const said = await lastWord(peer);
      if (what !== "that it has failed") {
        assert.equal(said?.kind, "refused", `${what}: ${JSON.stringify(said)}`);
        assert.match(String(said?.["reason"]), reason, what);
      }
      // What never came as far as the lifecycle is not worth a line of the log.
      if (peer.fds.length > 0) {
        await waitUntil(() => reason.test(all.old.stderr), { what: `the log says ${reason}` });
      }
    }
    await unharmed(all.old, all.load);
  });

  test("one that asks for more than there is in this version goes on", { timeout }, async () => {
    await using platform = await testPlatform();
    await using all = await world();
    {
      using peer = TakeoverPeer.connect(platform, all.socket);
      const unknown = { kind: "not_understood", name: "sing" };
      assert.deepEqual(await peer.ask({ kind: "sing" }), unknown);
      assert.equal((await peer.ask(hello({ mood: "good" })))?.kind, "accepted");
      assert.deepEqual(await peer.ask({ kind: "sing" }), unknown);
      const { member } = await begunAfterHello(peer);
      assert.equal((member["member"] as { receiving: boolean }).receiving, false);
      const { listeners } = await all.old.status();
      assert.deepEqual(listeners[0]?.members.map(({ receiving }) => receiving), [true, false]);
    }
    await waitUntil(() => all.old.stderr.includes("takeover failed"), { what: "it notices" });
    await unharmed(all.old, all.load);
  });

  async function begunAfterHello(peer: TakeoverPeer): Promise<{ group: Said; member: Said }> {
    const group = await peer.ask({ kind: "group", index: 0, from: 0 });
    const member = await peer.ask({ kind: "member", index: 0 });
    return { group: group!, member: member! };
  }

  test("one that dies after each step costs nothing", { timeout }, async () => {
    await using platform = await testPlatform();
    await using all = await world();
    const steps = [
      hello(),
      { kind: "group", index: 0, from: 0 },
      { kind: "member", index: 0 },
      { kind: "member", index: 0 },
    ];
    for (let count = 0; count <= steps.length; count++) {
      using peer = TakeoverPeer.connect(platform, all.socket);
      for (const step of steps.slice(0, count)) {
        assert.notEqual((await peer.ask(step))?.kind, "refused");
      }
    }
    // A reload is refused nothing: the last one is gone.
    await waitUntil(() => all.old.stderr.split("takeover failed").length === steps.length + 1, {
      what: `each death is noticed\n${all.old.stderr}`,
    });
    await unharmed(all.old, all.load);
  });

  test("one that switches gets the connections, and when it dies the old one gets them again", {
    timeout,
  }, async () => {
    await using platform = await testPlatform();
    await using all = await world();
    assert.equal((await all.load.stop()).lost, 0);
    const { port } = all;
    const address = { family: "inet", host: "127.0.0.1", port, scope: 0 } as const;
    {
      using peer = TakeoverPeer.connect(platform, all.socket);
      const { member } = await begun(peer);
      const ours = peer.fds.at(-1)!;
      platform.descriptors.setNonblocking(ours);
      using before = connectInet(platform, address);
      assert.ok(before.isOpen);
      assert.equal(platform.sockets.accept(ours), null, "nothing before the switch");
      // Keeps the old server draining.
      platform.descriptors.writeAll(before, bytes("GET / HTTP/1.1\r\n"));
      await waitUntil(async () => (await all.old.status()).generations[0]!.connections.busy === 1, {
        what: "the old server has a request",
      });
      const { inode } = member["member"] as { inode: number };
      assert.equal((await peer.ask({ kind: "switch", members: [inode] }))?.kind, "switched");
      using after = connectInet(platform, address);
      assert.ok(after.isOpen);
      const accepted = platform.sockets.accept(ours);
      assert.notEqual(accepted, null, "everything after the switch");
      accepted?.close();
      peer.socket.close();
      await waitUntil(() => all.old.stderr.includes("generation 0 serves again"), {
        what: `the old one takes back\n${all.old.stderr}`,
      });
      using again = connectInet(platform, address);
      assert.ok(again.isOpen);
      assert.throws(() => platform.sockets.accept(ours), /EINVAL/, "it does not listen any more");
    }
    const load = new Load({ port, thinkTimeMs: THINK_TIME_MS }).start();
    await unharmed(all.old, load);
  });

  test("one that connects and says nothing is cut off, and is in nobody's way", {
    timeout,
  }, async () => {
    await using platform = await testPlatform();
    await using all = await world();
    using slow = TakeoverPeer.connect(platform, all.socket);
    using quick = TakeoverPeer.connect(platform, all.socket);
    await begun(quick);
    using second = TakeoverPeer.connect(platform, all.socket);
    const refused = await second.ask(hello());
    assert.deepEqual(refused, { kind: "refused", reason: "another upgrade is under way" });
    quick.socket.close();
    const said = await slow.hear();
    assert.match(String(said?.["reason"]), /silent for too long while saying hello/);
    assert.equal(await slow.hear(), null);
    await unharmed(all.old, all.load);
  });

  /** The kernel notes who connects at that moment. */
  function connectAs(uid: number, platform: Platform, path: string): TakeoverPeer {
    process.seteuid!(uid);
    try {
      return TakeoverPeer.connect(platform, path);
    } finally {
      process.seteuid!(0);
    }
  }

  const noRoot = process.getuid?.() !== 0 && "needs root, to be another user";
  test("one of another user is refused", { timeout, skip: noRoot }, async () => {
    await using all = await world();
    chmodSync(all.work.path, 0o711);
    chmodSync(all.socket, 0o666); // behind the baton's back
    await using platform = await testPlatform();
    using peer = connectAs(NOBODY, platform, all.socket);
    const reason = "only user 0 and root may take over, and this is user 65534";
    assert.deepEqual(await peer.hear(), { kind: "refused", reason });
    assert.equal(await peer.hear(), null);
    await waitUntil(() => all.old.stderr.includes(reason), { what: "the log says so" });
    await unharmed(all.old, all.load);
  });
});

/** What an old baton says, and why the new one gives up. */
const BAD_OLD_BATONS: readonly [
  what: string,
  talk: (peer: TakeoverPeer) => Promise<void> | void,
  reason: RegExp,
][] = [
  ["garbage", (peer) => peer.sayBytes(bytes("{")), /Cannot understand the old baton: 1 bytes/],
  [
    "an oversized message",
    (peer) => peer.sayBytes(bytes(" ".repeat(MESSAGE_LIMIT + 1))),
    /a message of more than 65536 bytes/,
  ],
  ["a refusal", (peer) => peer.say({ kind: "refused", reason: "not today" }), /: not today$/m],
  [
    "that it does not understand",
    (peer) => peer.say({ kind: "not_understood", name: "hello" }),
    /does not understand "hello"/,
  ],
  ["a version that is too new", (peer) => peer.say(accepted({ version: 2 })), /"version" must be/],
  ["what was not asked for", (peer) => peer.say({ kind: "refused" }), /"reason" must be present/],
  [
    "members without sockets",
    async (peer) => {
      peer.say(accepted());
      assert.deepEqual(await peer.hear(), { kind: "group", index: 0, from: 0 });
      const address = {
        family: "inet",
        host: "127.0.0.1",
        port: 80,
        scope: 0,
        v6only: false,
        boundInterface: 0,
      };
      const member = {
        epoch: 4,
        inode: 1,
        late: false,
        owner: 1,
        unheld: false,
        dead: false,
        receiving: true,
        origin: null,
      };
      peer.say({ kind: "group", index: 0, address, members: [member], next: null });
    },
    /member 1 came without a descriptor/,
  ],
  ["nothing, and dies", (peer) => peer.socket.close(), /the old baton ended during the takeover/],
  [
    "that it is willing, and dies",
    async (peer) => {
      peer.say(accepted());
      await peer.hear();
      peer.socket.close();
    },
    /the old baton ended during the takeover/,
  ],
  ["nothing", () => {}, /the old baton did not answer in time: hello/],
];

describe("a new baton and old ones that do not keep to the protocol", () => {
  test("it ends with 70 and the reason, and has started nothing", { timeout }, async () => {
    await using platform = await testPlatform();
    const port = await freePort();
    using work = tempDir();
    const socket = work.join("handoff");
    using old = new FakeOldBaton(platform, socket);
    for (const [what, talk, reason] of BAD_OLD_BATONS) {
      await using baton = await startBaton({
        ...place(server("node"), { port, workDir: work.path }),
        flags: ["--takeover", socket],
        expectFailure: true,
      });
      using peer = await old.accept();
      const said = await peer.hear();
      assert.equal(said?.kind, "hello");
      assert.deepEqual(said?.["versions"], { min: 1, max: 1 });
      await talk(peer);
      assert.equal((await baton.exited).code, 70, `${what}: ${baton.stderr}`);
      assert.match(baton.stderr, reason, what);
      assert.doesNotMatch(baton.stderr, /generation \d+ starts/);
    }
  });
});
