/** What a configuration that was read again changes, and what stays until baton is started again. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { describeChange, describePostponed, reconcile } from "../../../src/config/changes.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { parseConfigText } from "../../../src/config/config_file.ts";
import { OPTIONS } from "../../../src/config/options.ts";

function load(file: string, command: readonly string[] = ["server"]) {
  const fileValues = parseConfigText(file, "b.toml");
  return loadConfig({ fileValues, flagValues: new Map(), command });
}

describe("reconcile()", () => {
  const cases: [
    what: string,
    before: string,
    after: string,
    applied: string[],
    postponed: string[],
  ][] = [
    ["nothing", 'drain_time = "60s"', 'drain_time = "1m"', [], []],
    ["at once", "", 'drain_time = "5s"', ["drain_time"], []],
    ["for the next generation", "nice = 1", "nice = 2", ["nice"], []],
    ["at a restart", "backlog = 5", "backlog = 6", [], ["backlog"]],
    ["that is gone", 'stop_signal = "INT"', "", ["stop_signal"], []],
    ["of both kinds", "", "backlog = 6\nhold = true", ["hold"], ["backlog"]],
    ["of nothing in a pattern", 'ready = ["log:a"]', 'ready = ["log:a"]\nnice = 1', ["nice"], []],
    ["of a list", 'ready = ["log:a"]', 'ready = ["log:a", "log:b"]', ["ready"], []],
    ["of a record", 'listen = ["web=:80"]', 'listen = ["web=:81"]', [], ["listen"]],
    [
      "of a pattern that is all there is",
      'ready = ["http:/"]\ncheck_body = "a"',
      'ready = ["http:/"]\ncheck_body = "b"',
      ["check_body"],
      [],
    ],
    ["of a pattern", 'ready = ["log:a"]', 'ready = ["log:b"]', ["ready"], []],
  ];
  for (const [what, before, after, applied, postponed] of cases) {
    test(`finds a change ${what}`, () => {
      const found = reconcile(load(before), load(after));
      assert.deepEqual(found.applied.map(({ key }) => key), applied);
      assert.deepEqual(found.postponed.map(({ key }) => key), postponed);
    });
  }

  test("keeps what counts only at a restart, with where it was from", () => {
    const { loaded } = reconcile(load("backlog = 5"), load("backlog = 6\nnice = 2"));
    assert.deepEqual([loaded.config.backlog, loaded.config.nice], [5, 2]);
    assert.equal(loaded.origins.get("backlog")?.raw, 5);
    const again = reconcile(loaded, load("backlog = 6\nnice = 2"));
    assert.deepEqual(again.postponed.map(describeChange), ["backlog: 6 instead of 5"]);
  });

  test("another command is for the next generation, and the name it would give no change", () => {
    const { loaded, applied, postponed } = reconcile(load("", ["one"]), load("", ["two"]));
    assert.deepEqual(applied.map(describeChange), ['command: ["two"] instead of ["one"]']);
    assert.deepEqual(postponed, []);
    assert.deepEqual([loaded.config.command, loaded.config.name], [["two"], "one"]);
  });

  test("refuses what would contradict itself", () => {
    const before = load('listen = ["8080"]');
    assert.throws(() => reconcile(before, load('ready = ["fd:3"]')), /socket of listener listen0/);
  });

  test("says why a change must wait", () => {
    const [change] = reconcile(load(""), load('name = "other"')).postponed;
    assert.match(
      describePostponed(change!),
      /^not yet, because the control socket .*: name: "other" instead of .*; a new start applies it$/,
    );
  });
});

describe("OPTIONS", () => {
  test("give a reason where a change must wait, and only there", () => {
    for (const { flag, reload, whyRestart } of OPTIONS) {
      assert.equal(whyRestart !== undefined, reload === "restart", flag);
    }
  });
});
