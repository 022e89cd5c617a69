/** What happens to a connection in flight: held, returned, idle for a while, offered, or closed. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type HeldSample,
  type IdleSample,
  isOfferOver,
  mayWakeAccepted,
  nextWhileHeld,
  nextWhileIdle,
} from "../../../src/migration/in_flight_rules.ts";
import { classifyUnread, type HeadKind } from "../../../src/migration/request_head.ts";

const UNTOUCHED = { hasRead: false, hasSent: false };
const IDLE: IdleSample = { ageMs: 0, isEstablished: true, head: null, ...UNTOUCHED };
const LATER = { ageMs: 10_001 };
const READ = { hasRead: true };
const SENT = { hasSent: true };

describe("a connection that its old server may read", () => {
  const HELD: HeldSample = {
    ...{ ageMs: 1_501, isOpen: true, wasReturned: false, unread: 0, hasRead: false, isShut: false },
  };
  const ASKS = { unread: 1 };
  const BACK = { ...ASKS, wasReturned: true };
  const GONE = { isOpen: false };
  const cases: [string, Partial<HeldSample>, ReturnType<typeof nextWhileHeld>][] = [
    ["is held until it closes it", {}, "wait"],
    ["with a request, for a while", { ...ASKS, ageMs: 1_500 }, "wait"],
    ["is returned after that", ASKS, "return"],
    ["is the new server's when it is closed", GONE, "idle"],
    ["is the new server's when it is closed, however late", { ...GONE, ...ASKS }, "idle"],
    ["is undecided until it reads", BACK, "wait"],
    ["is the old server's when it reads", { ...BACK, hasRead: true }, "returned"],
    ["is the old server's when it shuts it down", { ...BACK, isShut: true }, "returned"],
    ["is the new server's when it closes it without having read", { ...BACK, ...GONE }, "idle"],
    ["is not served twice", { ...BACK, ...GONE, hasRead: true }, "returned"],
    ["can no longer be answered", { ...BACK, ...GONE, isShut: true }, "returned"],
  ];
  for (const [name, sample, wanted] of cases) {
    test(`${name}: ${wanted}`, () => assert.equal(nextWhileHeld({ ...HELD, ...sample }), wanted));
  }
});

describe("an idle connection", () => {
  const cases: [string, Partial<IdleSample>, ReturnType<typeof nextWhileIdle>][] = [
    ["waits for its client", {}, "wait"],
    ["is closed after a time", LATER, "closed"],
    ["whose answer continued may still get a request", { ...SENT, ageMs: 1_000 }, "wait"],
    ["whose answer continued is closed soon", { ...SENT, ageMs: 1_001 }, "closed"],
    ["whose answer continued", { ...SENT, head: "request" }, "offer"],
    ["closed by its client", { isEstablished: false }, "closed"],
    [
      "closed by its client after a request",
      { isEstablished: false, head: "request" },
      "offer",
    ],
    ["with two requests at once, one of them late", { ...READ, head: "pipelined" }, "offer"],
    ["with a whole request after another one was read", { ...READ, head: "request" }, "offer"],
    ["with a partial request after one that was read", { ...READ, head: "partial" }, "wait"],
    ["whose partial request stays partial", { ...READ, ...LATER, head: "partial" }, "dropped"],
    ["with the rest of a body, as far as can be known", { ...READ, head: "other" }, "dropped"],
    [
      "with what looks like an upgrade after a partial read",
      { ...READ, head: "upgrade" },
      "dropped",
    ],
  ];
  for (const [name, sample, wanted] of cases) {
    test(`${name}: ${wanted}`, () => assert.equal(nextWhileIdle({ ...IDLE, ...sample }), wanted));
  }
});

describe("an idle connection is offered with whatever arrives on it", () => {
  const requests: [string, string, HeadKind][] = [
    ["a WebSocket", "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", "upgrade"],
    ["CONNECT", "CONNECT a:1 HTTP/1.1\r\n\r\n", "upgrade"],
    ["a path in UTF-8", "GET /\xc3\xa4 HTTP/1.1\r\n\r\n", "other"],
    ["20 kB of cookies", `GET / HTTP/1.1\r\nCookie: ${"a".repeat(20_000)}\r\n\r\n`, "other"],
    ["a URL of 9,000 bytes", `GET /${"a".repeat(9_000)} HTTP/1.1\r\n\r\n`, "other"],
    ["an empty line before it, RFC 9112 2.2", "\r\nGET / HTTP/1.1\r\n\r\n", "other"],
    ["a method in lower case", "get / HTTP/1.1\r\n\r\n", "other"],
    ["half a request", "GET / HTTP", "partial"],
    ["a request", "GET / HTTP/1.1\r\n\r\n", "request"],
  ];
  for (const [name, text, wanted] of requests) {
    test(name, () => {
      const { kind: beginning } = classifyUnread(
        new TextEncoder().encode(text).subarray(0, 16 * 1024),
      );
      assert.equal(beginning, wanted);
      assert.equal(nextWhileIdle({ ...IDLE, head: beginning }), "offer");
    });
  }
});

describe("the requests on accepted connections", () => {
  const cases: [string, Parameters<typeof mayWakeAccepted>[0], boolean][] = [
    ["wait while the server accepts others", { offered: 1, firstMs: 499, lastMs: 49 }, false],
    ["are seen when it has accepted all", { offered: 0, firstMs: 0, lastMs: 0 }, true],
    ["do not wait for a server that pauses", { offered: 1, firstMs: 50, lastMs: 50 }, true],
    ["do not wait for ever so many others", { offered: 9_000, firstMs: 500, lastMs: 0 }, true],
  ];
  for (const [name, sample, wanted] of cases) {
    test(name, () => assert.equal(mayWakeAccepted(sample), wanted));
  }
});

describe("the wait for accept(2) of the new server is over", () => {
  const cases: [string, Parameters<typeof isOfferOver>[0], boolean][] = [
    ["not at once", { ageMs: 5_000, sinceAcceptMs: Infinity }, false],
    ["when it accepts nothing", { ageMs: 5_001, sinceAcceptMs: Infinity }, true],
    ["when it accepts nothing more", { ageMs: 20_000, sinceAcceptMs: 5_001 }, true],
    ["not while it accepts others, one by one", { ageMs: 20_000, sinceAcceptMs: 5_000 }, false],
    ["not because the last one was long before", { ageMs: 10, sinceAcceptMs: 60_000 }, false],
    ["at some time in any case", { ageMs: 30_001, sinceAcceptMs: 1 }, true],
  ];
  for (const [name, sample, wanted] of cases) {
    test(name, () => assert.equal(isOfferOver(sample), wanted));
  }
});
