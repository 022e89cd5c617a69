/** What `--hook` takes, and what it says to everything else. */
import { longestStartMs, longestStopMs } from "../../../../src/config/config.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { UserError } from "../../../../src/config/values/errors.ts";
import { HOOK_NAMES, parseHookSpec } from "../../../../src/config/values/hook_spec.ts";
import { buildConfig } from "../../../support/config.ts";

describe("parseHookSpec()", () => {
  for (const name of HOOK_NAMES) {
    it(`knows ${name}`, () => {
      assert.deepEqual(parseHookSpec(`${name}=echo a=b`), { name, command: "echo a=b" });
    });
  }

  it("leaves the command to the shell as it is", () => {
    const command = " x=1; test $x = 1 &&\n true ";
    assert.deepEqual(parseHookSpec(`ready=${command}`), { name: "ready", command });
  });

  const refused: [string, RegExp, RegExp][] = [
    ["pre-strat=true", /^Unknown hook "pre-strat": did you mean pre-start\?$/, /NAME=COMMAND/],
    ["rollback=true", /^Unknown hook "rollback": did you mean on-rollback\?$/, /post-stop/],
    ["wibble=true", /^Unknown hook "wibble"$/, /pre-start, ready, pre-drain/],
    ["=true", /^Unknown hook ""$/, /NAME=COMMAND/],
    ["pre-start", /^Cannot read hook "pre-start": there is no "=" in it$/, /NAME=COMMAND/],
    ["", /^Cannot read hook "": there is no "=" in it$/, /NAME=COMMAND/],
    ["pre-start=", /^Cannot use hook pre-start: its command is empty$/, /NAME=COMMAND/],
    ["pre-start= \n", /^Cannot use hook pre-start: its command is empty$/, /NAME=COMMAND/],
    ["ready=a\0b", /^Cannot use hook ready: its command holds a NUL character$/, /^$/],
  ];
  for (const [text, message, remedy] of refused) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseHookSpec(text), (error: unknown) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, message);
        assert.match(error.remedy ?? "", remedy);
        return true;
      });
    });
  }
});

describe("hooks in a configuration", () => {
  const build = (flags: Record<string, string[]>, values: Record<string, unknown> = {}) =>
    buildConfig({
      fileValues: { path: "baton.toml", values: new Map(Object.entries(values)) },
      flagValues: new Map(Object.entries(flags)),
      command: ["server"],
    });

  it("are kept in the order in which they were given", () => {
    const { hook } = build({ hook: ["ready=a", "pre-start=b", "ready=c"] });
    assert.deepEqual(hook.map(({ name, command }) => `${name} ${command}`), [
      ...["ready a", "pre-start b", "ready c"],
    ]);
  });

  it("come from a list in a file, or from one text", () => {
    const hook = [{ name: "ready", command: "a" }];
    assert.deepEqual(build({}, { hook: ["ready=a"] }).hook, hook);
    assert.deepEqual(build({}, { hook: "ready=a" }).hook, hook);
  });

  it("are refused with the place", () => {
    assert.throws(
      () => build({ hook: ["redy=a"] }),
      /^UserError: In --hook: unknown hook "redy"/,
    );
    assert.throws(() => build({}, { hook: [5] }), /In key "hook" of baton.toml: cannot use 5/);
    assert.throws(() => build({ "pre-flight": [" "] }), /In --pre-flight: .* must be a command/);
    assert.throws(() => build({ "min-free": ["lots"] }), /In --min-free: cannot read memory size/);
    assert.throws(() => build({ "hook-timeout": ["0"] }), /In --hook-timeout: .* at least 1ms/);
  });

  for (const given of [{ "pre-flight": ["a"] }, { "min-free": ["1M"] }, { hook: ["ready=a"] }]) {
    const [flag] = Object.keys(given);
    it(`--${flag} is refused with --shutdown-only`, () => {
      const words = { ...given, "shutdown-only": [""] } as unknown as Record<string, string[]>;
      assert.throws(() => build(words), new RegExp(`Cannot use --${flag} with --shutdown-only`));
    });
  }

  it("are waited for by whoever waits for a start or a stop", () => {
    const times = { "ready-timeout": ["10s"], "drain-time": ["5s"], "stop-time": ["1s"] };
    const none = build(times);
    assert.deepEqual([longestStartMs(none), longestStopMs(none)], [10_000, 6_000]);
    const hook = [
      "pre-start=a",
      "ready=a",
      "ready=b",
      "pre-drain=c",
      "post-stop=d",
      "on-rollback=e",
    ];
    const all = build({ ...times, hook, "pre-flight": ["p"], "hook-timeout": ["100s"] });
    assert.deepEqual([longestStartMs(all), longestStopMs(all)], [410_000, 206_000]);
    // It may have begun just before.
    const rollback = build({ ...times, hook: ["on-rollback=e"], "hook-timeout": ["100s"] });
    assert.equal(longestStopMs(rollback), 100_000);
  });
});
