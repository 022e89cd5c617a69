/** Which changes at fixed paths are reported, and which are not. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { digest, pathKey, physicalPath } from "../../src/platform/files/path_key.ts";
import { prefixes, RemovalWatch } from "../../src/platform/files/removal_watch.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const OPTIONS = { timeout: TEST_TIMEOUT_MS };

/** Root in a container may not. */
function mayMount(): boolean {
  if (process.getuid!() !== 0) return false;
  using dir = tempDir();
  const { status } = spawnSync("mount", ["-t", "tmpfs", "baton-test", dir.path]);
  if (status === 0) spawnSync("umount", [dir.path]);
  return status === 0;
}

interface World {
  readonly platform: Platform;
  readonly dir: TempDir;
  /** Directory and socket that are watched. */
  readonly rt: string;
  readonly socket: string;
  signs: number;
  watch: () => void;
}

async function withWatch(use: (world: World) => Promise<void>): Promise<void> {
  await using platform = await testPlatform();
  using dir = tempDir();
  const rt = dir.join("a", "rt");
  fs.mkdirSync(rt, { recursive: true });
  const socket = `${rt}/web.sock`;
  using bound = platform.sockets.stream("unix");
  platform.sockets.bindUnix(bound, socket);
  const placeWatch = new RemovalWatch(platform, () => world.signs++);
  const world: World = {
    platform,
    dir,
    rt,
    socket,
    signs: 0,
    watch: () => placeWatch.watch([rt, socket]),
  };
  world.watch();
  try {
    await use(world);
  } finally {
    placeWatch.close();
  }
  assert.equal(platform.reactor.size, 0, "nothing is watched any more");
}

const heard = (world: World) => waitUntil(() => world.signs > 0, { what: "there was a sign" });

/** Things happen to what is not watched; ends when there would have been a sign of them. */
async function makeNoise(world: World): Promise<void> {
  for (const directory of [world.rt, world.dir.join("a"), world.dir.path]) {
    fs.writeFileSync(`${directory}/other`, "x");
    fs.chmodSync(`${directory}/other`, 0o600);
    fs.renameSync(`${directory}/other`, `${directory}/other2`);
    fs.rmSync(`${directory}/other2`);
  }
  // Signs come in order: had there been one, it would have come before this.
  let isOver = false;
  using other = tempDir();
  const otherWatch = new RemovalWatch(world.platform, () => isOver = true);
  otherWatch.watch([other.write("x", "")]);
  fs.rmSync(other.join("x"));
  await waitUntil(() => isOver, { what: "the other one has told" });
  otherWatch.close();
}

describe("PlaceWatch", () => {
  const ways: [string, (world: World) => void][] = [
    ["the socket is removed", ({ socket }) => fs.rmSync(socket)],
    ["the socket is renamed", ({ socket }) => fs.renameSync(socket, `${socket}.2`)],
    ["another file is put over it", ({ socket, dir }) => fs.renameSync(dir.write("x", ""), socket)],
    ["the directory is removed", ({ rt }) => fs.rmSync(rt, { recursive: true })],
    ["the directory is renamed", ({ rt }) => fs.renameSync(rt, `${rt}.2`)],
    ["the one above is renamed", ({ dir }) => fs.renameSync(dir.join("a"), dir.join("b"))],
  ];
  for (const [what, act] of ways) {
    test(`tells that ${what}`, OPTIONS, () =>
      withWatch(async (world) => {
        act(world);
        await heard(world);
      }));
  }

  test(
    "tells that what is missing comes back, one directory after the other",
    OPTIONS,
    () =>
      withWatch(async (world) => {
        fs.rmSync(world.dir.join("a"), { recursive: true });
        for (const path of [world.dir.join("a"), world.rt]) {
          world.watch();
          world.signs = 0;
          fs.mkdirSync(path);
          await heard(world);
        }
        world.watch();
        world.signs = 0;
        fs.writeFileSync(world.socket, "");
        await heard(world);
      }),
  );

  test(
    "says nothing of what else happens there, or above",
    OPTIONS,
    () =>
      withWatch(async (world) => {
        const mounts = () => fs.readFileSync("/proc/self/mountinfo", "utf8");
        for (let before = "", after = mounts(); before !== after; after = mounts()) {
          // Mounts are reported, also those of other tests.
          before = after;
          world.signs = 0;
          await makeNoise(world);
        }
        assert.equal(world.signs, 0);
      }),
  );

  test("tells of mounts, and of a lazy unmount", {
    ...OPTIONS,
    skip: !mayMount() && "nothing can be mounted here",
  }, () =>
    withWatch(async (world) => {
      spawnSync("mount", ["-t", "tmpfs", "baton-test", world.rt]);
      try {
        await heard(world);
        world.watch();
        world.signs = 0;
      } finally {
        spawnSync("umount", ["-l", world.rt]);
      }
      await heard(world);
    }));
});

describe("places", () => {
  test("prefixes() of a path are all directories above it", () => {
    assert.deepEqual(prefixes("/a/b/c"), ["/a", "/a/b", "/a/b/c"]);
    assert.deepEqual(prefixes("/"), []);
  });

  test("a place has one key by whatever way it is reached, there or not", OPTIONS, () => {
    using dir = tempDir();
    fs.symlinkSync(dir.path, dir.join("link"));
    const key = pathKey(dir.join("x", "web.lock"));
    assert.match(key, /^[0-9a-f]{32}$/);
    assert.equal(pathKey(dir.join("link", "x", "web.lock")), key);
    fs.mkdirSync(dir.join("x"));
    assert.equal(pathKey(dir.join("x", "web.lock")), key);
    assert.notEqual(pathKey(dir.join("x", "api.lock")), key);
    assert.equal(physicalPath("/"), "/");
  });

  test("digest() is FNV-1a", () => {
    // http://www.isthe.com/chongo/tech/comp/fnv/: "a" is af63dc4c8601ec8c.
    assert.equal(digest("a").slice(0, 16), "af63dc4c8601ec8c");
  });
});
