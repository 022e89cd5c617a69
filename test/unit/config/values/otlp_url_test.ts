/** Where --otlp sends to, and with which headers. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { UserError } from "../../../../src/config/values/errors.ts";
import { parseHeaders, parseOtlpUrl } from "../../../../src/config/values/otlp_url.ts";

describe("parseOtlpUrl()", () => {
  const table: [text: string, url: string][] = [
    ["http://127.0.0.1:4318", "http://127.0.0.1:4318"],
    ["https://otel.example.com/base/", "https://otel.example.com/base"],
    ["HTTP://[::1]:4318/", "http://[::1]:4318"],
  ];
  for (const [text, url] of table) {
    it(`takes ${text}`, () => assert.equal(parseOtlpUrl(text), url));
  }
  const refused = [
    "127.0.0.1:4318",
    "",
    "grpc://h:4317",
    "http://h/v1/metrics",
    "http://h/v1/traces/",
    "http://h/?key=1",
    "http://h/#a",
    "http://user:secret@h/",
  ];
  for (const text of refused) {
    it(`refuses ${JSON.stringify(text)}, and says what to do`, () => {
      assert.throws(() => parseOtlpUrl(text), (error) => {
        assert.ok(error instanceof UserError && typeof error.remedy === "string");
        assert.doesNotMatch(error.message, /secret/);
        return true;
      });
    });
  }
});

describe("parseHeaders()", () => {
  it("reads a header a line", () => {
    const text = "# key\nX-Api-Key: a: b \r\n\nauthorization:Basic eA==\n";
    assert.deepEqual(parseHeaders(text), { "X-Api-Key": "a: b", authorization: "Basic eA==" });
  });
  for (
    const line of ["secret", "a b: secret", "host: secret", "Content-Type: secret", "x: se\x01"]
  ) {
    it(`refuses ${JSON.stringify(line)} by its number only`, () => {
      assert.throws(() => parseHeaders(`a: b\n${line}`), (error) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, /line 2 /);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      });
    });
  }
});
