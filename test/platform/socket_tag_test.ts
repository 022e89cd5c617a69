/** Tags of real sockets: from the listener to its connections, as sock_diag shows them. */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { C } from "../../src/platform/libc/constants.ts";
import {
  decodeTag,
  HIGHEST_TAG,
  NO_TAG,
  SocketTags,
} from "../../src/platform/network/socket_tag.ts";
import { noIpv6 } from "../support/features.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { connectInet, listenAt } from "../support/raw_client.ts";
import { systemCallError } from "../support/system_call_error.ts";
import { testPlatform } from "../support/test_platform.ts";

const skipIpv6 = noIpv6(await testPlatform());
const TAGS = Array.from({ length: HIGHEST_TAG + 1 }, (_, tag) => tag);
const USER = 65_534;

describe("SocketTags", () => {
  for (const host of ["127.0.0.1", "::1"]) {
    test(`${host}: connections have their listener's tag, in its queue already, and keep it`, {
      skip: host === "::1" && skipIpv6,
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      const { sockets, sockDiag } = platform;
      const tags = new SocketTags(sockets);
      const { listener, address } = listenAt(platform, host);
      assert.equal(tags.of(listener), NO_TAG, "of a new socket");
      for (const tag of TAGS) {
        tags.set(listener, tag);
        assert.equal(tags.of(listener), tag);
        using _client = connectInet(platform, address);
        const shown = () =>
          sockDiag.tcpByLocalPort(address.port, [C.TCP_ESTABLISHED, C.TCP_LISTEN])
            .map((row) => row.tag);
        assert.deepEqual(shown(), [tag, tag], "in the queue");
        using connection = sockets.accept(listener)!;
        // What comes later has the next tag, this one keeps its own.
        tags.set(listener, NO_TAG);
        assert.deepEqual(shown().sort((a = 0, b = 0) => a - b), [NO_TAG, tag], "accepted");
        assert.equal(tags.of(connection), tag);
        tags.set(connection, HIGHEST_TAG - tag);
        assert.equal(tags.of(connection), HIGHEST_TAG - tag, "passed on");
      }
      listener.close();
    });
  }

  test("any user sees the tags of another user's connections", {
    skip: process.geteuid?.() !== 0 && "needs root, to be two users",
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { sockets, sockDiag } = platform;
    const { listener, address } = listenAt(platform, "127.0.0.1");
    new SocketTags(sockets).set(listener, HIGHEST_TAG);
    using _client = connectInet(platform, address);
    process.seteuid!(USER);
    try {
      assert.deepEqual(sockDiag.tagsAt(new Set([address.port])), new Set([HIGHEST_TAG]));
    } finally {
      process.seteuid!(0);
    }
    listener.close();
  });

  test("a socket that has no such options is refused, not changed", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    using socket = platform.sockets.stream("unix");
    const refused = systemCallError({ call: "setsockopt", code: "ENOTSUP", subject: /option/ });
    assert.throws(() => new SocketTags(platform.sockets).set(socket, 1), refused);
  });
});

test("decodeTag() reads struct inet_diag_sockopt, whatever other options say", () => {
  // mc_loop is on in a new socket, and in one of IPv4 mc_all too; is_icsk is on in every TCP socket.
  const [NEW_4, NEW_6] = [0b0101_0000, 0b0001_0000];
  const [IS_ICSK, FREEBIND, TRANSPARENT] = [0b10, 0b100, 0b10_0000];
  for (const others of [IS_ICSK, IS_ICSK | FREEBIND, IS_ICSK | TRANSPARENT]) {
    assert.equal(decodeTag(NEW_4 | others), NO_TAG);
    assert.equal(decodeTag(NEW_6 | others), NO_TAG);
    assert.equal(decodeTag(others | 0b11_0000_0000), HIGHEST_TAG);
  }
});
