/**
 * Fault: an upgrade of baton meets a disk that takes nothing more, a probe port that is taken, or a SIGKILL.
 *
 * Allowed outcome: no request is lost, and exactly one baton answers at the end.
 */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { alive, children, killTree } from "../support/proc.ts";
import { deploy, fixtureCommand, place, server } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const OPTIONS = { timeout: TEST_TIMEOUT_MS };

/** Ends whoever answers now: after an upgrade it is no child of ours. */
async function endNewest(baton: Baton): Promise<void> {
  const { pid } = await baton.status();
  if (pid !== baton.pid) killTree(pid);
  await waitUntil(() => !alive(pid) || pid === baton.pid, { what: "the newest baton has ended" });
}

async function losesNothing(load: Load, baton: Baton): Promise<void> {
  const tally = await load.stop();
  assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
}

describe("names that cannot be written do not stop an upgrade", () => {
  for (const flags of [[], ["--in-place"]]) {
    const way = flags[0] ?? "by a child";
    test(
      `${way}: the pidfile cannot be written, the log file cannot be opened`,
      OPTIONS,
      async () => {
        using work = tempDir();
        const port = await freePort();
        const gone = work.join("gone");
        mkdirSync(gone);
        await using baton = await startBaton({
          ...place(server("node"), { port, workDir: work.path }),
          // As on a full disk: what is open can be used, and nothing new can be made.
          flags: [
            "--pidfile",
            `${gone}/pid`,
            ...flags.length > 0 ? ["--log-file", `${gone}/log`] : [],
          ],
        });
        await using load = new Load({ port }).start();
        rmSync(gone, { recursive: true });
        const upgraded = await baton.cli("upgrade", ...flags);
        assert.equal(upgraded.code, 0, `${upgraded.stderr}\n${baton.stderr}`);
        assert.equal((await baton.reload()).result, "ok", "the old one still reloads");
        await losesNothing(load, baton);
        await endNewest(baton);
      },
    );

    test(`${way}: with a probe port, which the old one may still have`, OPTIONS, async () => {
      using work = tempDir();
      const [port, probes] = [await freePort(), await freePort()];
      await using baton = await startBaton({
        ...place(server("node"), { port, workDir: work.path }),
        flags: ["--probe-listen", `127.0.0.1:${probes}`],
      });
      await using load = new Load({ port }).start();
      const upgraded = await baton.cli("upgrade", ...flags);
      assert.equal(upgraded.code, 0, `${upgraded.stderr}\n${baton.stderr}`);
      await baton.settled();
      const answer = await fetch(`http://127.0.0.1:${probes}/readyz`);
      assert.equal(answer.status, 200, "somebody answers probes at the end");
      await losesNothing(load, baton);
      await endNewest(baton);
    });
  }
});

test(
  "SIGKILL of the new baton while its generation warms up: the old one serves on",
  OPTIONS,
  async () => {
    using work = tempDir();
    const port = await freePort();
    const target = work.join("target");
    const good = place(server("node"), { port, workDir: work.path });
    deploy(target, good);
    await using baton = await startBaton({
      command: fixtureCommand("switch.sh"),
      env: { TARGET_FILE: target },
    });
    await using load = new Load({ port }).start();
    const before = children(baton.pid);
    deploy(target, { command: fixtureCommand("hangs.js"), env: {} });
    const upgrade = baton.cli("upgrade");
    const newPid = await waitUntil(() => {
      const found = children(baton.pid).find((pid) => !before.includes(pid));
      // It has had children before: what this machine can do is tried with some.
      return baton.stderr.includes("generation 1 starts") ? found : null;
    }, { what: "the new baton starts a generation" });
    const servers = children(newPid);
    process.kill(newPid, "SIGKILL");
    const { code, stderr } = await upgrade;
    assert.equal(code, 70);
    assert.match(stderr, /ended before it served/);
    await waitUntil(() => servers.every((pid) => !alive(pid)), { what: "its server is gone too" });
    const left = readdirSync(baton.dir.path).filter((name) => name.includes(".notify."));
    assert.deepEqual(left, ["web.notify.0"]);
    deploy(target, good);
    assert.equal((await baton.reload()).result, "ok", "it steers again");
    await losesNothing(load, baton);
  },
);
