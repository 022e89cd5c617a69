/** The promise: baton runs from its sources as it does from a build, and there too it starts itself again. */
import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { startBaton, UNDER_TEST, useBinary } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { perlServer } from "../support/perl_server.ts";
import { findBun, findDeno, REPOSITORY, required } from "../support/programs.ts";
import { tempDir } from "../support/temp_dir.ts";

const RUNS = {
  bun: () => [required("bun", findBun()), join(REPOSITORY, "src/main_bun.ts")],
  deno: () => [required("deno", findDeno()), "run", "-A", join(REPOSITORY, "src/main_deno.ts")],
};

describe(
  "baton from source",
  { skip: UNDER_TEST === "deno" && "as on Bun: no build is used" },
  () => {
    for (const runtime of ["bun", "deno"] as const) {
      test(
        `${runtime}: run, upgrade in place, stop`,
        { timeout: TEST_TIMEOUT_MS },
        async () => {
          using work = tempDir();
          const script = work.write(
            "baton",
            `#!/bin/sh\nexec '${RUNS[runtime]().join("' '")}' "$@"\n`,
          );
          chmodSync(script, 0o755);
          // Not baton's: it must not be read.
          work.write("deno.json", '{"imports": {"valibot": "./nothing.ts"}}');
          const build = useBinary(script);
          try {
            const command = perlServer(await freePort());
            await using baton = await startBaton({ command, env: {}, cwd: work.path });
            const upgraded = await baton.cli("upgrade", "--in-place");
            assert.equal(upgraded.code, 0, `${upgraded.stderr}\n${baton.stderr}`);
            assert.equal((await baton.stop()).code, 0, baton.stderr);
          } finally {
            useBinary(build);
          }
        },
      );
    }
  },
);
