/** What becomes of a UDP socket that a server binds. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { roleOfDatagrams } from "../../../src/handoff/datagrams/datagram_role.ts";

const HOST = "127.0.0.1";

type Case = readonly [what: string, role: ReturnType<typeof roleOfDatagrams>, facts: {
  readonly udp?: "leave" | "switch";
  readonly host?: string;
  readonly isLate?: boolean;
  readonly isServed?: boolean;
  readonly isBesideTcp?: boolean;
  readonly sharesPort?: boolean;
}];

const CASES: readonly Case[] = [
  ["bound at the start", "join", {}],
  ["where the generation before is", "join", { isServed: true }],
  ["one of several with SO_REUSEPORT", "join", { sharesPort: true }],
  ["a worker's that was started again", "join", { isLate: true, isServed: true }],
  ["a resolver's, for one question", "alone", { isLate: true }],
  ["a resolver's that shares its port", "alone", { isLate: true, sharesPort: true }],
  ["for a multicast group", "alone", { host: "224.0.0.251" }],
  ["for a multicast group of IPv6", "alone", { host: "ff02::fb", isServed: true }],
  ["for broadcasts", "alone", { host: "255.255.255.255" }],
  ["above the multicast groups", "join", { host: "240.0.0.1" }],
  ["at all addresses", "join", { host: "::" }],
  ["not asked for: the next copy cannot bind", "left", { udp: "leave" }],
  ["where TCP listens already", "join", { isLate: true, isBesideTcp: true }],
  ["for a multicast group, where TCP listens", "alone", { host: "224.0.0.1", isBesideTcp: true }],
  ["not asked for: the next copy can", "beside", { udp: "leave", sharesPort: true }],
  ["not asked for: a question", "alone", { udp: "leave", isLate: true }],
  ["not asked for: multicast", "alone", { udp: "leave", host: "239.1.2.3" }],
];

describe("roleOfDatagrams()", () => {
  for (const [what, role, facts] of CASES) {
    test(`${what}: ${role}`, () => {
      const usual = { udp: "switch", host: HOST, isLate: false, isServed: false } as const;
      const alone = { isBesideTcp: false, sharesPort: false };
      assert.equal(roleOfDatagrams({ ...usual, ...alone, ...facts }), role);
    });
  }
});
