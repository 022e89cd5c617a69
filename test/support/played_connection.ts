/** Plays what a client and a server send on one connection, and checks the state after each sample. */
import assert from "node:assert/strict";
import { SimulatedConnection } from "../unit/migration/simulated_connection.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

export type Part = readonly [string, ...(string | number)[]];

/** `send TEXT`, `take [LENGTH]`, `answer [LENGTH]`, `under-way`, `acknowledge`, `later MS`, `sample RESULT`, `full RESULT`, `holds-answer`, `lets-answer`. */
export function play(parts: readonly Part[]): SimulatedConnection {
  const connection = new SimulatedConnection();
  for (const [index, [what, value = ""]] of parts.entries()) {
    const place = `part ${index + 1}: ${what}`;
    switch (what) {
      case "send":
        connection.send(String(value));
        break;
      case "take":
        connection.take(value === "" ? Infinity : Number(value));
        break;
      case "answer":
        connection.answer();
        break;
      case "under-way":
        connection.answer(100, false);
        break;
      case "acknowledge":
        connection.acknowledge();
        break;
      case "later":
        connection.atMs += Number(value);
        break;
      case "sample":
        assert.equal(connection.step(), value, place);
        break;
      case "full":
        assert.equal(connection.step({ mayRelease: false }), value, place);
        break;
      case "holds-answer":
      case "lets-answer":
        assert.equal(connection.state?.holdsAnswer, what === "holds-answer", place);
        break;
      default:
        throw new Error(`no such part: ${what}`);
    }
  }
  return connection;
}

/** One request alone was followed to its answer: from then on the client is proven to wait for answers. */
export const PROVEN: readonly Part[] = [
  ["sample", "idle pause"],
  ["send", GET],
  ["sample", "released resume"],
  ["take"],
  ["sample", "answer_owed pause"],
  ["answer"],
  ["sample", "idle proven"],
];

/** The next request came, and was there, before the connection was paused again. */
export const SLIPPED: readonly Part[] = [
  ["sample", "idle pause"],
  ["send", GET],
  ["sample", "released resume"],
  ["take"],
  ["answer"],
  ["send", GET],
  ["sample", "answer_owed pause"],
];
