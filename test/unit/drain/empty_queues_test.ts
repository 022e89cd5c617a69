/** When nothing more can come out of queues that get nothing new. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EmptyQueues } from "../../../src/drain/empty_queues.ts";

type Look = Parameters<EmptyQueues["look"]>[0];

const EMPTY: Look = { waiting: 0, halfOpen: new Set() };
const WAITING: Look = { ...EMPTY, waiting: 1 };
const COMING: Look = { ...EMPTY, mayCome: true };
const handshakes = (...clients: string[]): Look => ({ ...EMPTY, halfOpen: new Set(clients) });

describe("EmptyQueues", () => {
  const table: [what: string, looks: readonly Look[], proved: boolean][] = [
    ["no look", [], false],
    ["empty once", [EMPTY], false],
    ["empty twice", [EMPTY, EMPTY], true],
    ["one came between", [EMPTY, WAITING, EMPTY], false],
    ["and was accepted", [EMPTY, WAITING, EMPTY, EMPTY], true],
    ["one may come", [COMING, COMING, COMING], false],
    ["a handshake from before", [handshakes("a"), handshakes("a"), handshakes("a")], false],
    ["it has ended", [handshakes("a"), EMPTY, EMPTY], true],
    ["later ones belong to others", [EMPTY, handshakes("b")], true],
    ["others in each look", [handshakes("a"), handshakes("b"), handshakes("c")], true],
    ["proved once is enough", [EMPTY, EMPTY, WAITING], true],
  ];
  for (const [what, looks, proved] of table) {
    test(what, () => {
      const queues = new EmptyQueues();
      for (const look of looks) queues.look(look);
      assert.equal(queues.areProved, proved);
    });
  }
});
