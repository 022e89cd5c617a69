/**
 * The promises for systemd's store of descriptors (FileDescriptorStoreMax=): a restart and a SIGKILL of baton refuse
 * nobody, with the unit that `baton init systemd` prints and no socket unit; with --survive a SIGKILL loses nothing.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { freePort } from "../support/free_port.ts";
import { formatTally, Load } from "../support/load.ts";
import type { Snapshot } from "../../src/supervisor/snapshot.ts";
import { noSystemd, RealSystemd } from "../support/real_systemd.ts";
import { fixtureCommand, place, server } from "../support/servers.ts";
import { installService, type Service } from "../support/systemd_service.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TIMEOUT_MS = 60_000;
const RESTARTS = 2;
const KILLS = 3;
const skip = noSystemd();

async function succeeds(service: Service, verb: string): Promise<void> {
  const { code, stderr } = await service.ctl(verb);
  assert.equal(code, 0, `systemctl ${verb}: ${stderr}\n${await service.journal()}`);
}

/** SIGKILL to baton alone, until its next one serves. */
async function kill(service: Service): Promise<void> {
  const { MainPID } = await service.show("MainPID");
  await service.ctl("kill", "--kill-who=main", "--signal=KILL");
  await waitUntil(async () => {
    const now = await service.show("MainPID", "ActiveState");
    return now["MainPID"] !== MainPID && now["ActiveState"] === "active";
  }, { what: "systemd has started it again" });
}

async function answersMore(load: Load, count: number): Promise<void> {
  const before = load.tally.ok;
  await waitUntil(() => load.tally.ok > before + count, { what: "requests are answered" });
}

function servingPid({ epoch, generations }: Snapshot): number | null {
  return generations.find((generation) => generation.epoch === epoch)?.pid ?? null;
}

async function stored(service: Service): Promise<number> {
  return Number((await service.show("NFileDescriptorStore"))["NFileDescriptorStore"]);
}

/** Their number when three looks in a row have found the same. */
async function storedAtRest(service: Service): Promise<number> {
  const looks: number[] = [];
  return await waitUntil(async () => {
    const now = await stored(service);
    looks.push(now);
    return looks.length > 2 && looks.slice(-3).every((look) => look === now) && now;
  }, { what: "nothing is put into the store any more" });
}

