/**
 * The promise: in a container with Docker's own defaults a reload loses nothing, and releases in containers of their
 * own take over from each other as `baton init compose` prints it. All engines and servers: `make test-containers`.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { composeFile } from "../../src/init/compose.ts";
import { parseCommandLine } from "../../src/cli/words/parse.ts";
import { releaseIn } from "../support/containers/compose_file.ts";
import { noProfile } from "../support/containers/engines.ts";
import { noContainers } from "../support/containers/runc.ts";
import { releasesUnderLoad, reloadsUnderLoad } from "../support/containers/runs.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { repeats } from "../support/repeats.ts";

const timeout = TEST_TIMEOUT_MS;
const skip = noContainers() || noProfile("docker");
/** Node is an ordinary user there, may gain nothing, and can write to its tmpfs only. */
const RESTRICTED = { uid: 1000, noNewPrivileges: true, readOnlyRoot: true };

describe("containers", () => {
  test("Docker's defaults, an ordinary user, a read-only root: reloads lose nothing", {
    timeout,
    skip,
  }, async () => {
    const reloads = repeats({ full: 10, quick: 1 });
    const run = {
      engine: "docker",
      situation: RESTRICTED,
      server: "node",
      reloads,
    } as const;
    const { adopt, ok } = await reloadsUnderLoad(run);
    assert.equal(adopt, "yes");
    assert.ok(ok > 100, `${ok} answers`);
  });

  test("the compose file: releases in three containers take over, an unhealthy one never does", {
    timeout,
    skip,
  }, async () => {
    const words = ["init", "compose", "--name", "web", "--", "server"];
    const asked = parseCommandLine(words, () => assert.fail());
    assert.ok(asked.verb === "init");
    const { config, options } = asked;
    const release = releaseIn(composeFile({ baton: [], config, options, directory: "/" }));
    const own = release.words.slice(2, release.words.indexOf("--"));
    const flags = (socket: string) =>
      own.map((word) => word.replace(`${release.folder}/${release.name}`, socket));
    const releases = repeats({ full: 5, quick: 1 });
    await releasesUnderLoad({ engine: "docker", server: "node", releases, flags });
  });
});
