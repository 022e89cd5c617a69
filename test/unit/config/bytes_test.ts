/** Which options may hold bytes that are not UTF-8, and that all others refuse them by name. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { loadConfigFile, parseConfigText } from "../../../src/config/config_file.ts";
import { UserError } from "../../../src/config/values/errors.ts";
import type { Config } from "../../../src/config/config.ts";
import { buildConfig } from "../../support/config.ts";
import { OPTIONS } from "../../../src/config/options.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";

const timeout = TEST_TIMEOUT_MS;
const ODD = "x\udce9";
/** What only the kernel and a shell read. */
const TAKEN: Readonly<Record<string, string>> = {
  "cwd": ODD,
  "env-file": ODD,
  "log-file": ODD,
  "watch": ODD,
  "pre-flight": ODD,
  "hook": `ready=${ODD}`,
  "env": `A=${ODD}`,
  "on-event": ODD,
  "ready": `exec:${ODD}`,
  "live": `exec:${ODD}`,
};

function build(flag: string, value: string) {
  return buildConfig({ fileValues: null, flagValues: new Map([[flag, [value]]]), command: [ODD] });
}

function refused(action: () => unknown, message: RegExp): void {
  assert.throws(action, (error: unknown) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, message);
    return true;
  });
}

describe("bytes that are not UTF-8", () => {
  test("are the server's in its command", { timeout }, () => {
    assert.deepEqual(build("quiet", "1s").command, [ODD]);
  });

  for (const [flag, value] of Object.entries(TAKEN)) {
    test(`are taken by --${flag}`, { timeout }, () => {
      const { field } = OPTIONS.find((option) => option.flag === flag)!;
      assert.ok(JSON.stringify(build(flag, value)[field as keyof Config]).includes("x\\udce9"));
    });
  }

  for (const { flag, placeholder } of OPTIONS) {
    if (placeholder === null || flag in TAKEN) continue;
    test(`are refused by --${flag}`, { timeout }, () => {
      refused(() => build(flag, ODD), new RegExp(`^In --${flag}: .*"x\\\\xe9".* UTF-8$`));
    });
  }

  for (const text of ["log:x\udce9", "http:/\udce9", "grpc/\udce9", "\udce9", "hook"]) {
    test(`are refused by --ready ${JSON.stringify(text)}`, { timeout }, () => {
      if (text === "hook") refused(() => build("hook", "x\udce9=y"), /unknown hook "x\\xe9"/);
      else {refused(() =>
          build("ready", text), /^In --ready: cannot check ".*\\xe9": it must be UTF-8$/);}
    });
  }
});

describe("a configuration file", () => {
  const files: readonly [bytes: string, message: RegExp][] = [
    ['name = "caf\xe9"', /"\/.*\/b\.toml": line 1 is not UTF-8$/],
    ['name = "w"\n\n# caf\xe9\nquiet = "1s"\n', /line 3 is not UTF-8$/],
    ['name = "w"\n# \xc3', /line 2 is not UTF-8$/],
    ['name = "w"\n# \xed\xb3\xa9\n', /line 2 is not UTF-8$/],
    ["\xff\xfen\0a\0", /line 1 is not UTF-8$/],
  ];
  for (const [bytes, message] of files) {
    test(`${JSON.stringify(bytes)} is refused, with the line`, { timeout }, () => {
      const directory = mkdtempSync(join(tmpdir(), "baton-config-"));
      try {
        const path = join(directory, "b.toml");
        writeFileSync(path, Uint8Array.from(bytes, (char) => char.charCodeAt(0)));
        refused(() => loadConfigFile(path), message);
      } finally {
        rmSync(directory, { recursive: true });
      }
    });
  }

  test("is read as it is where it is UTF-8, also with a byte order mark", { timeout }, () => {
    const text = '\ufeff{"command": ["caf\u00e9", "\u{1f680}",\n"\u2028"]}\n';
    const { values } = loadConfigFile("b.json", () => new TextEncoder().encode(text));
    assert.deepEqual(values.get("command"), ["caf\u00e9", "\u{1f680}", "\u2028"]);
    const long = `name = "w"\n${"# \u{1f680}\n".repeat(10_000)}`;
    assert.equal(
      loadConfigFile("b.toml", () => new TextEncoder().encode(long)).values.get("name"),
      "w",
    );
  });

  for (
    const text of [
      '{"command": ["a", "\\udce9"]}',
      '{"name": "\\ud83d"}',
      '{"listen": {"\\udce9": 1}}',
    ]
  ) {
    test(`${text} is refused: half a character is no byte`, { timeout }, () => {
      refused(
        () => parseConfigText(text, "b.json"),
        /^Cannot use b\.json: .* holds half of a surrogate pair/,
      );
    });
  }
});
