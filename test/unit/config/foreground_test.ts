/** How servers that go to the background are kept from it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { foregroundAdvice } from "../../../src/config/foreground.ts";

describe("foregroundAdvice()", () => {
  const table: [programs: string[], advice: RegExp][] = [
    [["/usr/sbin/sshd"], /\(sshd: -D\)$/],
    [["squid"], /\(squid: -N or --foreground\)$/],
    [["php-fpm8.2"], /\(php-fpm8\.2: -F\)$/],
    // The first one that is known: what is left, before the command.
    [["sh", "memcached"], /\(memcached: without -d\)$/],
    [["mine"], /its manual says how/],
    [[], /its manual says how/],
  ];
  for (const [programs, advice] of table) {
    it(`[${programs}]`, () => assert.match(foregroundAdvice(programs), advice));
  }
});
