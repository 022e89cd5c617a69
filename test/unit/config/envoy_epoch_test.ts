/** Envoy's own hot restart is refused however it is asked for, with the line that works; nothing else is. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { checkEnvoyEpoch, checkEnvoyScript } from "../../../src/config/envoy_epoch.ts";
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
    ["envoy", "--restart-epoch=0"],
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
  const NAMES = ["/srv/start", "/srv/start.sh"];
  const service = { command: ["./start"], restartEpoch: "count", shutdownOnly: false };
  const check = (text: string, given: Partial<typeof service> = {}) =>
    checkEnvoyScript(
      { ...service, ...given },
      "/srv",
      (path) => NAMES.includes(path.replace("/./", "/")) ? text : null,
    );
  const script = (...lines: string[]) => () => check(lines.join("\n"));
  const CLASSIC = [
    "#!/bin/bash",
    "ulimit -n 65536",
    "exec /usr/sbin/envoy -c /etc/envoy.yaml --restart-epoch $RESTART_EPOCH --service-node x",
  ];

  test("refuses the script of Envoy's own hot-restarter", () => {
    const classic = script(...CLASSIC);
    assert.throws(classic, /\(in \.\/start\)/);
    assert.throws(classic, ({ remedy }) => /baton hot-restarter --safe \.\/start;/.test(remedy));
    assert.throws(script("#!/bin/sh", 'exec "$ENVOY" \\', '  --restart-epoch "$RESTART_EPOCH"'));
  });

  test("accepts others", () => {
    script("#!/bin/sh", "# envoy --restart-epoch 1", "exec envoy --disable-hot-restart")();
    script("#!/usr/bin/python3", "run('envoy --restart-epoch 1')")();
    script("\x7fELF", "envoy --restart-epoch 1")();
  });

  test("accepts it where it is always the first one, or never has a second one beside it", () => {
    check(CLASSIC.join("\n"), { restartEpoch: "0" });
    check(CLASSIC.join("\n"), { shutdownOnly: true });
  });

  for (
    const [line, isRead] of [
      ["./start", true],
      ["/srv/start", true],
      ["env A=1 ./start x", true],
      ["sh -e start.sh x", true],
      ["sh -c start.sh", false],
      ["sh", false],
      // What cannot be read is no reason to refuse.
      ["./none", false],
    ] as const
  ) {
    test(`${line} ${isRead ? "is looked into" : "is no script that can be read"}`, () => {
      const refusal = orError(() => check(CLASSIC.join("\n"), { command: line.split(" ") }));
      assert.equal(refusal !== null, isRead);
    });
  }
});

function orError(run: () => void): unknown {
  try {
    run();
    return null;
  } catch (error) {
    return error;
  }
}
