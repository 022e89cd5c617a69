/**
 * The promise: whatever becomes of the runtime directory, the service runs on, a crash is recovered from, the name
 * stays taken, and the directory and what is in it come back as soon as they can.
 */
import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { get } from "node:http";
import { dirname, join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, batonCommand, runCommand, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { alive, killTree } from "../support/proc.ts";
import { fixtureCommand, place, type Runnable, server } from "../support/servers.ts";
import { Succession } from "../support/succession.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const EXIT_BUSY = 75;
const OPTIONS = { timeout: TEST_TIMEOUT_MS };

type Way = readonly [what: string, take: (directory: string) => void];

const WAYS: readonly Way[] = [
  ["the directory is removed", (path) => rmSync(path, { recursive: true })],
  ["the sockets are removed", (path) => removeAll(path, (name) => !name.endsWith(".lock"))],
  ["the lock is removed", (path) => removeAll(path, (name) => name.endsWith(".lock"))],
  ["it is renamed, and an empty one is in its place", (path) => {
    renameSync(path, `${path}.old`);
    mkdirSync(path);
    rmSync(`${path}.old`, { recursive: true });
  }],
];

function removeAll(directory: string, isMeant: (name: string) => boolean): void {
  for (const name of readdirSync(directory).filter(isMeant)) rmSync(join(directory, name));
}

/** Puts a directory in its place that others may write to: nothing may be made there. */
function block(directory: string): void {
  const other = `${directory}.other`;
  mkdirSync(other);
  chmodSync(other, 0o777);
  renameSync(directory, `${directory}.away`);
  renameSync(other, directory);
}

function unblock(directory: string): void {
  chmodSync(directory, 0o755);
  rmSync(`${directory}.away`, { recursive: true });
}

function node(port: number, workDir: string): Runnable {
  return place(server("node"), { port, workDir });
}

/** Process id of the server that answers; null while none does. */
function answering(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    get({ port, host: "127.0.0.1", agent: false }, (response) => {
      let text = "";
      response.on("data", (bytes) => text += String(bytes));
      response.on("end", () => resolve(Number(/pid=(\d+)/.exec(text)?.[1] ?? NaN)));
    }).on("error", () => resolve(null));
  });
}

async function anotherAnswers(port: number, before: number, baton: Baton): Promise<number> {
  return Number(
    await waitUntil(async () => {
      const pid = await answering(port);
      return pid !== null && pid !== before && pid;
    }, { what: `a new server answers\n${baton.stderr}` }),
  );
}

/** Commands reach it, and the name is locked where others look. */
async function isBack(baton: Baton): Promise<void> {
  const answers = async () => (await baton.status()).epoch !== null;
  const isLocked = () => existsSync(baton.dir.join("web.lock"));
  await waitUntil(async () => await answers() && isLocked(), {
    what: `the control socket and the lock are back\n${baton.stderr}`,
  });
}

async function secondIsRefused(baton: Baton): Promise<void> {
  const words = ["run", "--name", "web", "--runtime-dir", baton.dir.path, "--", "true"];
  const { code, stderr } = await runCommand([...batonCommand(), ...words]);
  assert.equal(code, EXIT_BUSY, `a second baton of the name: ${stderr}\n${baton.stderr}`);
}

