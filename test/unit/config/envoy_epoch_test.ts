/** Envoy's own hot restart is refused however it is asked for, with the line that works; nothing else is. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { checkEnvoyEpoch, checkEnvoyScript, scriptIn } from "../../../src/config/envoy_epoch.ts";
import { UserError } from "../../../src/config/values/errors.ts";

describe("checkEnvoyEpoch()", () => {
  /** Command, and the line that works. */
  const refused: readonly (readonly [string[], string])[] = [
    [["envoy", "-c", "x", "--restart-epoch", "1"], "envoy -c x --disable-hot-restart"],
    [["envoy", "-c", "x", "--restart-epoch=1"], "envoy -c x --disable-hot-restart"],
    [["envoy", "--restart-epoch", "$RESTART_EPOCH", "-c", "x"], "envoy -c x --disable-hot-restart"],
    // The shell that starts baton has no RESTART_EPOCH.
    [["envoy", "-c", "x", "--restart-epoch"], "envoy -c x --disable-hot-restart"],
    [["envoy", "--restart-epoch", "-c", "x"], "envoy -c x --disable-hot-restart"],
    [["/opt/envoy-1.40.0", "--restart-epoch", "2"], "/opt/envoy-1.40.0 --disable-hot-restart"],
    [
      ["env", "A=1", "envoy", "--restart-epoch", "1"],
      "env A=1 envoy --disable-hot-restart",
    ],
    [
      ["taskset", "1", "envoy-static", "--restart-epoch", "1"],
      "envoy-static --disable-hot-restart",
    ],
    [["func-e", "run", "--restart-epoch", "1"], "func-e run --disable-hot-restart"],
    [["sh", "-c", "exec envoy -c x --restart-epoch $RESTART_EPOCH"], "exec envoy -c x --disable"],
    [
      [
        "nice",
        "/bin/bash",
        "-ec",
        'cd /x && exec envoy --restart-epoch "${BATON_EPOCH}" -c x; true',
      ],
      "exec envoy -c x --disable-hot-restart",
    ],
    [["sh", "-c", "exec envoy \\\n  --restart-epoch=$RESTART_EPOCH"], "exec envoy --disable-hot"],
  ];
  for (const [command, works] of refused) {
    test(JSON.stringify(command), () => {
      assert.throws(() => checkEnvoyEpoch(command), (error) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, /then neither of them serves/);
        assert.ok(error.remedy!.includes(works), error.remedy!);
        return true;
      });
    });
  }

  const accepted: readonly (readonly string[])[] = [
    ["envoy", "-c", "x"],
    ["envoy", "-c", "x", "--restart-epoch", "0"],
    ["envoy", "-c", "x", "--disable-hot-restart", "--restart-epoch", "1"],
    ["sh", "-c", "exec envoy --restart-epoch 0"],
    ["sh", "-c", "exec envoy -c x --base-id $BATON_EPOCH"],
    ["other", "--restart-epoch", "1"],
    ["echo", "envoy --restart-epoch 1"],
    ["other", "--restart-epoch", "1", "/etc/envoy"],
    [],
  ];
  for (const command of accepted) {
    test(`accepts ${JSON.stringify(command)}`, () => checkEnvoyEpoch(command));
  }
});

describe("checkEnvoyScript()", () => {
  const script = (...lines: string[]) => () => checkEnvoyScript("./start", lines.join("\n"));

  test("refuses the script of Envoy's own hot-restarter", () => {
    const classic = script(
      "#!/bin/bash",
      "ulimit -n 65536",
      "exec /usr/sbin/envoy -c /etc/envoy.yaml --restart-epoch $RESTART_EPOCH --service-node x",
    );
    assert.throws(classic, /\(in \.\/start\)/);
    assert.throws(classic, ({ remedy }) => /baton hot-restarter --safe \.\/start /.test(remedy));
    assert.throws(script("#!/bin/sh", 'exec "$ENVOY" \\', '  --restart-epoch "$RESTART_EPOCH"'));
  });

  test("accepts others", () => {
    script("#!/bin/sh", "# envoy --restart-epoch 1", "exec envoy --disable-hot-restart")();
    script("#!/usr/bin/python3", "run('envoy --restart-epoch 1')")();
    script("\x7fELF", "envoy --restart-epoch 1")();
  });

  const words: readonly (readonly [string, string | null])[] = [
    ["./start", "./start"],
    ["env A=1 ./start x", "./start"],
    ["sh -e start.sh x", "start.sh"],
    ["sh -c start.sh", null],
    ["sh", null],
  ];
  for (const [line, expected] of words) {
    test(`scriptIn("${line}")`, () => assert.equal(scriptIn(line.split(" ")), expected));
  }
});
