/** Which files two generations may have open at the same time. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { databaseOf, isHarmlessPath, isMadeForSeveral } from "../../../src/inspect/harmless.ts";

describe("isHarmlessPath()", () => {
  const table: [path: string, harmless: boolean][] = [
    ["/dev/shm/pool", true],
    ["/proc/self/oom_score_adj", true],
    ["/var/log/app/access", true],
    ["/run/nginx.pid", true],
    ["/var/spool/postfix/pid/master.pid", true],
    ["/tmp/hsperfdata_root/12", true],
    ["/home/a/.cache/x/y", true],
    ["/srv/__pycache__/a.pyc", true],
    ["/tmp/v8-compile-cache-0/11.3/yarn.js.MAP", true],
    ["/tmp/node-compile-cache/v20/a", true],
    ["/srv/web/.next/cache/webpack/0.pack", true],
    ["/srv/blog/tmp/cache/bootsnap/load-path-cache", true],
    ["/root/.config/go/telemetry/local/go@go1.26.8-linux-amd64-2026-11-29.v1.count", true],
    ["/srv/cachet/db", false],
    ["/srv/web/cache.db", false],
    ["/var/lib/etcd/member/snap/db", false],
    // A database's own log of changes, as LevelDB names it.
    ["/var/lib/leveldb/000012.log", false],
    ["/data/stupid", false],
    ["/developer/db", false],
  ];
  for (const [path, harmless] of table) {
    it(`${path}: ${harmless}`, () => assert.equal(isHarmlessPath(path), harmless));
  }
});

describe("isMadeForSeveral()", () => {
  const lmdb = (offset: number) => {
    const bytes = new Uint8Array(32);
    new DataView(bytes.buffer).setUint32(offset, 0xbeefc0de, true);
    return bytes;
  };
  const sqlite = new TextEncoder().encode("SQLite format 3\0and more of it...");
  const table: [what: string, header: Uint8Array, expected: boolean][] = [
    ["SQLite", sqlite, true],
    ["LMDB's data", lmdb(16), true],
    ["LMDB's lock file", lmdb(0), true],
    ["an empty file", new Uint8Array(0), false],
    ["a short one", lmdb(0).subarray(0, 3), false],
    ["another", new Uint8Array(32), false],
    ["part of a larger buffer", lmdb(16).subarray(4), false],
  ];
  for (const [what, header, expected] of table) {
    it(`${what}: ${expected}`, () => assert.equal(isMadeForSeveral(header), expected));
  }
});

describe("databaseOf()", () => {
  const table: [path: string, database: string | null][] = [
    ["/d/a.db-wal", "/d/a.db"],
    ["/d/a.db-shm", "/d/a.db"],
    ["/d/a.db-journal", "/d/a.db"],
    ["/d/a.db", null],
    ["/d/a-wal/b", null],
  ];
  for (const [path, database] of table) {
    it(path, () => assert.equal(databaseOf(path), database));
  }
});
