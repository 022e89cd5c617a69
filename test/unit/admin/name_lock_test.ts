/** The right to a name, whatever becomes of the lock file. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, renameSync, rmSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { ControlServer } from "../../../src/admin/control_server.ts";
import { lockHolder, NameLock } from "../../../src/admin/name_lock.ts";
import type { Fd } from "../../../src/platform/fd.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import type { Platform } from "../../../src/platform/platform.ts";
import { pathKey } from "../../../src/platform/files/path_key.ts";
import { processStat } from "../../../src/platform/process/proc.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { findPython } from "../../support/programs.ts";
import { type TempDir, tempDir } from "../../support/temp_dir.ts";
import { testPlatform } from "../../support/test_platform.ts";
import { waitUntil } from "../../support/wait_until.ts";

const OPTIONS = { timeout: TEST_TIMEOUT_MS };

async function withLock(
  use: (parts: {
    platform: Platform;
    dir: TempDir;
    lock: NameLock;
    take: () => Promise<NameLock | null>;
  }) => Promise<void> | void,
): Promise<void> {
  await using platform = await testPlatform();
  using dir = tempDir();
  const take = () => NameLock.take(platform, dir.join("web.lock"), dir.join("web.sock"));
  const lock = await take();
  assert.ok(lock !== null);
  try {
    await use({ platform, dir, lock, take });
  } finally {
    lock.close();
  }
  assert.equal(platform.reactor.size, 0, "nothing is watched any more");
}

/** Has the name. Its first thread exits at once; the other one, and with it the process, at the end of its input. */
const EXITING = `
import ctypes, fcntl, os, platform, socket, sys, threading
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
claim = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
claim.bind("\\0baton-lock-" + sys.argv[2])
claim.listen()
def end():
    os.read(0, 1)
    os._exit(0)
threading.Thread(target=end).start()
SYS_exit = {"x86_64": 60, "aarch64": 93}[platform.machine()]
ctypes.CDLL(None).syscall(SYS_exit, 0)
`;

describe("NameLock", () => {
  test("is waited for while its holder is exiting", {
    ...OPTIONS,
    skip: findPython() === null && "python3 is not installed",
  }, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    const path = dir.join("web.lock");
    const holder = spawn(findPython() ?? "", ["-c", EXITING, path, pathKey(path)]);
    const { pid = 0 } = holder;
    await waitUntil(() => processStat(pid)?.isExiting, { what: "a zombie" });
    assert.equal(lockHolder(platform, path), pid);
    const taken = NameLock.take(platform, path, dir.join("web.sock"));
    holder.stdin.end();
    const lock = await taken;
    assert.ok(lock !== null);
    lock.close();
  });

  const ways: [string, (dir: TempDir) => void][] = [
    ["the file is there", () => {}],
    ["the file was removed", (dir) => rmSync(dir.join("web.lock"))],
    ["the directory is another one", (dir) => {
      renameSync(dir.path, `${dir.path}.old`);
      mkdirSync(dir.path);
      rmSync(`${dir.path}.old`, { recursive: true });
    }],
  ];
  for (const [what, act] of ways) {
    test(`is exclusive: ${what}`, OPTIONS, () =>
      withLock(async ({ dir, take }) => {
        act(dir);
        assert.equal(await take(), null);
      }));
  }

  test(
    "is locked again where it was, under the same descriptor",
    OPTIONS,
    () =>
      withLock(async ({ dir, lock, take }) => {
        const { number } = lock.fd;
        rmSync(dir.join("web.lock"));
        assert.equal(lock.isInPlace, false);
        lock.restore();
        assert.equal(lock.isInPlace, true);
        assert.equal(lock.fd.number, number);
        assert.equal(await take(), null);
      }),
  );

  test(
    "says so when another process has locked the new file",
    OPTIONS,
    () =>
      withLock(({ platform, dir, lock }) => {
        rmSync(dir.join("web.lock"));
        // As from a container with a network of its own, which the abstract name does not reach.
        using other = platform.descriptors.open(dir.join("web.lock"), C.O_RDWR | C.O_CREAT, 0o600);
        assert.ok(platform.processes.tryLock(other));
        using signs = platform.inotify.open();
        platform.inotify.add(signs, lock.path, "file leaves");
        const sign = () => platform.descriptors.read(signs, new Uint8Array(4096));
        assert.throws(() => lock.restore(), /another baton has taken the name/);
        assert.equal(sign(), null, "trying in vain is no sign");
        other.close();
        assert.ok(sign() !== null, "its end is one");
        lock.restore();
        assert.ok(lock.isInPlace);
      }),
  );

  test("is free when it is closed, at once", OPTIONS, () =>
    withLock(async ({ lock, take }) => {
      lock.close();
      const next = await take();
      assert.ok(next !== null);
      next.close();
    }));

  test(
    "a control socket that answers has an owner, whatever the lock says",
    OPTIONS,
    () =>
      withLock(async ({ platform, dir, lock, take }) => {
        lock.close();
        const server = new ControlServer(platform, dir.join("web.sock"), () => new Response());
        assert.equal(await take(), null);
        server.close();
      }),
  );

  test(
    "who has it can be found without the directory",
    OPTIONS,
    () =>
      withLock(async ({ platform, dir, lock }) => {
        rmSync(dir.join("web.lock"));
        assert.equal(lockHolder(platform, lock.path), process.pid);
        lock.close();
        await waitUntil(() => lockHolder(platform, dir.join("web.lock")) === null, {
          what: "none",
        });
      }),
  );

  test(
    "the name of a baton that ends later is claimed then",
    OPTIONS,
    () =>
      withLock(async ({ platform, dir, lock }) => {
        const copy: Fd = platform.descriptors.duplicate(lock.fd);
        const next = NameLock.inherit(platform, dir.join("web.lock"), copy, true);
        lock.close();
        await waitUntil(() => lockHolder(platform, next.path) !== null, { what: "it is claimed" });
        next.close();
      }),
  );
});
