/** What becomes of a connection on its way: held, given back, kept for a while, offered, or closed. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type HeldLook,
  type RestingLook,
  whileHeld,
  whileResting,
} from "../../../src/migration/inspection.ts";
import { type Beginning, recognise } from "../../../src/migration/request.ts";

const UNTOUCHED = { hasRead: false, hasSent: false };
const RESTS: RestingLook = { ageMs: 0, isEstablished: true, begins: null, ...UNTOUCHED };
const LATER = { ageMs: 10_001 };
const READ = { hasRead: true };
const SENT = { hasSent: true };

describe("a connection that its old server may read", () => {
  const HELD: HeldLook = {
    ...{ ageMs: 1_501, isOpen: true, isBack: false, unread: 0, hasRead: false, isShut: false },
  };
  const ASKS = { unread: 1 };
  const BACK = { ...ASKS, isBack: true };
  const GONE = { isOpen: false };
  const cases: [string, Partial<HeldLook>, ReturnType<typeof whileHeld>][] = [
    ["is held until that one closes it", {}, "wait"],
    ["with a request too, for a while", { ...ASKS, ageMs: 1_500 }, "wait"],
    ["is let in again", ASKS, "return"],
    ["is away when it is closed", GONE, "rest"],
    ["is away when it is closed, however late", { ...GONE, ...ASKS }, "rest"],
    ["is not its own before it reads", BACK, "wait"],
    ["is its own when it reads", { ...BACK, hasRead: true }, "left"],
    ["is its own when it shuts it down", { ...BACK, isShut: true }, "left"],
    ["is away when it closes it without having read", { ...BACK, ...GONE }, "rest"],
    ["is not asked twice", { ...BACK, ...GONE, hasRead: true }, "left"],
    ["is of no use to anybody", { ...BACK, ...GONE, isShut: true }, "left"],
  ];
  for (const [name, look, wanted] of cases) {
    test(`${name}: ${wanted}`, () => assert.equal(whileHeld({ ...HELD, ...look }), wanted));
  }
});

describe("a connection that rests", () => {
  const cases: [string, Partial<RestingLook>, ReturnType<typeof whileResting>][] = [
    ["waits for its client", {}, "wait"],
    ["for so long and no longer", LATER, "closed"],
    ["whose answer went on may get a request yet", { ...SENT, ageMs: 1_000 }, "wait"],
    ["whose answer went on is closed soon", { ...SENT, ageMs: 1_001 }, "closed"],
    ["whose answer went on", { ...SENT, begins: "request" }, "offer"],
    ["that its client has closed", { isEstablished: false }, "closed"],
    [
      "whose client closes behind its request",
      { isEstablished: false, begins: "request" },
      "offer",
    ],
    ["with two requests at once, one of them a late one", { ...READ, begins: "requests" }, "offer"],
    ["with a whole request after another one was read", { ...READ, begins: "request" }, "offer"],
    ["may have a request in parts after one that was read", { ...READ, begins: "part" }, "wait"],
    ["whose part gets no whole", { ...READ, ...LATER, begins: "part" }, "cut"],
    ["with the rest of a body, as far as is known", { ...READ, begins: "other" }, "cut"],
    ["that becomes something else, as far as is known", { ...READ, begins: "upgrade" }, "cut"],
  ];
  for (const [name, look, wanted] of cases) {
    test(`${name}: ${wanted}`, () => assert.equal(whileResting({ ...RESTS, ...look }), wanted));
  }
});

describe("a connection that rests is offered with whatever comes on it", () => {
  const requests: [string, string, Beginning][] = [
    ["a WebSocket", "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", "upgrade"],
    ["CONNECT", "CONNECT a:1 HTTP/1.1\r\n\r\n", "upgrade"],
    ["a path in UTF-8", "GET /\xc3\xa4 HTTP/1.1\r\n\r\n", "other"],
    ["20 kB of cookies", `GET / HTTP/1.1\r\nCookie: ${"a".repeat(20_000)}\r\n\r\n`, "other"],
    ["a URL of 9,000 bytes", `GET /${"a".repeat(9_000)} HTTP/1.1\r\n\r\n`, "other"],
    ["an empty line before it, RFC 9112 2.2", "\r\nGET / HTTP/1.1\r\n\r\n", "other"],
    ["a method in lower case", "get / HTTP/1.1\r\n\r\n", "other"],
    ["half a request", "GET / HTTP", "part"],
    ["a request", "GET / HTTP/1.1\r\n\r\n", "request"],
  ];
  for (const [name, text, wanted] of requests) {
    test(name, () => {
      const { beginning } = recognise(new TextEncoder().encode(text).subarray(0, 16 * 1024));
      assert.equal(beginning, wanted);
      assert.equal(whileResting({ ...RESTS, begins: beginning }), "offer");
    });
  }
});
