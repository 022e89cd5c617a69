/**
 * Random conversations of clients that wait for their answers, whatever they send, with a server that reads and
 * answers in any parts: connections move only at true boundaries, and no request is held forever.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { Random } from "../../support/random.ts";
import { SimulatedConnection } from "./simulated_connection.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const DEFAULT_SEED = 4_284_488_969;
const LONGEST_MS = 500;
const CONVERSATIONS = 2_000;
const STEPS = 200;

/** A request in the parts in which it is sent; "wait" is where 100 Continue must come first. */
function request(random: Random): string[] {
  const bodies = [GET, GET + GET, "x", "xy".repeat(50), "\0\x01", `x${GET}`];
  const body = Array.from({ length: random.below(4) }, () => random.pick(bodies));
  const length = body.join("").length;
  switch (random.below(6)) {
    case 0:
      return [`POST / HTTP/1.1\r\nContent-Length: ${length}\r\n\r\n`, ...body];
    case 1:
      return [`POST / HTTP/1.1\r\nContent-Length: ${length}\r\n\r\n${body.join("")}`];
    case 2:
      return [
        `POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`,
        ...["wait", ...body],
      ];
    case 3:
      return [
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ...[...body, "0\r\n\r\n"],
      ];
    case 4:
      return ["GET /", "long HTTP/1.1\r\n", "\r\n"];
    default:
      return [GET];
  }
}

class Conversation {
  readonly connection = new SimulatedConnection();
  boundaries = 0;
  /** What is still to be sent of the present request. */
  #parts: string[] = [];
  /** Where the requests end, of all that were begun. */
  #ends: number[] = [];
  #sent = 0;
  /** Requests that were answered to the end, and whether the next one has an answer in part. */
  #answered = 0;
  #isContinued = false;
  #heldSinceMs: number | null = null;

  constructor(readonly random: Random) {}

  step(): void {
    const { random, connection } = this;
    connection.atMs += random.below(8);
    switch (random.below(5)) {
      case 0:
        return this.#client();
      case 1:
        if (!connection.isPaused || random.below(50) === 0) {
          connection.take(random.below(3) === 0 ? 1 + random.below(40) : Infinity);
        }
        return;
      case 2:
        return this.#server();
      case 3:
        return connection.acknowledge();
      default:
        return this.#sample();
    }
  }

  #client(): void {
    const { connection, random } = this;
    if (this.#parts.length === 0) {
      // It waits for the whole answer.
      if (this.#answered < this.#ends.length || connection.sample.unacknowledged > 0) return;
      this.#parts = request(random);
      const text = this.#parts.filter((part) => part !== "wait").join("");
      this.#ends.push((this.#ends.at(-1) ?? 0) + text.length);
      this.#isContinued = false;
    }
    const part = this.#parts[0] ?? "";
    if (part === "wait" && !this.#isContinued) return;
    this.#parts.shift();
    if (part === "wait") return;
    connection.send(part);
    this.#sent += part.length;
  }

  #server(): void {
    const { connection, random } = this;
    if (this.#parts[0] === "wait" && connection.read === this.#sent && !this.#isContinued) {
      this.#isContinued = true;
      return connection.answer(25, random.below(2) === 0);
    }
    const end = this.#ends[this.#answered];
    if (end === undefined || connection.read < end || this.#parts.length > 0) return;
    connection.answer(1 + random.below(100), random.below(2) === 0);
    if (random.below(3) > 0) this.#answered++;
  }

  #sample(): void {
    const { connection } = this;
    const { phase } = connection.state ?? {};
    connection.step({ mayRelease: this.random.below(2) === 0 });
    if (connection.state?.phase === "boundary") {
      this.boundaries++;
      assert.ok(connection.isPaused, "a boundary is held");
      // The server may have read since the sample only if the connection was not held.
      assert.equal(connection.read, this.#ends[this.#answered - 1] ?? 0, "a request begins");
      assert.equal(this.#answered, this.#ends.length - 1, "nothing else is owed");
    }
    const isHeld = connection.isPaused && connection.unread !== "";
    if (!isHeld || phase === undefined) this.#heldSinceMs = null;
    else this.#heldSinceMs ??= connection.atMs;
    const heldForMs = connection.atMs - (this.#heldSinceMs ?? connection.atMs);
    assert.ok(heldForMs < LONGEST_MS, "no request is held forever");
  }
}

describe("random conversations", () => {
  test("move at boundaries only, and are never held for long", () => {
    // A unit test says the same each time; other seeds are tried by hand, BATON_TEST_SEED=N.
    const random = new Random(Number(process.env["BATON_TEST_SEED"] ?? DEFAULT_SEED));
    let boundaries = 0;
    for (let i = 0; i < CONVERSATIONS; i++) {
      const conversation = new Conversation(random);
      for (let step = 0; step < STEPS; step++) conversation.step();
      boundaries += conversation.boundaries;
    }
    // Otherwise the test has proven nothing.
    assert.ok(boundaries > CONVERSATIONS, `${boundaries} boundaries`);
  });
});
