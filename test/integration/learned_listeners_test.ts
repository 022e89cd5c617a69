/**
 * The promise: where pidfd_getfd is refused, the generation after the first makes outgoing connections without baton,
 * and its listeners have every option that the server has set. A server that needs its first socket keeps it.
 */
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { findPython, required, which } from "../support/programs.ts";
import { restrictedBy } from "../support/restrict.ts";
import { fixtureCommand, place, server } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const nginx = server("nginx");

/** @param expected of each generation */
async function reloadThrough(baton: Baton, port: number, expected: readonly string[]) {
  await using load = new Load({ port }).start();
  for (const [epoch, duplicates] of expected.entries()) {
    if (epoch > 0) {
      const { result, reason, output } = await baton.reload();
      assert.equal(result, "ok", `${reason}\n${output.join("\n")}`);
    }
    const status = await baton.status();
    assert.deepEqual([status.epoch, status.duplicates], [epoch, duplicates], baton.stderr);
    await baton.settled();
  }
  const tally = await load.stop();
  assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
}

async function answer(port: number): Promise<string> {
  const text = await (await fetch(`http://127.0.0.1:${port}/`)).text();
  return text.replace(/^pid=\d+ version=1 /, "").trim();
}

/** Binds from an address that is not there, and answers which of both options its listener has. */
const OPTIONS_AT_BIND = `
import os, socket
listener = socket.socket()
for name in (15, 19):  # IP_FREEBIND, IP_TRANSPARENT
    try:
        listener.setsockopt(socket.IPPROTO_IP, name, 1)
    except PermissionError:
        pass
listener.bind(("192.0.2.1" if "FREE" in os.environ else "127.0.0.1", int(os.environ["PORT"])))
listener.listen(8)
print("options", [listener.getsockopt(socket.IPPROTO_IP, name) for name in (15, 19)], flush=True)
while True:
    listener.accept()
`;

async function optionsOf(baton: Baton): Promise<string> {
  const found = () => /^options \[(.*)\]$/m.exec(baton.stdout);
  const [, options = ""] = await waitUntil(found, { what: "the server has printed its options" });
  return options;
}

describe("a listener that is replaced when it is bound", () => {
  const command = [required("python3", findPython()), "-c", OPTIONS_AT_BIND];
  const flags = ["--duplicates", "at-bind"];

  test("has what decides where it may be bound", TEST, async () => {
    const env = { PORT: String(await freePort()), FREE: "1" };
    await using baton = await startBaton({ command, env, flags });
    assert.match(await optionsOf(baton), /^1, [01]$/);
  });

  test("has no right that the kernel refuses the server", {
    ...TEST,
    skip: process.geteuid?.() === 0 && which("setpriv") !== null ? false : "needs root and setpriv",
  }, async () => {
    const plain = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"];
    const env = { PORT: String(await freePort()) };
    await using baton = await startBaton({ command: [...plain, ...command], env, flags });
    assert.equal(await optionsOf(baton), "1, 0");
  });
});

