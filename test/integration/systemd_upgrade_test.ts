/**
 * baton itself under a real systemd: upgrades keep the unit active, with the right main process, and its store as it
 * was; when baton's loop stands still, the watchdog starts it again.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { noSystemd, RealSystemd } from "../support/real_systemd.ts";
import { repeats } from "../support/repeats.ts";
import { place, server } from "../support/servers.ts";
import { installService, type Service } from "../support/systemd_service.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const UPGRADES = repeats({ full: 4, quick: 2 });
const skip = noSystemd();

/** Descriptors in the store, when three looks in a row have found the same number. */
async function storedAtRest(service: Service): Promise<number> {
  const looks: number[] = [];
  return await waitUntil(async () => {
    const now = await service.stored();
    looks.push(now);
    return looks.length > 2 && looks.slice(-3).every((look) => look === now) && now;
  }, { what: "nothing is put into the store any more" });
}

describe("baton itself under systemd", { skip }, () => {
  test("the watchdog fires when baton's loop stands still, and else not", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    await using systemd = await RealSystemd.start();
    const service = await installService(systemd, {
      ...place(server("node"), { port, workDir: work.path }),
      settings: ["WatchdogSec=1s", "TimeoutAbortSec=500ms"],
    });
    await service.succeeds("start");
    const watchdogAt = async () =>
      Number((await service.show("WatchdogTimestampMonotonic"))["WatchdogTimestampMonotonic"]);
    const first = await watchdogAt();
    await waitUntil(async () => await watchdogAt() > first + 2_500_000, {
      what: "the watchdog was fed for 2.5 s",
    });
    const before = await service.show("NRestarts", "MainPID", "ActiveState");
    assert.equal(before["NRestarts"], "0");
    assert.equal(before["ActiveState"], "active");
    await service.ctl("kill", "--kill-who=main", "--signal=STOP");
    const stoppedAt = performance.now();
    await waitUntil(async () => {
      const { NRestarts, ActiveState, MainPID } = await service.show(
        "NRestarts",
        "ActiveState",
        "MainPID",
      );
      return NRestarts === "1" && ActiveState === "active" && MainPID !== before["MainPID"];
    }, { what: "systemd has started it again", deadlineMs: 30_000 });
    const firedMs = Math.round(performance.now() - stoppedAt);
    assert.match(await service.journal(), /Watchdog timeout/);
    assert.match(await (await fetch(`http://127.0.0.1:${port}/`)).text(), /version=1/);
    process.stderr.write(
      `  WatchdogSec of 1 s: serves again ${firedMs} ms after its loop was stopped\n`,
    );
  });

  test("where systemd is not told of a new process, an upgrade is in place", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    await using systemd = await RealSystemd.start();
    const service = await installService(systemd, {
      ...place(server("node"), { port: await freePort(), workDir: work.path }),
      settings: ["Type=exec", "NotifyAccess=none", "WatchdogSec=0", "FileDescriptorStoreMax=0"],
    });
    await service.succeeds("start");
    await waitUntil(async () => (await service.status().catch(() => null))?.epoch === 0, {
      what: "it serves",
    });
    const before = await service.status();
    const { code, stdout, stderr } = await service.baton("upgrade");
    assert.equal(code, 0, `${stderr}\n${await service.journal()}`);
    assert.match(stdout, /runs the new program/);
    assert.equal((await service.status()).pid, before.pid);
    assert.match(await service.journal(), /in place, because systemd would stop the unit/);
    const { ActiveState, MainPID } = await service.show("ActiveState", "MainPID");
    assert.deepEqual([ActiveState, MainPID], ["active", String(before.pid)]);
  });

  test("baton's own upgrade keeps the unit active, with the right main process", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    await using systemd = await RealSystemd.start();
    const service = await installService(systemd, {
      ...place(server("node"), { port, workDir: work.path }),
      // Shorter than all of it takes: it must be fed although no baton is there for long.
      settings: ["WatchdogSec=3s"],
    });
    await service.succeeds("start");
    await using load = new Load({ port }).start();
    let main = (await service.show("MainPID"))["MainPID"];
    for (let i = 1; i <= UPGRADES; i++) {
      await service.ctl("kill", "--kill-who=main", "--signal=USR2");
      const old = main;
      main = await waitUntil(async () => {
        const { MainPID, ActiveState, StatusText } = await service.show(
          "MainPID",
          "ActiveState",
          "StatusText",
        );
        assert.equal(ActiveState, "active");
        return MainPID !== old && StatusText === `generation ${i} serves` ? MainPID : null;
      }, { what: "another baton is the main process", deadlineMs: 40_000 })
        .catch(async (error) => {
          throw new Error(`${error.message}\n${await service.journal()}`);
        });
      const gone = await systemd.run(["cat", `/proc/${old}/stat`]);
      assert.notEqual(gone.code, 0, "the old baton has ended");
      assert.equal(String((await service.status()).pid), main);
    }
    const reload = await service.ctl("reload");
    assert.equal(reload.code, 0, reload.stderr);
    const tally = await load.stop();
    assert.equal(tally.lost, 0, `${formatTally(tally)}\n${await service.journal()}`);
    const stop = await service.ctl("stop");
    assert.equal(stop.code, 0, stop.stderr);
    assert.equal((await service.show("Result"))["Result"], "success", await service.journal());
    assert.equal((await service.show("NRestarts"))["NRestarts"], "0");
    process.stderr.write(`  ${UPGRADES} upgrades by USR2: ${formatTally(tally)}\n`);
  });

  test("an upgrade in place keeps the main process, and all that systemd is told", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    await using systemd = await RealSystemd.start();
    const service = await installService(systemd, {
      ...place(server("node"), { port, workDir: work.path }),
      // Without ExecStop it is systemd's TERM that stops baton.
      settings: ["ExecStop=", "WatchdogSec=5s"],
    });
    await service.succeeds("start");
    const before = await service.show("MainPID");
    await using load = new Load({ port }).start();
    for (let i = 1; i <= 2; i++) {
      const upgraded = await service.baton("upgrade", service.name, "--in-place");
      assert.equal(upgraded.code, 0, `${upgraded.stderr}\n${await service.journal()}`);
      const reload = await service.ctl("reload");
      assert.equal(reload.code, 0, `${reload.stderr}\n${await service.journal()}`);
      await service.settled();
      await waitUntil(async () => {
        const { StatusText } = await service.show("StatusText");
        return StatusText === `generation ${i} serves`;
      }, { what: "systemd knows who serves" });
    }
    assert.deepEqual(await service.show("MainPID", "NRestarts"), { ...before, NRestarts: "0" });
    const tally = await load.stop();
    assert.equal(tally.lost, 0, `${formatTally(tally)}\n${await service.journal()}`);
    assert.equal((await service.ctl("stop")).code, 0);
    assert.equal((await service.show("Result"))["Result"], "success");
    process.stderr.write(`  2 upgrades in place, 2 reloads: ${formatTally(tally)}\n`);
  });

  test("upgrades leave nothing in the store that nobody needs", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    await using systemd = await RealSystemd.start();
    for (const flags of [[], ["--survive"]]) {
      const name = flags.length === 0 ? "web" : "survivor";
      const service = await installService(systemd, {
        ...place(server("node"), { port, workDir: work.path }),
        name,
        flags,
      });
      await service.succeeds("start");
      // A server's output may be its own by and by, so later there are fewer than at first.
      const seen: number[] = [];
      await using load = new Load({ port }).start();
      for (const way of [["--in-place"], ["--in-place"], [], []]) {
        const upgraded = await service.baton("upgrade", name, ...way);
        assert.equal(upgraded.code, 0, `${upgraded.stderr}\n${await service.journal()}`);
        await service.settled();
        // The kernel's array can only be tidied up while a candidate stands at its end.
        await service.succeeds("reload");
        await service.settled();
        seen.push(await storedAtRest(service));
      }
      const [first = 0] = seen;
      // A server that is writing as it begins to listen keeps its pipes (output/candidate_output.ts): two more, until it is replaced.
      await waitUntil(async () => {
        if (await service.stored() <= first) return true;
        await service.succeeds("reload");
        await service.settled();
        seen.push(await storedAtRest(service));
        return false;
      }, { what: `nothing is left in the store by upgrades: ${seen.join(", ")}` });
      process.stderr.write(`  stored after each upgrade and reload: ${seen.join(", ")}\n`);
      await service.succeeds("restart");
      await load.answersMore(100);
      const tally = await load.stop();
      assert.equal(tally.lost, 0, `${formatTally(tally)}\n${await service.journal()}`);
      await service.succeeds("stop");
    }
  });
});
