/**
 * The promises for systemd's store of descriptors with --survive: a SIGKILL of baton loses nothing, and the same server
 * goes on; where that is killed too, the next one answers who waits in its queue.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import type { Snapshot } from "../../src/report/snapshot.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { noSystemd, RealSystemd, waitingAt } from "../support/real_systemd.ts";
import { fixtureCommand, place, server } from "../support/servers.ts";
import { installService } from "../support/systemd_service.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const CASES = [
  { title: "the same server goes on after SIGKILL, and nothing is lost", listens: false, kills: 3 },
  { title: "the same with a socket of systemd's own", listens: true, kills: 1 },
] as const;
const skip = noSystemd();

function servingPid({ epoch, generations }: Snapshot): number | null {
  return generations.find((generation) => generation.epoch === epoch)?.pid ?? null;
}

describe("the store of systemd, with --survive", { skip }, () => {
  for (const { title, listens, kills } of CASES) {
    test(title, { timeout: TEST_TIMEOUT_MS }, async () => {
      using work = tempDir();
      const port = await freePort();
      await using systemd = await RealSystemd.start();
      const service = await installService(systemd, {
        ...place(server("node"), { port, workDir: work.path }),
        flags: ["--survive"],
        ...listens ? { socket: [`ListenStream=127.0.0.1:${port}`] } : {},
      });
      if (listens) await systemd.ctl("start", "web.socket");
      await service.succeeds("start");
      await using load = new Load({ port }).start();
      for (let i = 0; i < kills; i++) {
        const before = await service.status();
        await load.answersMore(100);
        await service.killed();
        const after = await service.status();
        assert.notEqual(after.pid, before.pid);
        assert.equal(servingPid(after), servingPid(before), "the same server");
        assert.equal(after.restarts.ok, i, "it counts on");
        await service.succeeds("reload");
        assert.equal((await service.settled()).epoch, i + 1);
      }
      const { stdout } = await service.baton("stats", service.name);
      assert.match(stdout, new RegExp(`^baton_recoveries_total +${kills}$`, "m"));
      assert.match(stdout, new RegExp(`^baton_reloads_total{result="ok"} +${kills}$`, "m"));
      await load.answersMore(100);
      await service.succeeds("restart");
      await load.answersMore(100);
      const tally = await load.stop();
      assert.equal(tally.lost, 0, `${formatTally(tally)}\n${await service.journal()}`);
      process.stderr.write(`  --survive, ${kills} SIGKILLs and reloads: ${formatTally(tally)}\n`);
      await service.succeeds("stop");
      assert.equal((await service.show("Result"))["Result"], "success");
    });
  }

  test("with --survive what waits in the queue of a server that is killed too is answered", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const port = await freePort();
    await using systemd = await RealSystemd.start();
    const service = await installService(systemd, {
      command: fixtureCommand("inherit_fd.js"),
      env: {},
      flags: ["--survive", "--listen", `127.0.0.1:${port}`],
      // Now systemd ends the server when baton has ended.
      settings: ["KillMode=mixed"],
    });
    await service.succeeds("start");
    const server = servingPid(await service.status());
    await systemd.run(["kill", "-STOP", String(server)]);
    // It is accepted by the kernel, and by nobody else.
    const waiting = fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } });
    await waitUntil(() => waitingAt(systemd, port, 1), { what: "the request waits in the queue" });
    await service.killed();
    assert.match(await (await waiting).text(), /version=/);
    assert.notEqual(servingPid(await service.status()), server);
    await service.succeeds("stop");
  });
});
