import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { shellLine, shellWord } from "../../../../src/config/servers/shell_words.ts";

describe("shellWord()", () => {
  it("quotes what a shell would change", () => {
    assert.equal(shellWord("a-b"), "a-b");
    assert.equal(shellWord("/run/web.{epoch}.pid"), "/run/web.{epoch}.pid");
    assert.equal(shellWord("{a,b}"), "'{a,b}'");
    assert.equal(shellWord("a b"), "'a b'");
    assert.equal(shellWord("it's"), "'it'\\''s'");
    assert.equal(shellWord(""), "''");
  });
});

describe("shellLine()", () => {
  it("keeps the words apart", () => {
    assert.equal(shellLine(["sh", "-c", "exec $0"]), "sh -c 'exec $0'");
  });
});
