/** Who may do what at the address of --admin. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AccessRequest, refusalOf, refusalOfForwarded } from "../../../src/admin/access.ts";

const TOKEN = "0123456789abcdef";
const RULES = {
  hosts: ["web-1.example.com"],
  isLocal: false,
  refuseToken: (given: string) =>
    given === TOKEN ? null : { status: 401, why: "another one" } as const,
};
const READ: AccessRequest = { method: "GET", host: null, origin: null, authorization: null };

describe("refusalOf() by Host", () => {
  const hosts: [host: string | null, status: number | null][] = [
    [null, null],
    ["127.0.0.1", null],
    ["127.0.0.1:9901", null],
    ["10.1.2.3:80", null],
    ["[::1]:9901", null],
    ["[::1]", null],
    ["localhost", null],
    ["LOCALHOST:9901", null],
    ["web-1.example.com:9901", null],
    ["Web-1.Example.com", null],
    ["evil.example.com", 403],
    ["localhost.evil.example.com", 403],
    ["evil.example.com:9901", 403],
    ["127.0.0.1.evil.example.com", 403],
    ["127.0.0.1@evil.example.com", 403],
    ["web-1.example.com.", 403],
    ["", 403],
    ["[evil]", 403],
  ];
  for (const [host, status] of hosts) {
    it(`${JSON.stringify(host)}: ${status ?? "is answered"}`, () => {
      assert.equal(refusalOf({ ...READ, host }, RULES)?.status ?? null, status);
      assert.equal(refusalOf({ ...READ, host }, { ...RULES, isLocal: true }), null, "at a path");
    });
  }
});

describe("refusalOf() by Origin", () => {
  const origins: [host: string, origin: string, status: number | null][] = [
    ["127.0.0.1:9901", "http://127.0.0.1:9901", null],
    ["localhost:9901", "http://localhost:9901", null],
    ["web-1.example.com", "https://web-1.example.com", null],
    ["127.0.0.1:9901", "http://127.0.0.1:9902", 403],
    ["127.0.0.1:9901", "http://localhost:9901", 403],
    ["127.0.0.1:9901", "https://evil.example.com", 403],
    ["127.0.0.1:9901", "null", 403],
    ["127.0.0.1:9901", "", 403],
    ["127.0.0.1:9901", "file://", 403],
  ];
  for (const [host, origin, status] of origins) {
    it(`${JSON.stringify(origin)} to ${host}: ${status ?? "is answered"}`, () => {
      for (const method of ["GET", "POST"]) {
        const request = { method, host, origin, authorization: `Bearer ${TOKEN}` };
        assert.equal(refusalOf(request, RULES)?.status ?? null, status, method);
      }
    });
  }
});

describe("refusalOf() of a change", () => {
  const tokens: [authorization: string | null, status: number | null][] = [
    [`Bearer ${TOKEN}`, null],
    [`bearer   ${TOKEN}`, null],
    [null, 401],
    ["", 401],
    ["Bearer", 401],
    ["Bearer ", 401],
    [`Basic ${TOKEN}`, 401],
    [TOKEN, 401],
    [`Bearer ${TOKEN}0`, 401],
    [`Bearer ${TOKEN.slice(1)}`, 401],
    [`Bearer ${TOKEN} ${TOKEN}`, 401],
  ];
  for (const [authorization, status] of tokens) {
    it(`${authorization}: ${status ?? "is made"}`, () => {
      for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
        const refusal = refusalOf({ ...READ, method, authorization }, RULES);
        assert.equal(refusal?.status ?? null, status, method);
        if (status === 401) assert.match(refusal?.challenge ?? "", /^Bearer realm="baton"/);
      }
      for (const method of ["GET", "HEAD"]) {
        assert.equal(refusalOf({ ...READ, method, authorization }, RULES), null, method);
      }
    });
  }

  it("is refused to all where there is no token, with what to do", () => {
    const request = { ...READ, method: "POST", authorization: `Bearer ${TOKEN}` };
    for (const isLocal of [false, true]) {
      const refusal = refusalOf(request, { ...RULES, isLocal, refuseToken: null });
      assert.equal(refusal?.status, 403);
      assert.match(refusal?.error ?? "", /--admin-token-file/);
    }
  });
});

describe("refusalOfForwarded(): a browser at the control socket", () => {
  const table: [host: string | null, origin: string | null, status: number | null][] = [
    [null, null, null],
    ["baton", null, null],
    ["a", null, null],
    ["localhost:9000", null, null],
    ["localhost:9000", "http://localhost:9000", null],
    ["127.0.0.1:9000", "http://127.0.0.1:9000", null],
    ["localhost:9000", "https://evil.example.com", 403],
    ["localhost:9000", "http://localhost:8000", 403],
    ["baton", "null", 403],
    ["evil.example.com:9000", null, 403],
    ["evil.example.com:9000", "http://evil.example.com:9000", 403],
    ["web-1.example.com", "https://web-1.example.com", null],
  ];
  for (const [host, origin, status] of table) {
    it(`${status ?? "answered"}: ${origin} to ${host}`, () => {
      assert.equal(refusalOfForwarded({ host, origin }, RULES.hosts)?.status ?? null, status);
    });
  }
});
