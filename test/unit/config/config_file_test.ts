/** A configuration file: what is in it, and what is wrong with it. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { loadConfigFile, parseConfigText } from "../../../src/config/config_file.ts";
import { UserError } from "../../../src/config/values/errors.ts";

function refusal(action: () => unknown): UserError {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof UserError, String(error));
    return error;
  }
  assert.fail("nothing was thrown");
}

describe("parseConfigText()", () => {
  it("reads TOML, with lists and comments", () => {
    const text = '# service\nname = "web"\nlisten = ["a=80", "b=81"]\ncommand = ["x"]\nquiet = 1\n';
    const { path, values } = parseConfigText(text, "/etc/baton.toml");
    assert.equal(path, "/etc/baton.toml");
    assert.deepEqual(Object.fromEntries(values), {
      name: "web",
      listen: ["a=80", "b=81"],
      command: ["x"],
      quiet: 1,
    });
  });

  it("reads JSON, also behind a byte order mark", () => {
    assert.equal(parseConfigText('\uFEFF{"name":"web"}', "B.JSON").values.get("name"), "web");
  });

  it("accepts a key of JSON once in each object, and as text", () => {
    const text =
      '{"env": {"A": "\\"B\\": {", "B": "A"}, "hook": ["env", "{", "env"], "name": "env"}';
    assert.equal(parseConfigText(text, "a.json").values.get("name"), "env");
  });

  it("accepts an empty TOML file", () => {
    assert.equal(parseConfigText("", "a.toml").values.size, 0);
  });

  const invalid: [string, string, RegExp, RegExp?][] = [
    [
      "a.toml",
      'redy_timeout = "1s"',
      /^Unknown key "redy_timeout" in a.toml: did you mean "ready_/,
    ],
    ["a.toml", 'ready-timeout = "1s"', /^Unknown key "ready-timeout" .* "ready_timeout"\?$/],
    ["a.toml", "wibble = 1", /^Unknown key "wibble" in a.toml$/, /'baton run --help'/],
    ["a.toml", "[run]\nname = 1", /^Unknown key "run" in a.toml/],
    ["a.toml", "config = 1", /^Unknown key "config" in a.toml/],
    ["a.json", '{"__proto__": 1}', /^Unknown key "__proto__" in a.json/],
    ["a.toml", "name = \n", /^Cannot parse a.toml: line 1, column \d+: /],
    ["a.toml", 'name = "a"\nname = "b"', /^Cannot parse a.toml: line 2/],
    ["a.json", "{", /^Cannot parse a.json: /],
    ["a.json", "[]", /^Cannot use configuration file "a.json": it is not a set of keys$/, /object/],
    ["a.json", "null", /it is not a set of keys$/],
    [
      "a.json",
      '{"name": "a", "name": "a"}',
      /^Cannot parse a.json: the key "name" is there twice$/,
    ],
    [
      "a.json",
      '{"env": {"A": [1, "A"], "\\u0041": ""}}',
      /^Cannot parse a.json: the key "A" is there/,
    ],
    [
      "a.json",
      `{"env": ${"[".repeat(10_000)}${"]".repeat(10_000)}}`,
      /it has more than 20 levels$/,
    ],
    ["a.yaml", "", /^Cannot tell the format of configuration file "a.yaml"$/, /baton.toml/],
    ["a.json", " ".repeat(2 ** 20 + 1), /it is larger than 1 MiB$/],
  ];
  for (const [path, text, message, remedy] of invalid) {
    it(`refuses ${JSON.stringify(text.slice(0, 25))} in ${path}`, () => {
      const error = refusal(() => parseConfigText(text, path));
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /\n/);
      if (remedy !== undefined) assert.match(error.remedy ?? "", remedy);
    });
  }
});

describe("loadConfigFile()", () => {
  function inDirectory(test: (directory: string) => void): void {
    const directory = mkdtempSync(join(tmpdir(), "baton-config-"));
    try {
      test(directory);
    } finally {
      rmSync(directory, { recursive: true });
    }
  }

  it("reads a file", () =>
    inDirectory((directory) => {
      const path = join(directory, "baton.toml");
      writeFileSync(path, 'name = "web"\n');
      assert.equal(loadConfigFile(path).values.get("name"), "web");
    }));

  it("names a missing file and a directory, and gives advice", () =>
    inDirectory((directory) => {
      const missing = refusal(() => loadConfigFile(join(directory, "none.toml")));
      assert.match(missing.message, /^Cannot read configuration file ".*none.toml": it does not/);
      assert.match(missing.remedy ?? "", /--config/);
      assert.match(refusal(() => loadConfigFile(directory)).message, /it is a directory$/);
    }));
});