describe("a runtime directory that goes away", () => {
  test("is made again, the name stays taken, and a crash is recovered from", OPTIONS, async () => {
    using work = tempDir();
    const port = await freePort();
    const pidfile = work.join("web.pid");
    await using baton = await startBaton({
      ...node(port, work.path),
      flags: ["--pidfile", pidfile, "--handoff-socket", work.join("web.handoff")],
    });
    await secondIsRefused(baton);
    for (const [what, take] of WAYS) {
      // However late it notices.
      baton.signal("SIGSTOP");
      take(baton.dir.path);
      await secondIsRefused(baton);
      baton.signal("SIGCONT");
      await isBack(baton);
      await waitUntil(() => existsSync(baton.dir.join("web.notify.0")), {
        what: `${what}: NOTIFY_SOCKET`,
      });
    }
    rmSync(pidfile);
    rmSync(work.join("web.handoff"));
    await waitUntil(() => existsSync(work.join("web.handoff")), {
      what: "the handoff socket is back",
    });
    assert.equal(readFileSync(pidfile, "utf8"), `${baton.pid}\n`);
    const before = Number(await answering(port));
    rmSync(baton.dir.path, { recursive: true });
    process.kill(before, "SIGKILL");
    await anotherAnswers(port, before, baton);
    await isBack(baton);
    assert.equal((await baton.cli("reload")).code, 0, baton.stderr);
    await secondIsRefused(baton);
    assert.match(
      baton.stderr,
      /runtime directory \S+ was removed \(.*lock, control socket.*: recreated/,
    );
    assert.deepEqual(await baton.stop(), { code: 0, signal: null });
    assert.deepEqual(
      readdirSync(baton.dir.path),
      ["web.lock"],
      "what was made again is removed too",
    );
  });

  test("matters to no crash, HUP or READY=1 while it cannot be made", OPTIONS, async () => {
    const port = await freePort();
    await using baton = await startBaton({
      command: fixtureCommand("sd_notify.py"),
      env: { PORT: String(port), MS: "0" },
      flags: ["--ready", "notify"],
    });
    const first = Number(await answering(port));
    block(baton.dir.path);
    await waitUntil(() => /cannot be recreated/.test(baton.stderr), { what: "it says so" });
    process.kill(first, "SIGKILL");
    const second = await anotherAnswers(port, first, baton);
    baton.signal("SIGHUP");
    const third = await anotherAnswers(port, second, baton);
    const environment = readFileSync(`/proc/${third}/environ`, "utf8").split("\0");
    const place = environment.find((word) => word.startsWith("NOTIFY_SOCKET="))?.slice(14) ?? "";
    assert.notEqual(dirname(place), baton.dir.path);
    assert.ok(existsSync(place), "it is in another directory");
    assert.deepEqual(readdirSync(baton.dir.path), [], "nothing is made where others may write");
    const lost = await baton.cli("status", "web");
    assert.match(lost.stderr, new RegExp(`its baton is running \\(pid ${baton.pid}\\)`));
    unblock(baton.dir.path);
    await isBack(baton);
    await secondIsRefused(baton);
    assert.equal((baton.stderr.match(/cannot be recreated/g) ?? []).length, 1, "once");
    assert.deepEqual(await baton.stop(), { code: 0, signal: null });
    assert.equal(existsSync(dirname(place)), false, "the other directory is gone too");
  });

  test("--survive: the next baton takes over the server all the same", OPTIONS, async () => {
    using dir = tempDir("baton");
    using work = tempDir();
    const port = await freePort();
    await using batons = new Succession({ ...node(port, work.path), dir });
    const first = await batons.next();
    const serving = await answering(port);
    block(dir.path);
    await waitUntil(() => /cannot be recreated/.test(first.stderr), { what: "it is lost" });
    await batons.kill();
    unblock(dir.path);
    const second = await batons.next();
    assert.equal(await answering(port), serving, "the same server");
    await waitUntil(() => /resumes/.test(second.stderr), { what: "it says that it resumes" });
    // Its holder is found again after that, too.
    rmSync(dir.path, { recursive: true });
    await isBack(second);
    await waitUntil(() => existsSync(dir.join("web.hold")), {
      what: "the holder's socket is back",
    });
    await batons.kill();
    const third = await batons.next();
    assert.equal(await answering(port), serving);
    assert.deepEqual(await third.stop(), { code: 0, signal: null });
  });

  test("is looked after by whichever baton has the name after an upgrade", OPTIONS, async () => {
    using work = tempDir();
    const port = await freePort();
    await using baton = await startBaton(node(port, work.path));
    const takeAway = async () => {
      rmSync(baton.dir.path, { recursive: true });
      await isBack(baton);
      await secondIsRefused(baton);
    };
    const inPlace = await baton.cli("upgrade", "--in-place");
    assert.equal(inPlace.code, 0, `${inPlace.stderr}\n${baton.stderr}`);
    await takeAway();
    const upgraded = await baton.cli("upgrade");
    assert.equal(upgraded.code, 0, `${upgraded.stderr}\n${baton.stderr}`);
    const { pid } = await baton.status();
    try {
      await waitUntil(() => !alive(baton.pid), { what: "the old baton has ended" });
      await takeAway();
      assert.equal((await baton.cli("stop")).code, 0);
    } finally {
      if (alive(pid)) killTree(pid);
    }
  });

  test("--shutdown-only: it is made again as well", OPTIONS, async () => {
    using work = tempDir();
    const port = await freePort();
    await using baton = await startBaton({
      ...node(port, work.path),
      flags: ["--shutdown-only"],
      expectFailure: true,
    });
    const ready = async () => (await baton.cli("ready")).code === 0;
    await waitUntil(ready, { what: "it is ready" });
    rmSync(baton.dir.path, { recursive: true });
    await secondIsRefused(baton);
    await waitUntil(ready, { what: `it can be asked again\n${baton.stderr}` });
    assert.deepEqual(await baton.stop(), { code: 0, signal: null });
  });
});
