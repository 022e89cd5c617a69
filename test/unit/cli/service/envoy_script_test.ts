/** Start scripts are found where the server's directory is, and what cannot be read is no reason to refuse. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { refuseEnvoyScript } from "../../../../src/cli/service/choices.ts";
import { tempDir } from "../../../support/temp_dir.ts";

test("refuseEnvoyScript() reads the script that is started", () => {
  using dir = tempDir("envoy");
  writeFileSync(dir.join("start"), "#!/bin/sh\nexec envoy --restart-epoch $RESTART_EPOCH\n");
  const cwd = dir.path;
  for (const command of [["./start"], [dir.join("start")], ["sh", "-e", "start"]]) {
    assert.throws(
      () => refuseEnvoyScript({ command, cwd, restartEpoch: "count" }),
      /--restart-epoch \(in /,
      `${command}`,
    );
    // Then it is always the first one of its kind.
    refuseEnvoyScript({ command, cwd, restartEpoch: "0" });
  }
  for (const command of [["./none"], ["./"], ["sh", "-c", "./start"], ["/bin/sh"]]) {
    refuseEnvoyScript({ command, cwd, restartEpoch: "count" });
  }
});