describe("the store of systemd", { skip }, () => {
  test("restarts lose nothing, and SIGKILL refuses nobody", { timeout: TIMEOUT_MS }, async () => {
    using work = tempDir();
    const port = await freePort();
    await using systemd = await RealSystemd.start();
    const service = await installService(
      systemd,
      place(server("node"), { port, workDir: work.path }),
    );
    await succeeds(service, "start");
    assert.equal((await service.status()).listeners[0]?.residence, "spare");
    assert.equal(await stored(service), 1, "one socket");

    // Some requests are in flight at any moment, so also when the server is stopped.
    await using slow = new Load({ port, path: "/slow?ms=100" }).start();
    for (let i = 0; i < RESTARTS; i++) {
      await answersMore(slow, 20);
      await succeeds(service, "restart");
    }
    await answersMore(slow, 20);
    await succeeds(service, "reload");
    await succeeds(service, "restart");
    await answersMore(slow, 20);
    const restarted = await slow.stop();
    assert.equal(restarted.lost, 0, `${formatTally(restarted)}\n${await service.journal()}`);
    process.stderr.write(`  ${RESTARTS + 1} restarts: ${formatTally(restarted)}\n`);

    await using load = new Load({ port }).start();
    for (let i = 0; i < KILLS; i++) {
      await answersMore(load, 100);
      await kill(service);
    }
    await answersMore(load, 100);
    const killed = await load.stop();
    const { refused, timedOut, lost, reset, short } = killed;
    assert.equal(refused + timedOut, 0, `${formatTally(killed)}\n${await service.journal()}`);
    assert.equal(lost, reset + short, "only what was in flight, in a server that was killed");
    process.stderr.write(`  ${KILLS} SIGKILLs: ${formatTally(killed)}\n`);
    assert.equal(await stored(service), 1, "nothing is left of those before");
    await succeeds(service, "stop");
  });

  test("without it a restart refuses clients", { timeout: TIMEOUT_MS }, async () => {
    using work = tempDir();
    const port = await freePort();
    await using systemd = await RealSystemd.start();
    const service = await installService(systemd, {
      ...place(server("node"), { port, workDir: work.path }),
      settings: ["FileDescriptorStoreMax=0", "Environment=FDSTORE=0"],
    });
    await succeeds(service, "start");
    assert.equal((await service.status()).listeners[0]?.residence, null);
    await using load = new Load({ port }).start();
    await answersMore(load, 20);
    await succeeds(service, "restart");
    await answersMore(load, 20);
    const { refused, ok } = await load.stop();
    assert.ok(refused > 0, `${ok} were answered, and none was refused`);
    process.stderr.write(`  without a store, one restart: ok ${ok}, refused ${refused}\n`);
    await succeeds(service, "stop");
  });

  test("with --survive the same server goes on after SIGKILL, and nothing is lost", {
    timeout: TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    await using systemd = await RealSystemd.start();
    const service = await installService(systemd, {
      ...place(server("node"), { port, workDir: work.path }),
      flags: ["--survive"],
    });
    await succeeds(service, "start");
    await using load = new Load({ port }).start();
    for (let i = 0; i < KILLS; i++) {
      const before = await service.status();
      await answersMore(load, 100);
      await kill(service);
      const after = await service.status();
      assert.notEqual(after.pid, before.pid);
      assert.equal(servingPid(after), servingPid(before), "the same server");
      assert.equal(after.restarts.ok, i, "it counts on");
      await succeeds(service, "reload");
      assert.equal((await service.settled()).epoch, i + 1);
    }
    await answersMore(load, 100);
    await succeeds(service, "restart");
    await answersMore(load, 100);
    const tally = await load.stop();
    assert.equal(tally.lost, 0, `${formatTally(tally)}\n${await service.journal()}`);
    process.stderr.write(`  --survive, ${KILLS} SIGKILLs and reloads: ${formatTally(tally)}\n`);
    await succeeds(service, "stop");
    assert.equal((await service.show("Result"))["Result"], "success");
  });

  test("with --survive what waits in the queue of a server that is killed too is answered", {
    timeout: TIMEOUT_MS,
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
    await succeeds(service, "start");
    const server = servingPid(await service.status());
    await systemd.run(["kill", "-STOP", String(server)]);
    // It is accepted by the kernel, and by nobody else.
    const waiting = fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } });
    await waitUntil(async () => {
      const { stdout } = await systemd.run(["cat", "/proc/net/tcp"]);
      const listener = stdout.split("\n").map((line) => line.trim().split(/\s+/)).filter((row) =>
        row[3] === "0A" && row[1]?.endsWith(`:${port.toString(16).toUpperCase().padStart(4, "0")}`)
      );
      return listener.some((row) => !row[4]?.endsWith(":00000000"));
    }, { what: "the request waits in the queue" });
    await kill(service);
    assert.match(await (await waiting).text(), /version=/);
    assert.notEqual(servingPid(await service.status()), server);
    await succeeds(service, "stop");
  });

  test("upgrades leave nothing in the store that nobody needs", {
    timeout: TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    await using systemd = await RealSystemd.start();
    for (const flags of [[], ["--survive"]]) {
      const name = flags.length === 0 ? "web" : "survivor";
      const service = await installService(systemd, {
        ...place(server("node"), { port, workDir: work.path }),
        ...{ name, flags },
      });
      await succeeds(service, "start");
      // A server's output may be its own by and by, so later there are fewer than at first.
      const seen: number[] = [];
      await using load = new Load({ port }).start();
      for (const way of [["--in-place"], ["--in-place"], [], []]) {
        const upgraded = await service.baton("upgrade", name, ...way);
        assert.equal(upgraded.code, 0, `${upgraded.stderr}\n${await service.journal()}`);
        await service.settled();
        // The kernel's array can only be tidied up while a candidate stands at its end.
        await succeeds(service, "reload");
        await service.settled();
        seen.push(await storedAtRest(service));
      }
      const [first = 0] = seen;
      assert.ok((seen.at(-1) ?? Infinity) <= first, `it does not grow: ${seen.join(", ")}`);
      await succeeds(service, "restart");
      await answersMore(load, 100);
      const tally = await load.stop();
      assert.equal(tally.lost, 0, `${formatTally(tally)}\n${await service.journal()}`);
      await succeeds(service, "stop");
    }
  });

  test("a server that listens elsewhere after a restart leaves no clients waiting", {
    timeout: TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const [port, other] = [await freePort(), await freePort()];
    await using systemd = await RealSystemd.start();
    const at = (port: number) => place(server("node"), { port, workDir: work.path });
    await succeeds(await installService(systemd, at(port)), "start");
    const service = await installService(systemd, at(other));
    await succeeds(service, "restart");
    const body = await (await fetch(`http://127.0.0.1:${other}/`)).text();
    assert.match(body, /version=1/);
    await assert.rejects(fetch(`http://127.0.0.1:${port}/`), "nobody listens there any more");
    assert.equal(await stored(service), 1);
    await succeeds(service, "stop");
  });
});
