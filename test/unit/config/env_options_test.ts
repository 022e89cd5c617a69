/** Options as variables: what is taken, what is not meant for this baton, and that no variable means two things. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  misspelled,
  optionVariable,
  rawOfVariable,
  withoutOptions,
} from "../../../src/config/env_options.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { parseConfigText } from "../../../src/config/config_file.ts";
import { OPTIONS, variableOf } from "../../../src/config/options.ts";

/** What baton gives to servers and to other batons. */
const GIVEN = "EPOCH WORKER FDS ACTIVATED IN_PLACE HANDOVER HIDDEN_ENV".split(" ");
/** What a hook gets besides. */
const OF_HOOKS = "REASON PID OLD_EPOCH OLD_PID CHECK CHECK_EPOCH CHECK_WORKER CHECK_PID EVENT"
  .split(" ");

function load(
  env: Record<string, string>,
  flags: Record<string, string[]> = {},
  file: string | null = null,
) {
  return loadConfig({
    env,
    flagValues: new Map(Object.entries(flags)),
    fileValues: file === null ? null : parseConfigText(file, "b.toml"),
    command: ["server"],
  });
}

describe("loadConfig() with variables", () => {
  test("takes the flag before the variable, that before the file, and says which", () => {
    const file = 'drain_time = "3s"\nstop_time = "3s"\nquiet = "3s"';
    const env = { BATON_DRAIN_TIME: "2s", BATON_STOP_TIME: "2s" };
    const { config, origins } = load(env, { "drain-time": ["1s"] }, file);
    assert.deepEqual([config.drainTimeMs, config.stopTimeMs, config.quietMs], [1000, 2000, 3000]);
    const texts = ["drainTimeMs", "stopTimeMs", "quietMs", "rampMs"]
      .map((field) => origins.get(field)?.text);
    assert.deepEqual(texts, ["--drain-time", "BATON_STOP_TIME", "b.toml", "default"]);
  });

  test("names the variable whose value is wrong", () => {
    assert.throws(() => load({ BATON_DRAIN_TIME: "soon" }), /^UserError: In BATON_DRAIN_TIME: /);
    assert.throws(
      () => load({ BATON_HOLD: "perhaps" }),
      /^UserError: In BATON_HOLD: .*true or false/,
    );
  });

  test("an empty variable is none", () => {
    assert.equal(load({ BATON_DRAIN_TIME: "" }).config.drainTimeMs, 60_000);
  });

  test("takes every option", () => {
    for (const { flag, placeholder } of OPTIONS) {
      const refusesNothing = () =>
        load({ [variableOf(flag)]: placeholder === null ? "perhaps" : "\0" });
      assert.throws(refusesNothing, new RegExp(`In ${variableOf(flag)}: `), flag);
    }
  });
});

describe("rawOfVariable()", () => {
  const LIST = { isRepeatable: true, placeholder: "X" } as const;
  const FLAG = { placeholder: null } as const;
  const cases: [text: string, option: typeof LIST | typeof FLAG, raw: unknown][] = [
    ["*:80", LIST, ["*:80"]],
    ["*:80\n\n*:81\n", LIST, ["*:80", "*:81"]],
    ["[::1]:80", LIST, ["[::1]:80"]],
    ['["*:80", "a, b"]', LIST, ["*:80", "a, b"]],
    [" []", LIST, []],
    ["1", FLAG, true],
    ["Yes", FLAG, true],
    ["off", FLAG, false],
  ];
  for (const [text, option, raw] of cases) {
    test(`${JSON.stringify(text)} is ${JSON.stringify(raw)}`, () => {
      assert.deepEqual(rawOfVariable(option, text), raw);
    });
  }

  test("says how a list is written", () => {
    assert.throws(() => rawOfVariable(LIST, '["*:80"'), /begins like a list of JSON/);
  });
});

describe("variables that describe a service", () => {
  for (const mark of ["BATON_REASON", "BATON_CHECK_EPOCH", "BATON_EVENT"]) {
    test(`are no options beside ${mark}`, () => {
      const env = { BATON_NAME: "web", BATON_HOOK: "ready", BATON_WORKERS: "3", [mark]: "0" };
      for (const flag of ["name", "hook", "workers"]) {
        assert.equal(optionVariable(env, flag), undefined);
      }
      assert.equal(optionVariable({ ...env, BATON_QUIET: "1s" }, "quiet"), "1s");
    });
  }

  test("are options elsewhere", () => {
    assert.equal(optionVariable({ BATON_NAME: "web" }, "name"), "web");
  });

  test("have no name that is an option's, but those that are passed over", () => {
    const names = OPTIONS.map(({ flag }) => variableOf(flag).replace("BATON_", ""));
    assert.deepEqual([...GIVEN, ...OF_HOOKS].filter((name) => names.includes(name)), []);
  });

  test("of a cluster's Service are no option's", () => {
    const names = OPTIONS.map(({ flag }) => variableOf(flag));
    assert.deepEqual(names.filter((name) => /_(PORT|SERVICE_HOST)(_|$)/.test(name)), []);
  });
});

describe("withoutOptions()", () => {
  test("leaves a server what is not baton's", () => {
    const env = {
      BATON_NAME: "a",
      BATON_CONFIG: "b",
      BATON_NO_CONFIG: "1",
      BATON_EPOCH: "3",
      PATH: "/bin",
    };
    assert.deepEqual(withoutOptions(env), { BATON_EPOCH: "3", PATH: "/bin" });
  });
});

describe("misspelled()", () => {
  test("finds what is nearly an option, and nothing else", () => {
    const env = {
      BATON_REDY_TIMEOUT: "1s",
      BATON_PORT: "tcp://10.0.0.1:80",
      BATON_WORKER: "0",
      BATON_QUIET: "1s",
      XBATON_QUIT: "",
    };
    assert.deepEqual(misspelled(env), [{
      name: "BATON_REDY_TIMEOUT",
      near: "BATON_READY_TIMEOUT",
    }]);
  });
});
