/**
 * The promises for sockets that systemd passes to baton: a reload loses nothing, nor does a restart, and the socket
 * outlives every baton.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { describe, test } from "node:test";
import { batonCommand } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { noSystemd, RealSystemd } from "../support/real_systemd.ts";
import { repeats } from "../support/repeats.ts";
import { fixtureCommand, place, type Runnable, server } from "../support/servers.ts";
import { installService } from "../support/systemd_service.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const RELOADS = repeats({ full: 4, quick: 2 });
const NOBODY = 65534;
const skip = noSystemd();

async function fetchBody(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } });
  return await response.text();
}

interface Case {
  readonly title: string;
  readonly socket: readonly string[];
  runnable(port: number, workDir: string): Runnable;
}

const CASES: readonly Case[] = [
  {
    title: "a server that binds by itself",
    socket: [],
    runnable: (port, workDir) => place(server("node"), { port, workDir }),
  },
  {
    title: "a server that takes descriptors, and ReusePort=yes",
    socket: ["ReusePort=yes", "FileDescriptorName=front"],
    runnable: () => ({ command: fixtureCommand("inherit_fd.js"), env: {} }),
  },
];

/** Why the user nobody cannot run what is under test, or false. */
function othersCannotRunBaton(): string | false {
  if (skip !== false) return skip;
  const [program = "", ...argv] = [...batonCommand(), "version"];
  const env = { ...process.env, DENO_DIR: "/dev/null" };
  const { status } = spawnSync(program, argv, { uid: NOBODY, gid: NOBODY, env });
  return status !== 0 && "another user cannot run what is under test, where it is";
}