describe("listeners whose descriptors are known from the generation before", () => {
  test("have all options that were set before bind", TEST, async () => {
    using work = tempDir();
    const port = await freePort();
    await using baton = await startBaton({
      command: fixtureCommand("socket_options.py"),
      env: { PORT: String(port), EARLY: join(work.path, "early") },
      wrapper: restrictedBy("pidfd_getfd=EPERM"),
    });
    const first = await answer(port);
    assert.match(first, / 1 4321 7 1 16 reno$/);
    await reloadThrough(baton, port, ["socket-trap", "at-bind", "at-bind"]);
    assert.equal(await answer(port), first);
  });

  test(
    "an inherited one of several workers",
    { ...TEST, skip: nginx.needs() ?? false },
    async () => {
      using work = tempDir();
      const port = await freePort();
      await using baton = await startBaton({
        ...place(nginx, { port, workDir: work.path }),
        wrapper: restrictedBy("pidfd_getfd=EPERM"),
      });
      await reloadThrough(baton, port, ["socket-trap", "at-bind"]);
    },
  );

  test("are trapped where the server binds them at another descriptor", TEST, async () => {
    using work = tempDir();
    const port = await freePort();
    writeFileSync(join(work.path, "moved"), "");
    await using baton = await startBaton({
      command: fixtureCommand("socket_options.py"),
      env: {
        PORT: String(port),
        EARLY: join(work.path, "early"),
        MOVED: join(work.path, "moved"),
      },
      wrapper: restrictedBy("pidfd_getfd=EPERM"),
    });
    const first = await answer(port);
    await reloadThrough(baton, port, ["socket-trap", "socket-trap"]);
    assert.equal(await answer(port), first);
    assert.match(
      baton.stderr,
      /trapped: the server has opened it in another process or at another/,
    );
  });

  test("are trapped where they are no streams", TEST, async () => {
    using work = tempDir();
    await using baton = await startBaton({
      command: fixtureCommand("unix_kinds.py"),
      env: { SOCKET: work.join("s"), TYPE: "seqpacket" },
      wrapper: restrictedBy("pidfd_getfd=EPERM"),
    });
    for (const epoch of [1, 2]) {
      const { result, reason } = await baton.reload();
      assert.equal(result, "ok", `${reason}\n${baton.stderr}`);
      await baton.settled();
      const status = await baton.status();
      assert.deepEqual([status.epoch, status.duplicates], [epoch, "socket-trap"], baton.stderr);
    }
  });

  test("one that fails without the trap is followed by one with it", TEST, async () => {
    using work = tempDir();
    const port = await freePort();
    const broken = work.write("broken", "");
    rmSync(broken);
    await using baton = await startBaton({
      // Fails where its file is there, as a deploy may.
      command: ["sh", "-c", `test ! -e ${broken} && exec "$@"`, "sh"].concat(
        fixtureCommand("socket_options.py"),
      ),
      env: { PORT: String(port), EARLY: join(work.path, "early") },
      wrapper: restrictedBy("pidfd_getfd=EPERM"),
    });
    writeFileSync(broken, "");
    assert.equal((await baton.reload()).result, "failed");
    rmSync(broken);
    for (const [epoch, duplicates] of [[2, "socket-trap"], [3, "at-bind"]] as const) {
      const { result, reason } = await baton.reload();
      assert.equal(result, "ok", `${reason}\n${baton.stderr}`);
      await baton.settled();
      const status = await baton.status();
      assert.deepEqual([status.epoch, status.duplicates], [epoch, duplicates], baton.stderr);
    }
  });

  test("are trapped where the server has given them to epoll before bind", TEST, async () => {
    using work = tempDir();
    const port = await freePort();
    writeFileSync(join(work.path, "early"), "");
    await using baton = await startBaton({
      command: fixtureCommand("socket_options.py"),
      env: { PORT: String(port), EARLY: join(work.path, "early") },
      wrapper: restrictedBy("pidfd_getfd=EPERM"),
    });
    await reloadThrough(baton, port, ["socket-trap", "socket-trap"]);
  });

  test(
    "a new version that begins to do so fails, and is trapped at the next reload",
    TEST,
    async () => {
      using work = tempDir();
      const port = await freePort();
      await using baton = await startBaton({
        command: fixtureCommand("socket_options.py"),
        env: { PORT: String(port), EARLY: join(work.path, "early") },
        wrapper: restrictedBy("pidfd_getfd=EPERM"),
      });
      writeFileSync(join(work.path, "early"), "");
      await using load = new Load({ port }).start();
      const refused = await baton.reload();
      assert.equal(refused.result, "failed");
      assert.match(refused.reason ?? "", /epoll before bind.*reload once more/);
      assert.equal((await baton.reload()).result, "ok", baton.stderr);
      await baton.settled();
      const { epoch, duplicates } = await baton.status();
      assert.deepEqual([epoch, duplicates], [2, "socket-trap"]);
      const tally = await load.stop();
      assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
    },
  );
});
