/**
 * The promise: with --survive the server outlives baton, and the next baton of the same name goes on with
 * it as if it had started it itself. (Kills at random moments of a reload: test/fault/survive_test.ts.)
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import type { Baton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { alive, children, commandLine } from "../support/proc.ts";
import { required, which } from "../support/programs.ts";
import { fixtureCommand, place, server } from "../support/servers.ts";
import { servingPidOf } from "../support/serving_pid.ts";
import { Succession } from "../support/succession.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

/** A connection that waits this long waits for ever. */
const HANGS_MS = 3_000;
const OPTIONS = { timeout: TEST_TIMEOUT_MS };

function holderOf(baton: Baton): number | undefined {
  return children(baton.pid).find((pid) => commandLine(pid).includes("__hold"));
}

/** Batons that run a server of Node one after the other, in folders of its own; `running` ends them. */
async function batonsOfNode(running: AsyncDisposableStack) {
  const [dir, work] = [running.use(tempDir("baton")), running.use(tempDir())];
  const port = await freePort();
  const node = place(server("node"), { port, workDir: work.path });
  return { port, batons: running.use(new Succession({ ...node, dir })) };
}

describe("--survive", () => {
  test(
    "the next baton goes on with the server: same process, counters, later binds",
    OPTIONS,
    async () => {
      using dir = tempDir("baton");
      const [port, laterPort] = [await freePort(), await freePort()];
      await using batons = new Succession({
        command: fixtureCommand("binds_later.js"),
        env: { PORT: String(port), LATER_PORT: String(laterPort) },
        dir,
      });
      const first = await batons.next();
      assert.equal((await first.reload()).result, "ok");
      const before = await first.settled();
      const pid = await servingPidOf(first);
      await using load = new Load({ port }).start();
      await batons.kill();
      const second = await batons.next();
      const after = await second.status();
      assert.equal(await servingPidOf(second), pid);
      assert.equal(after.epoch, before.epoch);
      assert.deepEqual(after.restarts, before.restarts);
      assert.equal(after.incarnation, 1);
      assert.equal(after.startedAt, before.startedAt);
      // Its filter is answered again.
      process.kill(pid, "SIGUSR2");
      await waitUntil(
        async () =>
          (await second.status()).listeners.some(({ address }) =>
            address.endsWith(`:${laterPort}`)
          ),
        { what: "the later listener is known" },
      );
      assert.match(await (await fetch(`http://127.0.0.1:${laterPort}/`)).text(), /version=1/);
      await batons.look();
      const tally = await load.stop();
      assert.equal(tally.lost, 0, `${formatTally(tally)}\n${second.stderr}`);
      assert.deepEqual(await second.stop(), { code: 0, signal: null });
      assert.deepEqual(batons.left, []);
      assert.equal(existsSync(dir.join("web.hold")), false);
    },
  );

  test(
    "a server that asks for a signal at its parent's death serves on, too",
    OPTIONS,
    async () => {
      using dir = tempDir("baton");
      const port = await freePort();
      await using batons = new Succession({
        command: [
          required("setpriv", which("setpriv")),
          "--pdeathsig",
          "KILL",
          ...fixtureCommand("binds_later.js"),
        ],
        env: { PORT: String(port), LATER_PORT: "0" },
        dir,
      });
      const pid = await servingPidOf(await batons.next());
      await batons.kill();
      const second = await batons.next();
      assert.equal(await servingPidOf(second), pid);
      assert.ok((await fetch(`http://127.0.0.1:${port}/`)).ok);
      assert.deepEqual(await second.stop(), { code: 0, signal: null });
    },
  );

  test("a bind without a baton waits for the next one", OPTIONS, async () => {
    using dir = tempDir("baton");
    const [port, laterPort] = [await freePort(), await freePort()];
    await using batons = new Succession({
      command: fixtureCommand("binds_later.js"),
      env: { PORT: String(port), LATER_PORT: String(laterPort) },
      dir,
    });
    const pid = await servingPidOf(await batons.next());
    await batons.kill();
    process.kill(pid, "SIGUSR2");
    await batons.next();
    await waitUntil(async () => (await fetch(`http://127.0.0.1:${laterPort}/`)).ok, {
      what: "the server listens at the later port",
    });
    assert.match(await (await fetch(`http://127.0.0.1:${port}/`)).text(), new RegExp(`pid=${pid}`));
  });

  test("a bind is answered by a next baton that traps nothing itself", OPTIONS, async () => {
    using dir = tempDir("baton");
    const [port, laterPort] = [await freePort(), await freePort()];
    await using batons = new Succession({
      command: fixtureCommand("binds_later.js"),
      env: { PORT: String(port), LATER_PORT: String(laterPort) },
      dir,
    });
    const pid = await servingPidOf(await batons.next());
    await batons.kill();
    const flags = ["--survive", "--handoff", "inherit", "--listen", `127.0.0.1:${port}`];
    await batons.next(flags);
    process.kill(pid, "SIGUSR2");
    await waitUntil(async () => (await fetch(`http://127.0.0.1:${laterPort}/`)).ok, {
      what: "the server listens at the later port",
    });
    assert.match(await (await fetch(`http://127.0.0.1:${port}/`)).text(), new RegExp(`pid=${pid}`));
  });

  test(
    "a server that ends meanwhile is replaced, and who waits in its queue is answered",
    OPTIONS,
    async () => {
      await using running = new AsyncDisposableStack();
      const { batons, port } = await batonsOfNode(running);
      const pid = await servingPidOf(await batons.next());
      await batons.kill();
      process.kill(pid, "SIGKILL");
      await waitUntil(() => !alive(pid), { what: "the server is dead" });
      const answer = fetch(`http://127.0.0.1:${port}/`);
      const second = await batons.next();
      assert.equal((await answer).status, 200, "it waited in the queue");
      const snapshot = await second.settled();
      assert.equal(snapshot.epoch, 1);
      assert.equal(snapshot.restarts.crashes, 1);
    },
  );

  test("a server that crashes under the next baton is replaced", OPTIONS, async () => {
    await using running = new AsyncDisposableStack();
    const { batons, port } = await batonsOfNode(running);
    const pid = await servingPidOf(await batons.next());
    await batons.kill();
    const second = await batons.next();
    process.kill(pid, "SIGKILL");
    assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
    await waitUntil(async () => (await second.status()).epoch === 1, { what: "a new generation" });
    assert.deepEqual(await second.stop(), { code: 0, signal: null });
  });

  test(
    "a server that crashes after an upgrade in place of the next baton is replaced",
    OPTIONS,
    async () => {
      await using running = new AsyncDisposableStack();
      const { batons, port } = await batonsOfNode(running);
      const pid = await servingPidOf(await batons.next());
      await batons.kill();
      const second = await batons.next();
      const upgraded = await second.cli("upgrade", "--in-place");
      assert.equal(upgraded.code, 0, upgraded.stderr);
      process.kill(pid, "SIGKILL");
      await waitUntil(async () => (await second.status()).epoch === 1, {
        what: "a new generation",
      });
      assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
      await batons.look();
      assert.deepEqual(await second.stop(), { code: 0, signal: null });
    },
  );

  test(
    "sockets of the service manager, which come with each start anew, lose nobody",
    OPTIONS,
    async () => {
      using dir = tempDir("baton");
      await using platform = await testPlatform();
      using socket = platform.sockets.stream("inet");
      const port = await freePort();
      platform.sockets.bindInet(socket, { family: "inet", host: "127.0.0.1", port, scope: 0 });
      platform.sockets.listen(socket, 128);
      await using batons = new Succession({
        command: fixtureCommand("inherit_fd.js"),
        env: {},
        dir,
        activated: [socket.number],
      });
      const first = await batons.next();
      assert.equal((await first.reload()).result, "ok");
      await first.settled();
      await batons.kill();
      const second = await batons.next();
      await using load = new Load({ port, timeoutMs: HANGS_MS }).start();
      await load.answersMore(100);
      assert.equal((await second.reload()).result, "ok");
      await load.answersMore(100);
      const tally = await load.stop();
      assert.equal(tally.lost, 0, `${formatTally(tally)}\n${second.stderr}`);
    },
  );

  test("sockets of --listen survive too", OPTIONS, async () => {
    using dir = tempDir("baton");
    const port = await freePort();
    await using batons = new Succession({ command: fixtureCommand("inherit_fd.js"), env: {}, dir });
    const flags = ["--survive", "--listen", `web=127.0.0.1:${port}`, "--handoff", "inherit"];
    const first = await batons.next(flags);
    const pid = await servingPidOf(first);
    await using load = new Load({ port }).start();
    await batons.kill();
    const second = await batons.next(flags);
    assert.equal(await servingPidOf(second), pid);
    assert.equal((await second.reload()).result, "ok");
    await second.settled();
    const tally = await load.stop();
    assert.equal(tally.lost, 0, `${formatTally(tally)}\n${second.stderr}`);
  });

  test(
    "a baton that is killed before its first generation serves leaves nothing to go on with",
    OPTIONS,
    async () => {
      await using running = new AsyncDisposableStack();
      const { batons } = await batonsOfNode(running);
      const first = await batons.next(["--survive"], {
        command: fixtureCommand("hangs.js"),
        expectFailure: true,
      });
      const hanging = await waitUntil(
        () => children(first.pid).find((pid) => commandLine(pid).join(" ").includes("hangs.js")),
        { what: "the server has started" },
      );
      await batons.kill();
      const second = await batons.next();
      assert.equal(alive(hanging), false);
      assert.equal((await second.status()).epoch, 0);
      assert.equal((await second.status()).incarnation, 0);
    },
  );

  test("a holder that is killed is replaced", OPTIONS, async () => {
    await using running = new AsyncDisposableStack();
    const { batons } = await batonsOfNode(running);
    const first = await batons.next();
    const pid = await servingPidOf(first);
    const holder = Number(holderOf(first));
    process.kill(holder, "SIGKILL");
    await waitUntil(() => first.stderr.includes("another one was started"), {
      what: "another holder",
    });
    await batons.look();
    await batons.kill();
    const second = await batons.next();
    assert.equal(await servingPidOf(second), pid);
  });

  test("an upgrade in place keeps what the holder has", OPTIONS, async () => {
    await using running = new AsyncDisposableStack();
    const { batons } = await batonsOfNode(running);
    const first = await batons.next();
    const pid = await servingPidOf(first);
    const upgraded = await first.cli("upgrade", "--in-place");
    assert.equal(upgraded.code, 0, upgraded.stderr);
    await batons.look();
    await waitUntil(
      () =>
        children(first.pid).filter((child) => commandLine(child).includes("__hold")).length === 1,
      { what: "one holder is left" },
    );
    await batons.kill();
    const second = await batons.next();
    assert.equal(await servingPidOf(second), pid);
    assert.equal((await second.status()).incarnation, 2);
  });

  test("a client that is connected while no baton is there is served", OPTIONS, async () => {
    await using running = new AsyncDisposableStack();
    const { batons, port } = await batonsOfNode(running);
    await batons.next();
    await batons.kill();
    await new Promise<void>((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.destroy();
        resolve();
      });
      socket.on("error", reject);
    });
    assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
    await batons.next();
  });
});
