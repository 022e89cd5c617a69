/**
 * Fault: baton is process 1, which no other process can take over from, and is upgraded.
 *
 * Allowed outcome: it becomes the new program in place (docs/upgrade.md), by USR2 as by `baton upgrade`: the same
 * process 1, the same server, no request lost; a program that is no good changes nothing. Needs root.
 */
import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import { describe, test } from "node:test";
import type { Snapshot } from "../../src/report/snapshot.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { contained, noContainer } from "../support/pid1.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const OPTIONS = { skip: noContainer, timeout: TEST_TIMEOUT_MS };

/** What an upgrade in place must leave as it is. */
function constants({ pid, epoch, generations }: Snapshot): object {
  return { pid, epoch, servers: generations.map((each) => [each.pid, each.state]) };
}

describe("an upgrade of process 1", () => {
  test("USR2, then baton upgrade, then a broken program: nothing is lost", OPTIONS, async () => {
    using work = tempDir();
    const port = await freePort();
    const command = fixtureCommand("node_http.js");
    await using container = await contained({ command, env: { PORT: String(port) } });
    const { baton } = container;
    const before = await baton.status();
    assert.equal(before.pid, 1);
    await using load = new Load({ port }).start();
    const arrived = (incarnation: number) =>
      waitUntil(async () => {
        const now = await baton.status();
        return now.incarnation === incarnation ? now : null;
      }, { what: `incarnation ${incarnation} answers\n${baton.stderr}` });

    container.signal("SIGUSR2");
    assert.deepEqual(constants(await arrived(1)), constants(before));

    const upgraded = await baton.cli("upgrade");
    assert.equal(upgraded.code, 0, `${upgraded.stderr}\n${baton.stderr}`);
    assert.match(upgraded.stdout, /^baton 1 runs the new program/);
    assert.deepEqual(constants(await arrived(2)), constants(before));

    const broken = work.write("broken", "#!/bin/sh\nexit 3\n");
    chmodSync(broken, 0o755);
    const refused = await baton.cli("upgrade", "--exec", broken);
    assert.equal(refused.code, 70, refused.stderr);
    assert.match(refused.stderr, /ended without an answer/);
    assert.deepEqual(constants(await arrived(2)), constants(before));

    const served = load.tally.ok;
    await waitUntil(() => load.tally.ok > served, { what: "it serves on" });
    const tally = await load.stop();
    assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
    assert.equal(tally.byBody.size, 1, "one server process has answered everything");
    container.signal("SIGTERM");
    assert.deepEqual(await baton.exited, { code: 0, signal: null }, baton.stderr);
  });
});
