/**
 * The promises of `--listen unix:`: each generation has a socket of its own at the path, which is there from the first
 * moment on with the right mode and owner; nothing is lost by a reload, and the path is gone at the end.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { which } from "../support/programs.ts";
import { repeats } from "../support/repeats.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const RELOADS = repeats({ full: 10, quick: 2 });
const timeout = TEST_TIMEOUT_MS;
const skip = which("node") === null && "node is not installed";
const SERVER = { command: fixtureCommand("inherit_fd.js", "{fd:web}"), env: {} };
const isRoot = process.getuid?.() === 0;

/** Connects, and answers when the connection is in the queue. */
function connectTo(path: string, url = "/") {
  return new Promise<string>((resolve) => {
    const socket = connect(path, () => socket.write(`GET ${url} HTTP/1.0\r\n\r\n`));
    let text = "";
    socket.on("data", (bytes) => text += bytes);
    socket.on("end", () => resolve(text));
    socket.on("error", (error) => resolve(error.message));
  });
}

describe("--listen unix:", { skip }, () => {
  test(
    `${RELOADS} reloads lose nothing; mode, owner and queue are right; the path is gone at the end`,
    {
      timeout,
    },
    async () => {
      await using dir = tempDir();
      const path = dir.join("web.sock");
      const user = isRoot ? ",user=65534,group=daemon" : "";
      const flags = ["--listen", `web=unix:${path},mode=0662${user}`, "--ready", "http:/"];
      await using baton = await startBaton({ ...SERVER, flags });
      await using load = new Load({ unixPath: path }).start();
      for (let epoch = 1; epoch <= RELOADS; epoch++) {
        await load.answersMore(50);
        const report = await baton.reload();
        assert.equal(report.result, "ok", `${report.reason}\n${report.output.join("\n")}`);
        const { mode, uid, gid } = statSync(path);
        assert.equal(mode & 0o777, 0o662);
        if (isRoot) assert.deepEqual([uid, gid], [65534, 1]);
        const { listeners } = await baton.settled();
        const [listener, ...others] = listeners;
        assert.deepEqual(others, []);
        assert.deepEqual([listener?.address, listener?.mode], [`unix:${path}`, "inherit"]);
        const members = listener?.members.map(({ receiving, epoch }) => ({ receiving, epoch }));
        assert.deepEqual(members, [{ receiving: true, epoch }]);
      }
      const tally = await load.stop();
      assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
      assert.ok(tally.byBody.size > RELOADS, formatTally(tally));
      assert.deepEqual(readdirSync(dir.path).filter((name) => name.includes("web.sock")), [
        "web.sock",
      ]);
      assert.equal((await baton.stop()).code, 0, baton.stderr);
      assert.equal(existsSync(path), false, "as it was");
    },
  );

  test("a path that a killed service has left is taken over", { timeout }, async () => {
    await using dir = tempDir();
    const path = dir.join("web.sock");
    const flags = ["--listen", `web=unix:${path}`];
    await using first = await startBaton({ ...SERVER, flags });
    first.signal("SIGKILL");
    await first.exited;
    assert.equal(existsSync(path), true);
    await using second = await startBaton({ ...SERVER, flags });
    assert.match(await connectTo(path), /version=1/);
    assert.equal((await second.stop()).code, 0);
  });

  test("somebody who answers at the path is named, and keeps it", { timeout }, async () => {
    await using dir = tempDir();
    const path = dir.join("web.sock");
    await using platform = await testPlatform();
    using stranger = platform.sockets.stream("unix");
    platform.sockets.bindUnix(stranger, path);
    platform.sockets.listen(stranger, 5);
    const { ino } = statSync(path);
    await using baton = await startBaton({
      ...SERVER,
      flags: ["--listen", `web=unix:${path}`],
      expectFailure: true,
    });
    assert.equal((await baton.exited).code, 75, baton.stderr);
    assert.match(
      baton.stderr,
      new RegExp(`Cannot listen at unix:${path}: it is held by .*pid ${process.pid}`),
    );
    assert.equal(statSync(path).ino, ino, "untouched");
  });

  test("a request that is being answered is waited for, and then the drain is over", {
    timeout,
  }, async () => {
    await using dir = tempDir();
    const path = dir.join("web.sock");
    await using baton = await startBaton({ ...SERVER, flags: ["--listen", `web=unix:${path}`] });
    const held = connectTo(path, `/until?file=${dir.join("answer")}`);
    await waitUntil(
      async () => (await baton.status()).generations[0]?.connections.undecided === 1,
      { what: "the connection is counted" },
    );
    for (let i = 0; i < 2; i++) assert.equal((await baton.reload()).result, "ok");
    const states = async () => (await baton.status()).generations.map(({ state }) => state);
    // A later one without connections ends meanwhile.
    await waitUntil(async () => (await states())[1] === "exited", { what: "generation 1 ends" });
    assert.deepEqual(await states(), ["draining", "exited", "serving"]);
    dir.write("answer", "");
    assert.match(await held, /version=1/, "not cut");
    const { generations } = await baton.settled();
    const { connectionsCut, connectionsUndecided } = generations[0]!;
    assert.deepEqual([connectionsCut, connectionsUndecided], [0, 0]);
  });

  test("a check reaches the generation that is meant, by the path of clients", {
    timeout,
  }, async () => {
    await using dir = tempDir();
    const path = dir.join("web.sock");
    const unhealthy = dir.write("unhealthy", "");
    const command = fixtureCommand("health_fd.js", "{fd:web}", unhealthy);
    const check = `http:unix:${path}:/health`;
    const flags = ["--listen", `web=unix:${path}`, "--ready", check];
    await using baton = await startBaton({ command, env: {}, flags });
    writeFileSync(unhealthy, "1");
    const reload = baton.reload();
    await waitUntil(async () => {
      const checks = (await baton.status()).generations.find(({ epoch }) => epoch === 1)?.checks;
      return checks?.some(({ lastResult }) => lastResult === "status 503");
    }, { what: "the candidate was asked, not the one that has the path" });
    assert.match(await connectTo(path), /epoch=0/);
    writeFileSync(unhealthy, "");
    assert.equal((await reload).result, "ok");
    assert.match(await connectTo(path), /epoch=1/);
  });

  test("the service manager's socket serves first, and last", { timeout }, async () => {
    await using dir = tempDir();
    const path = dir.join("web.sock");
    await using platform = await testPlatform();
    using socket = platform.sockets.stream("unix");
    platform.sockets.bindUnix(socket, path);
    platform.sockets.listen(socket, 50);
    const { ino } = statSync(path);
    const start = () =>
      startBaton({
        command: fixtureCommand("inherit_fd.js"),
        env: {},
        activated: [socket.number],
      });
    {
      await using baton = await start();
      const { listeners } = await baton.status();
      assert.deepEqual(listeners.map(({ address, origin }) => ({ address, origin })), [
        { address: `unix:${path}`, origin: "grouped" },
      ]);
      await using load = new Load({ unixPath: path }).start();
      for (let i = 1; i <= RELOADS; i++) {
        await load.answersMore(20);
        assert.equal((await baton.reload()).result, "ok", baton.stderr);
        await baton.settled();
        assert.notEqual(statSync(path).ino, ino, "a generation of its own has the path");
      }
      const tally = await load.stop();
      assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
      assert.equal((await baton.stop()).code, 0, baton.stderr);
      assert.equal(statSync(path).ino, ino, "clients wait in the manager's socket again");
    }
    const waiting = connectTo(path);
    await using killed = await start();
    assert.match(await waiting, /version=1/);
    assert.equal((await killed.reload()).result, "ok");
    await killed.settled();
    killed.signal("SIGKILL");
    await killed.exited;
    assert.notEqual(statSync(path).ino, ino);
    await using last = await start();
    assert.equal(statSync(path).ino, ino, "found under its hidden name");
    assert.match(await connectTo(path), /version=1/);
    assert.deepEqual(readdirSync(dir.path).filter((name) => name.includes("web.sock")), [
      "web.sock",
    ]);
    assert.equal((await last.stop()).code, 0);
  });
});
