/**
 * The promise: what happens to a path from outside does not keep a service from being reloaded: the directory is removed
 * and made anew, or the path leads into the directory of the next release. A stranger's socket at the path stays.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { which } from "../support/programs.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";
import { lostNone, nodeAt, nodeInode, unixLoad } from "../support/unix_service.ts";

const TEST = { timeout: TEST_TIMEOUT_MS, skip: which("node") === null && "node is not installed" };
const SOME = 5;

/** Afterwards clients of `path` reach the new generation only, and nothing is waited for at the old place. */
async function reloadedAt(path: string, baton: Baton): Promise<void> {
  const report = await baton.reload();
  assert.equal(report.result, "ok", `${report.reason}\n${baton.stderr}`);
  const { listeners } = await baton.settled();
  assert.equal(listeners.length, 1, JSON.stringify(listeners));
  await using load = unixLoad(path, 1);
  await load.answersMore(SOME);
  const tally = await load.stop();
  lostNone(tally, baton);
  assert.equal(tally.byBody.size, 1);
}

describe("the directory of a Unix socket", () => {
  test("is made anew while the service runs: the next reload listens there", TEST, async () => {
    using work = tempDir();
    const directory = work.join("run");
    mkdirSync(directory);
    const path = `${directory}/s`;
    await using baton = await startBaton(nodeAt(path));
    for (let i = 0; i < 2; i++) {
      rmSync(directory, { recursive: true });
      mkdirSync(directory);
      await reloadedAt(path, baton);
      await reloadedAt(path, baton);
    }
    assert.equal((await baton.stop()).code, 0, baton.stderr);
  });

  test("is another one for the next release, by a link", TEST, async () => {
    using work = tempDir();
    const link = work.join("current");
    const release = (number: number) => {
      mkdirSync(work.join(`${number}`));
      symlinkSync(`${number}`, `${link}.next`);
      renameSync(`${link}.next`, link);
    };
    release(1);
    const relative = { ...nodeAt("s"), flags: ["--cwd", link] };
    await using baton = await startBaton(relative);
    await reloadedAt(`${link}/s`, baton);
    for (const number of [2, 3]) {
      release(number);
      await reloadedAt(`${link}/s`, baton);
      await reloadedAt(`${link}/s`, baton);
    }
  });
});

describe("hidden nodes beside a path", () => {
  test("that a killed baton has left are removed; other files are not", TEST, async () => {
    using work = tempDir();
    const path = work.join("s");
    const dead = createServer().listen(work.join("dead"));
    await once(dead, "listening");
    renameSync(work.join("dead"), work.join(".s.7"));
    dead.close();
    writeFileSync(work.join(".s.1"), "mine");
    await using baton = await startBaton(nodeAt(path));
    await waitUntil(() => !existsSync(work.join(".s.7")), { what: "the node is removed" });
    const report = await baton.reload();
    assert.match(`${report.reason}`, /EADDRINUSE/, "its own name there is taken");
    await reloadedAt(path, baton);
    assert.equal(readFileSync(work.join(".s.1"), "utf8"), "mine");
  });
});

describe("a stranger's socket that has come to the path", () => {
  const inherit = (path: string) => ({
    command: fixtureCommand("inherit_fd.js", "{fd:web}"),
    env: {},
    flags: ["--listen", `web=unix:${path}`],
  });
  for (const [how, service] of [["its own", nodeAt], ["--listen", inherit]] as const) {
    test(`stays there, and the reload names it (${how})`, TEST, async () => {
      using work = tempDir();
      const path = work.join("s");
      await using baton = await startBaton(service(path));
      rmSync(path);
      const stranger = createServer().listen(path);
      await once(stranger, "listening");
      const inode = nodeInode(path);
      const report = await baton.reload();
      assert.equal(report.result, "failed");
      assert.match(`${report.reason}`, /another program has put its own socket at unix:\S+ since/);
      assert.equal(nodeInode(path), inode);
      stranger.close();
      await once(stranger, "close");
      rmSync(path, { force: true });
      await reloadedAt(path, baton);
    });
  }
});

describe("a Unix socket at which a server's own processes talk", () => {
  test(
    "is the candidate's own for it, and does not keep the old one from ending",
    TEST,
    async () => {
      using work = tempDir();
      const env = { PORT: `${await freePort()}`, CONTROL: work.join("s") };
      const command = fixtureCommand("own_control.py");
      await using baton = await startBaton({ command, env });
      for (let epoch = 1; epoch <= 2; epoch++) {
        const report = await baton.reload();
        assert.equal(report.result, "ok", `${report.reason}\n${baton.stderr}`);
        // Long before --drain-time.
        await waitUntil(async () => {
          const { generations } = await baton.status();
          return generations.every(({ state }) => state === "serving" || state === "exited");
        }, { what: "the old one has ended" });
      }
    },
  );
});
