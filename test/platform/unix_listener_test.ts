/** A listener at a path that others may take: it is replaced without a gap, and removes only its own. */
import assert from "node:assert/strict";
import { existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import type { Fd } from "../../src/platform/fd.ts";
import { UnixListener } from "../../src/platform/network/unix_listener.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { leakedSince, openDescriptors } from "../support/open_descriptors.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";

const OPTIONS = { type: "packets", backlog: 8, nonblocking: true } as const;

/** @returns whether a client at `path` ends up at `listener` */
function leadsTo({ sockets }: Platform, path: string, listener: UnixListener): boolean {
  using client = sockets.packets({ nonblocking: true });
  sockets.connectUnix(client, path);
  using accepted: Fd | null = sockets.accept(listener.fd);
  return accepted !== null;
}

describe("UnixListener", () => {
  test("replaces what is at its path, and is its owner's alone", async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    const path = dir.join("a.sock");
    writeFileSync(path, "left behind");
    const listener = UnixListener.bind(platform.sockets, path, OPTIONS);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.ok(leadsTo(platform, path, listener));
    listener.close();
    assert.equal(existsSync(path), false);
  });

  test("moves over another one, whose close() leaves the path alone", async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    const path = dir.join("a.sock");
    const before = openDescriptors();
    const old = UnixListener.bind(platform.sockets, path, OPTIONS);
    const fresh = UnixListener.bind(platform.sockets, dir.join("b.sock"), OPTIONS);
    fresh.moveTo(path);
    assert.deepEqual([old.isInPlace, fresh.isInPlace, fresh.path], [false, true, path]);
    old.close();
    assert.ok(leadsTo(platform, path, fresh));
    rmSync(path);
    assert.equal(fresh.isInPlace, false);
    fresh.close();
    assert.deepEqual(leakedSince(before), []);
  });

  test("leaves no descriptor where it cannot bind", async () => {
    await using platform = await testPlatform();
    const before = openDescriptors();
    assert.throws(() => UnixListener.bind(platform.sockets, "/nowhere/a.sock", OPTIONS), /ENOENT/);
    assert.deepEqual(leakedSince(before), []);
  });
});
