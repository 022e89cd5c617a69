/**
 * The promises for systemd's store of descriptors (FileDescriptorStoreMax=): a restart and a SIGKILL of baton refuse
 * nobody, with the unit that `baton init systemd` prints and no socket unit.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { noSystemd, RealSystemd, systemdVersion, waitingAt } from "../support/real_systemd.ts";
import { repeats } from "../support/repeats.ts";
import { fixtureCommand, place, server } from "../support/servers.ts";
import { installService } from "../support/systemd_service.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const RESTARTS = 2;
const KILLS = repeats({ full: 3, quick: 2 });
const WAITING = 5;
/** FDSTORE in the environment, FileDescriptorStorePreserve=. */
const STORE_IS_TOLD_SINCE = 254;
const skip = noSystemd();

describe("the store of systemd", { skip }, () => {
  test(
    "restarts lose nothing, and SIGKILL refuses nobody",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      using work = tempDir();
      const port = await freePort();
      await using systemd = await RealSystemd.start();
      const service = await installService(
        systemd,
        place(server("node"), { port, workDir: work.path }),
      );
      await service.succeeds("start");
      assert.equal((await service.status()).listeners[0]?.origin, "standby");
      assert.equal(await service.stored(), 1, "one socket");

      // Some requests are in flight at any moment, so also when the server is stopped.
      await using slow = new Load({ port, path: "/slow?ms=100" }).start();
      for (let i = 0; i < RESTARTS; i++) {
        await slow.answersMore(20);
        await service.succeeds("restart");
      }
      await slow.answersMore(20);
      await service.succeeds("reload");
      await service.succeeds("restart");
      await slow.answersMore(20);
      const restarted = await slow.stop();
      assert.equal(restarted.lost, 0, `${formatTally(restarted)}\n${await service.journal()}`);
      process.stderr.write(`  ${RESTARTS + 1} restarts: ${formatTally(restarted)}\n`);

      await using load = new Load({ port }).start();
      for (let i = 0; i < KILLS; i++) {
        await load.answersMore(100);
        await service.killed();
      }
      await load.answersMore(100);
      const killed = await load.stop();
      const { refused, timedOut, lost, reset, short } = killed;
      assert.equal(refused + timedOut, 0, `${formatTally(killed)}\n${await service.journal()}`);
      assert.equal(lost, reset + short, "only what was in flight, in a server that was killed");
      process.stderr.write(`  ${KILLS} SIGKILLs: ${formatTally(killed)}\n`);
      assert.equal(await service.stored(), 1, "nothing is left of those before");
      await service.succeeds("stop");
    },
  );

  test("systemd tells baton of its store, and can bridge a stop with it", {
    timeout: TEST_TIMEOUT_MS,
    skip: systemdVersion() < STORE_IS_TOLD_SINCE &&
      `needs systemd ${STORE_IS_TOLD_SINCE}, this is ${systemdVersion()}`,
  }, async () => {
    const port = await freePort();
    await using systemd = await RealSystemd.start();
    const service = await installService(systemd, {
      command: fixtureCommand("inherit_fd.js"),
      flags: ["--listen", `127.0.0.1:${port}`],
      env: {},
      // The unit's own FDSTORE is taken away.
      settings: ["Environment=", "FileDescriptorStorePreserve=yes"],
    });
    // As an enabled service is: systemd forgets the store of a stopped one that nothing refers to.
    await systemd.addUnits({
      "boot.target": "[Unit]\nDefaultDependencies=no\nWants=web.service\nAfter=web.service\n",
    });
    const boot = await systemd.ctl("start", "boot.target");
    assert.equal(boot.code, 0, boot.stderr);
    assert.equal((await service.show("Environment"))["Environment"], "");
    assert.equal((await service.status()).listeners[0]?.origin, "standby");
    assert.equal(await service.stored(), 1);

    await service.succeeds("stop");
    assert.equal(await service.stored(), 1, "it outlives the service");
    const waiting = Array.from(
      { length: WAITING },
      () => fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } }),
    );
    await waitUntil(() => waitingAt(systemd, port, WAITING), { what: "they wait in its queue" });
    await service.succeeds("start");
    for (const response of await Promise.all(waiting)) {
      assert.match(await response.text(), /version=/);
    }
    assert.equal(await service.stored(), 1, "one socket, as before");
    process.stderr.write(`  stop and start: ${WAITING} clients have waited, and were answered\n`);
    await service.succeeds("stop");
  });

  test("without it a restart refuses clients", { timeout: TEST_TIMEOUT_MS }, async () => {
    using work = tempDir();
    const port = await freePort();
    await using systemd = await RealSystemd.start();
    const service = await installService(systemd, {
      ...place(server("node"), { port, workDir: work.path }),
      settings: ["FileDescriptorStoreMax=0", "Environment=FDSTORE=0"],
    });
    await service.succeeds("start");
    assert.equal((await service.status()).listeners[0]?.origin, null);
    await using load = new Load({ port }).start();
    await load.answersMore(20);
    await service.succeeds("restart");
    await load.answersMore(20);
    const { refused, ok } = await load.stop();
    assert.ok(refused > 0, `${ok} were answered, and none was refused`);
    process.stderr.write(`  without a store, one restart: ok ${ok}, refused ${refused}\n`);
    await service.succeeds("stop");
  });

  test("a server that listens elsewhere after a restart leaves no clients waiting", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const [port, other] = [await freePort(), await freePort()];
    await using systemd = await RealSystemd.start();
    const at = (port: number) => place(server("node"), { port, workDir: work.path });
    await (await installService(systemd, at(port))).succeeds("start");
    const service = await installService(systemd, at(other));
    await service.succeeds("restart");
    const body = await (await fetch(`http://127.0.0.1:${other}/`)).text();
    assert.match(body, /version=1/);
    await assert.rejects(fetch(`http://127.0.0.1:${port}/`), "nobody listens there any more");
    assert.equal(await service.stored(), 1);
    await service.succeeds("stop");
  });
});
