/** What `baton check` prints can be read again, and the schema has what the reader takes. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseConfigText } from "../../../src/config/config_file.ts";
import { describePostponed, reconcile } from "../../../src/config/changes.ts";
import { effectiveLines, effectiveValues } from "../../../src/config/effective.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { fileKey, OPTIONS } from "../../../src/config/options.ts";
import { configSchema } from "../../../src/config/schema.ts";

const FILE = `
command = ["sh", "-c", "echo \\"a\\\\b\\"; exec x"]
listen = ["web=*:8080", "[::1]:81"]
stop_time = 7
hold = true
canary = "2.5%"
[env]
A = "\u00fc\\u007f\\n"
"B" = 5
`;

function load(file: string, env: Record<string, string> = {}) {
  const fileValues = parseConfigText(file, "b.toml");
  return loadConfig({ fileValues, flagValues: new Map(), command: [], env });
}

describe("effectiveLines()", () => {
  test("are a file with the same configuration", () => {
    const loaded = load(FILE, { BATON_RAMP: "3s" });
    const again = load(effectiveLines(loaded).join("\n"));
    assert.deepEqual(again.config, loaded.config);
  });

  test("say where each value is from", () => {
    const lines = effectiveLines(load(FILE, { BATON_RAMP: "3s" }));
    const of = (key: string) =>
      lines.filter((line) => line.startsWith(`${key} `)).map((line) => line.replace(/ +/g, " "));
    assert.deepEqual(of("stop_time"), ["stop_time = 7 # b.toml"]);
    assert.deepEqual(of("ramp"), ['ramp = "3s" # BATON_RAMP']);
    assert.deepEqual(of("backlog"), ["backlog = 4096 # default"]);
    assert.deepEqual(of("name"), ['name = "x" # default, by the command']);
    assert.ok(lines.includes("# pidfile: none"));
  });

  test("and changes show no secret of an address", () => {
    const [old, found] = ["s3cret", "0ther"].map((secret) =>
      load(
        `command = ["x"]\nwebhook = "https://user:${secret}@hooks.example/T/${secret}?k=${secret}"`,
      )
    );
    const shown = [
      ...effectiveLines(old!),
      ...reconcile(old!, found!).postponed.map(describePostponed),
      JSON.stringify(effectiveValues(old!)),
    ].join("\n");
    assert.match(shown, /webhook = "https:\/\/hooks\.example\/\.\.\."/);
    assert.doesNotMatch(shown, /s3cret|0ther/);
    assert.equal(reconcile(old!, found!).postponed.length, 1);
  });

  test("and values have every option", () => {
    const keys = Object.keys(effectiveValues(load(FILE)));
    assert.deepEqual(keys, ["command", ...OPTIONS.map(({ flag }) => fileKey(flag))]);
  });
});

describe("configSchema()", () => {
  const { properties } = configSchema() as { properties: Record<string, Record<string, unknown>> };

  test("has every key, with help", () => {
    const keys = ["$schema", "command", ...OPTIONS.map(({ flag }) => fileKey(flag))];
    assert.deepEqual(Object.keys(properties), keys);
    for (const [key, { description }] of Object.entries(properties)) assert.ok(description, key);
  });

  test("has defaults that the reader takes", () => {
    for (const { flag, read } of OPTIONS) {
      const value = properties[fileKey(flag)]?.["default"];
      if (value !== undefined) assert.doesNotThrow(() => read(value), flag);
    }
  });

  test("a file of JSON may name it", () => {
    assert.deepEqual(
      [...parseConfigText('{"$schema": "x", "name": "a"}', "b.json").values.keys()],
      ["name"],
    );
  });
});
