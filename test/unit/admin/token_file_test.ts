/** The file of --admin-token-file: what is a token, who may read it, and that a change counts at once. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { refuseToken } from "../../../src/admin/token_check.ts";
import { readTokens } from "../../../src/admin/token_file.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { tempDir } from "../../support/temp_dir.ts";

const OPTIONS = { timeout: TEST_TIMEOUT_MS };
const TOKEN = "0123456789abcdef";
const OTHER = "fedcba9876543210";

describe("readTokens()", () => {
  const contents: [name: string, text: string, wanted: readonly string[] | RegExp][] = [
    ["one", TOKEN, [TOKEN]],
    ["one with a line end", `${TOKEN}\n`, [TOKEN]],
    ["two, for a change", `${TOKEN}\r\n\n  ${OTHER}  \n`, [TOKEN, OTHER]],
    ["none", "", /holds no token/],
    ["none but space", " \n\n", /holds no token/],
    ["a short one", TOKEN.slice(1), /16 or more/],
    ["a short one after a good one", `${TOKEN}\nshort`, /16 or more/],
    ["one with a space in it", `${TOKEN} ${TOKEN}`, /16 or more/],
    ["one that is no ASCII", `${TOKEN}\u00e9`, /16 or more/],
    ["more than any file of tokens", `${TOKEN}\n`.repeat(1_000), /longer than 4096 bytes/],
  ];
  for (const [name, text, wanted] of contents) {
    test(`${name}`, OPTIONS, () => {
      using dir = tempDir();
      const path = dir.join("token");
      writeFileSync(path, text, { mode: 0o600 });
      if (wanted instanceof RegExp) assert.throws(() => readTokens(path), wanted);
      else assert.deepEqual(readTokens(path), wanted);
    });
  }

  const modes: [mode: number, isUsable: boolean][] = [
    [0o600, true],
    [0o400, true],
    [0o640, true],
    [0o440, true],
    [0o644, false],
    [0o604, false],
    [0o660, false],
    [0o602, false],
    [0o601, false],
  ];
  for (const [mode, isUsable] of modes) {
    test(`of mode ${mode.toString(8)}: ${isUsable ? "read" : "refused"}`, OPTIONS, () => {
      using dir = tempDir();
      const path = dir.join("token");
      writeFileSync(path, TOKEN);
      chmodSync(path, mode);
      if (isUsable) assert.deepEqual(readTokens(path), [TOKEN]);
      else assert.throws(() => readTokens(path), /its mode is 0\d+: users who must not know/);
    });
  }

  test("which is none, or a directory, is refused", OPTIONS, () => {
    using dir = tempDir();
    assert.throws(() => readTokens(dir.join("missing")), /Cannot use the tokens in .*missing: /);
    mkdirSync(dir.join("directory"), { mode: 0o700 });
    assert.throws(() => readTokens(dir.join("directory")), /it is not a file/);
  });
});

describe("refuseToken()", () => {
  test("knows every token of the file, and one that is removed no longer", OPTIONS, () => {
    using dir = tempDir();
    const path = dir.join("token");
    const refused = (token: string) => refuseToken(path, token)?.status ?? null;
    writeFileSync(path, `${TOKEN}\n${OTHER}\n`, { mode: 0o600 });
    assert.deepEqual([TOKEN, OTHER, `${OTHER}0`, ""].map(refused), [null, null, 401, 401]);
    writeFileSync(path, OTHER);
    assert.deepEqual([TOKEN, OTHER].map(refused), [401, null]);
    chmodSync(path, 0o644);
    assert.deepEqual([TOKEN, OTHER].map(refused), [503, 503], "others can read it");
    rmSync(path);
    assert.match(refuseToken(path, OTHER)?.why ?? "", /Cannot use the tokens/);
  });
});
