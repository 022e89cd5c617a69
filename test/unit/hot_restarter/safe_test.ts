/** `baton hot-restarter --safe TARGET` is `baton run` with other defaults, which files, variables and flags win over. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseCommandLine } from "../../../src/cli/words/parse.ts";
import { parseConfigText } from "../../../src/config/config_file.ts";
import type { Config } from "../../../src/config/config.ts";

function safe(words: string[], file: string | null = null): Config {
  const found = () => file === null ? null : parseConfigText(file, "baton.toml");
  const command = parseCommandLine(["hot-restarter", "--safe", ...words], () => assert.fail(), {
    findConfig: found,
  });
  return command.verb === "run" ? command.config : assert.fail(command.verb);
}

describe("hot-restarter --safe", () => {
  test("runs the target with RESTART_EPOCH=0, as Envoy, and stops in 30 s", () => {
    const config = safe(["/etc/envoy/start.sh"]);
    assert.deepEqual(config.command, ["/etc/envoy/start.sh"]);
    assert.equal(config.restartEpoch, "0");
    assert.equal(config.preset, "envoy");
    assert.equal(config.drainTimeMs, 900_000);
    assert.equal((config.stopDrainTimeMs ?? NaN) + config.stopTimeMs, 30_000);
    assert.deepEqual(config.privateSocket, ["@*_parent_*", "@*_child_*"]);
  });

  test("does not search in PATH", () => {
    assert.deepEqual(safe(["start.sh"]).command, ["./start.sh"]);
  });

  test("takes the options of run, and those of the file", () => {
    const config = safe(["--bake", "2s", "--drain-time", "1m", "./start"], 'stop_time = "9s"\n');
    assert.equal(config.bakeMs, 2_000);
    assert.equal(config.drainTimeMs, 60_000);
    assert.equal(config.stopTimeMs, 9_000);
  });
});
