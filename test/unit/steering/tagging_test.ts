/** Tags of members: of a server that uses such options itself, and of a queue that passes to another generation. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { C } from "../../../src/platform/libc/constants.ts";
import { HIGHEST_TAG, NO_TAG, SocketTags } from "../../../src/platform/network/socket_tag.ts";
import { boundSocket } from "../../../src/steering/bound_socket.ts";
import { Listeners } from "../../../src/steering/listeners.ts";
import { Tagging } from "../../../src/steering/tagging.ts";
import { freePort } from "../../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { connectInet } from "../../support/raw_client.ts";
import { testPlatform } from "../../support/test_platform.ts";

const GENERATIONS = 20;
const KEPT = 3;
const ALL = Array.from({ length: HIGHEST_TAG }, (_, i) => i + 1);

test("a server's own options stay, and what they look like tells nothing from then on", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  await using platform = await testPlatform();
  const { sockets } = platform;
  const tagging = new Tagging(sockets);
  const { generations } = tagging;
  using first = sockets.stream("inet");
  const tag = tagging.begin(first, 0);
  assert.deepEqual([tag, generations.isUncertain(tag)], [1, false]);
  using second = sockets.stream("inet");
  sockets.setOption(second, C.IPPROTO_IP, C.IP_MULTICAST_LOOP, 0);
  assert.equal(new SocketTags(sockets).of(second), tag, "it looks like the other one's");
  assert.equal(tagging.begin(second, 1), NO_TAG);
  assert.equal(sockets.option(second, C.IPPROTO_IP, C.IP_MULTICAST_LOOP), 0);
  assert.deepEqual([generations.of(1), generations.isUncertain(tag)], [NO_TAG, true]);
});

test("a queue that passes to another generation gets its tag, and the earlier one tells nothing", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  await using platform = await testPlatform();
  const { sockets } = platform;
  const tagging = new Tagging(sockets);
  const { generations } = tagging;
  using heldUntilRetired = sockets.stream("inet6");
  const member = {
    epoch: 0,
    tag: tagging.begin(heldUntilRetired, 0),
    origin: null,
    heldUntilRetired,
  };
  const before = member.tag;
  member.epoch = 1;
  tagging.pass(member);
  assert.equal(member.tag, generations.of(1));
  assert.equal(new SocketTags(sockets).of(heldUntilRetired), member.tag);
  assert.deepEqual([before, member.tag].map((tag) => generations.isUncertain(tag)), [true, false]);
  // Again: nothing has passed.
  tagging.pass(member);
  assert.equal(generations.isUncertain(member.tag), false);
});

test(
  "a socket that all generations share is not tagged, nor is a generation while no tag is free",
  {
    timeout: TEST_TIMEOUT_MS,
  },
  async () => {
    await using platform = await testPlatform();
    const { sockets } = platform;
    const tagging = new Tagging(sockets);
    using heldUntilRetired = sockets.stream("inet");
    const member = { epoch: 0, tag: NO_TAG, origin: "shared", heldUntilRetired };
    tagging.pass(member);
    tagging.tagsInUse = () => new Set(ALL);
    using other = sockets.stream("inet");
    assert.deepEqual([member.tag, tagging.begin(other, 1)], [NO_TAG, NO_TAG]);
    for (const socket of [heldUntilRetired, other]) {
      assert.equal(new SocketTags(sockets).of(socket), NO_TAG);
    }
  },
);

test("of twenty generations in a row each has a tag, and none that of a connection that is kept", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  await using platform = await testPlatform();
  const { sockets, sockDiag } = platform;
  const listeners = new Listeners(sockets);
  const { tagging } = listeners;
  const place = { family: "inet", host: "127.0.0.1", port: await freePort(), scope: 0 } as const;
  tagging.tagsInUse = () => sockDiag.tagsAt(new Set([place.port]));
  const group = listeners.obtain({ ...place, v6only: false, boundInterface: 0 });
  using stack = new DisposableStack();
  const tags: number[] = [];
  for (let epoch = 0; epoch < GENERATIONS; epoch++) {
    const own = { epoch, owner: platform.runtime.pid, late: false, backlog: 16 };
    const { tag, heldUntilRetired } = group.takeMember(boundSocket(group), own);
    listeners.switchTo(epoch);
    if (epoch > 0) listeners.retire(epoch - 1);
    tags.push(tag);
    if (epoch !== KEPT) continue;
    stack.use(connectInet(platform, place));
    stack.use(sockets.accept(heldUntilRetired)!);
  }
  listeners.close();
  assert.ok(tags.every((tag) => tag !== NO_TAG), tags.join(" "));
  assert.deepEqual(tags.filter((tag) => tag === tags[KEPT]), [tags[KEPT]], tags.join(" "));
});
