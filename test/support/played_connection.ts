/** Plays what a client and a server send on one connection, and checks what is made of it. */
import assert from "node:assert/strict";
import { SimulatedConnection } from "../unit/migration/simulated_connection.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

export type Part = readonly [string, ...(string | number)[]];

/** `send TEXT`, `take [LENGTH]`, `answer [LENGTH]`, `under-way`, `acknowledge`, `later MS`, `look SEEN`, `full SEEN`. */
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
      case "look":
        assert.equal(connection.watch(), value, place);
        break;
      case "full":
        assert.equal(connection.watch({ hasRoom: false }), value, place);
        break;
      default:
        throw new Error(`no such part: ${what}`);
    }
  }
  return connection;
}

/** A whole request is seen, alone: from then on it is proven. */
export const PROVEN: readonly Part[] = [
  ["look", "rest pause"],
  ["send", GET],
  ["look", "open open"],
  ["take"],
  ["look", "owed pause"],
  ["answer"],
  ["look", "rest proven"],
];