describe("systemd sockets", { skip }, () => {
  for (const { title, socket, runnable } of CASES) {
    test(`${title}: reloads lose nothing, nor does a restart after them`, {
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      using work = tempDir();
      const port = await freePort();
      await using systemd = await RealSystemd.start();
      const service = await installService(systemd, {
        ...runnable(port, work.path),
        socket: [`ListenStream=127.0.0.1:${port}`, ...socket],
      });
      const opened = await systemd.ctl("start", "web.socket");
      assert.equal(opened.code, 0, opened.stderr);
      assert.equal((await service.show("ActiveState"))["ActiveState"], "inactive");
      assert.match(await fetchBody(port), /version=1/, "the first connection starts the service");
      // It answers a moment before systemd has read READY=1. A reload in that moment is part of the start: none follows.
      const isActive = async () => (await service.show("ActiveState"))["ActiveState"] === "active";
      await waitUntil(isActive, { what: "systemd knows that it is ready" });
      const { listeners } = await service.status();
      assert.deepEqual(listeners.map(({ address, origin }) => ({ address, origin })), [
        { address: `127.0.0.1:${port}`, origin: "grouped" },
      ]);

      await using load = new Load({ port }).start();
      for (let i = 1; i <= RELOADS; i++) {
        const reload = await service.ctl("reload");
        assert.equal(reload.code, 0, `${reload.stderr}\n${await service.journal()}`);
        assert.equal((await service.settled()).epoch, i, await service.journal());
      }
      const tally = await load.stop();
      assert.equal(tally.lost, 0, `${formatTally(tally)}\n${await service.journal()}`);
      assert.ok(tally.byBody.size >= RELOADS, "each generation has answered");

      // Some requests are in flight at any moment, so also when the server is stopped.
      await using second = new Load({ port, path: "/slow?ms=100" }).start();
      await waitUntil(() => second.tally.ok > 0, { what: "requests are in flight" });
      const restart = await service.ctl("restart");
      assert.equal(restart.code, 0, `${restart.stderr}\n${await service.journal()}`);
      await second.answersMore(20);
      const restarted = await second.stop();
      assert.equal(restarted.lost, 0, `${formatTally(restarted)}\n${await service.journal()}`);
      process.stderr.write(`  ${RELOADS} reloads: ${formatTally(tally)}\n`);
      process.stderr.write(`  a restart: ${formatTally(restarted)}\n`);

      const stopped = await service.ctl("stop");
      assert.equal(stopped.code, 0, stopped.stderr);
      assert.match(
        await fetchBody(port),
        /version=1/,
        "the socket has stayed, and starts it again",
      );
    });
  }

  test("an upgrade of baton keeps the socket", { timeout: TEST_TIMEOUT_MS }, async () => {
    const port = await freePort();
    await using systemd = await RealSystemd.start();
    const service = await installService(systemd, {
      command: fixtureCommand("inherit_fd.js"),
      socket: [`ListenStream=127.0.0.1:${port}`],
      env: {},
    });
    await systemd.ctl("start", "web.socket");
    await fetchBody(port);
    await waitUntil(async () => (await service.settled()).epoch === 0, { what: "it serves" });
    await using load = new Load({ port }).start();
    for (let i = 1; i <= 3; i++) {
      const upgraded = await service.baton("upgrade", "web");
      assert.equal(upgraded.code, 0, upgraded.stderr);
      await waitUntil(async () => (await service.settled()).epoch === i, {
        what: `generation ${i} is alone`,
      });
      assert.equal((await service.status()).listeners[0]?.origin, "grouped");
    }
    const inPlace = await service.baton("upgrade", "web", "--in-place");
    assert.equal(inPlace.code, 0, inPlace.stderr);
    const reload = await service.ctl("reload");
    assert.equal(reload.code, 0, reload.stderr);
    assert.equal((await service.settled()).listeners[0]?.origin, "grouped");
    const tally = await load.stop();
    assert.equal(tally.lost, 0, `${formatTally(tally)}\n${await service.journal()}`);
    process.stderr.write(`  3 upgrades by USR2, 1 in place: ${formatTally(tally)}\n`);
    assert.equal((await service.ctl("stop")).code, 0);
    assert.match(await fetchBody(port), /version=1/, "the socket has stayed");
  });

  test("a restart and a crash of baton refuse nobody", { timeout: TEST_TIMEOUT_MS }, async () => {
    const port = await freePort();
    await using systemd = await RealSystemd.start();
    const service = await installService(systemd, {
      command: fixtureCommand("inherit_fd.js"),
      socket: [`ListenStream=127.0.0.1:${port}`],
      env: {},
    });
    await systemd.ctl("start", "web.socket");
    await fetchBody(port);
    await using load = new Load({ port }).start();
    // The first generation has systemd's own socket: it accepts until it is told to stop.
    assert.equal((await service.ctl("restart")).code, 0);
    await service.killed();
    await load.answersMore(100);
    const tally = await load.stop();
    assert.equal(tally.refused + tally.timedOut, 0, formatTally(tally));
    process.stderr.write(`  a restart without a reload, and SIGKILL: ${formatTally(tally)}\n`);
  });

  test("a socket of another user is shared by all generations, and nobody is refused", {
    timeout: TEST_TIMEOUT_MS,
    skip: othersCannotRunBaton(),
  }, async () => {
    const port = await freePort();
    await using systemd = await RealSystemd.start();
    const service = await installService(systemd, {
      command: fixtureCommand("inherit_fd.js"),
      env: { DENO_DIR: "/run/baton/web/deno" },
      settings: [`User=${NOBODY}`],
      socket: [`ListenStream=127.0.0.1:${port}`],
    });
    await systemd.ctl("start", "web.socket");
    assert.match(await fetchBody(port), /version=1/);
    assert.equal((await service.status()).listeners[0]?.origin, "shared");
    assert.match(await service.journal(), /is shared by all generations.*another user/);
    await using load = new Load({ port }).start();
    for (let i = 1; i <= 2; i++) {
      const reload = await service.ctl("reload");
      assert.equal(reload.code, 0, `${reload.stderr}\n${await service.journal()}`);
      await service.settled();
    }
    const tally = await load.stop();
    assert.equal(tally.refused + tally.timedOut, 0, formatTally(tally));
    process.stderr.write(`  shared, 2 reloads: ${formatTally(tally)}\n`);
  });

  test("a socket that baton cannot serve from is refused by name", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using systemd = await RealSystemd.start();
    const service = await installService(systemd, {
      command: fixtureCommand("inherit_fd.js"),
      env: {},
      socket: ["ListenDatagram=/run/web.test.sock", "FileDescriptorName=front"],
    });
    assert.equal((await systemd.ctl("start", "web.socket")).code, 0);
    const start = await service.ctl("start");
    assert.notEqual(start.code, 0);
    assert.match(
      await service.journal(),
      /descriptor 3 \("front"\).*neither a TCP socket nor a Unix stream socket/,
    );
    assert.equal((await service.show("ExecMainStatus"))["ExecMainStatus"], "64");
  });
});
