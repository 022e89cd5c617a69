/** Which abstract names are private to a generation. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { UserError } from "../../../../src/config/values/errors.ts";
import {
  isPrivateName,
  isSuccessorName,
  parsePrivateNames,
} from "../../../../src/config/values/private_names.ts";

describe("isPrivateName()", () => {
  const rows: readonly (readonly [name: string, patterns: string[], expected: boolean])[] = [
    ["@envoy_domain_socket_parent_0", [], true],
    ["@envoy_domain_socket_udp_child_24102", [], true],
    ["@envoy_domain_socket", [], false],
    ["@lock", [], false],
    ["@lock", ["@lock"], true],
    ["@lock2", ["@lock"], false],
    ["@a", ["@lock", "@a"], true],
    ["@my_parent_10", ["@*_parent_*"], true],
    ["@my_udp_parent_10", ["@*_parent_*"], true],
    ["@my_parents_10", ["@*_parent_*"], false],
    ["@_parent_", ["@*_parent_*"], true],
    ["@aXbXc", ["@a*b*c"], true],
    ["@aXc", ["@a*b*c"], false],
    ["@abc", ["@abc*"], true],
    // What stands before "*" and behind it may not be the same bytes.
    ["@aba", ["@ab*ba"], false],
    ["@abba", ["@ab*ba"], true],
    ["@a+b", ["@a.b"], false],
    ["@abcdeXbcd", ["@a*bcd*bcd"], true],
    ["@abcdbc", ["@a*bcd*bcd"], false],
  ];
  for (const [name, patterns, expected] of rows) {
    test(`${name} by ${patterns.join(" ") || "what is known"}: ${expected}`, () => {
      assert.equal(isPrivateName(name, patterns), expected);
    });
  }
});

describe("parsePrivateNames()", () => {
  test("keeps patterns", () => {
    const longest = `@${"x".repeat(107)}`;
    assert.deepEqual(parsePrivateNames(["@a", "@b*", longest]), ["@a", "@b*", longest]);
  });

  for (const text of ["lock", "/run/lock", "@", "@*", `@${"x".repeat(108)}`]) {
    test(`refuses ${text}`, () => assert.throws(() => parsePrivateNames([text]), UserError));
  }
});

describe("isSuccessorName()", () => {
  const cases: readonly [name: string, waits: boolean][] = [
    ["@envoy_domain_socket_parent_0", false],
    ["@envoy_domain_socket_parent_1", true],
    ["@envoy_domain_socket_udp_child_17172", true],
    ["@envoy_domain_socket_child_20", false],
    ["@app_child_1", false],
  ];
  for (const [name, waits] of cases) {
    test(`${name}: ${waits}`, () => assert.equal(isSuccessorName(name), waits));
  }
});
