/** Promise: --watch reloads once for each change: a file that is replaced, and the swap of a mounted ConfigMap. */
import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { describe, test } from "node:test";
import { type Baton, runCommand, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { notPermitted } from "../support/restrict.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const OPTIONS = { timeout: TEST_TIMEOUT_MS };

async function watching(path: string): Promise<Baton> {
  return await startBaton({
    command: fixtureCommand("node_http.js"),
    env: { PORT: String(await freePort()) },
    flags: ["--watch", path],
  });
}

async function reaches(baton: Baton, epoch: number): Promise<void> {
  await waitUntil(async () => (await baton.settled()).epoch === epoch, { what: `epoch ${epoch}` });
}

/** Runs a program in a user namespace with so many instances of inotify. */
function withInstances(count: number): string[] {
  const script = `echo ${count} >/proc/sys/user/max_inotify_instances && exec "$@"`;
  return ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh"];
}

describe(
  "--watch where the kernel watches nothing more",
  { skip: notPermitted(withInstances(0)) },
  () => {
    test("starts no server, and says what to raise", OPTIONS, async () => {
      using dir = tempDir("watch");
      await using baton = await startBaton({
        command: ["touch", dir.join("started")],
        env: {},
        flags: ["--watch", dir.path],
        wrapper: withInstances(0),
        expectFailure: true,
      });
      assert.equal((await baton.exited).code, 71);
      assert.match(
        baton.stderr,
        /^baton: Cannot watch \S+ \(--watch\): .*EMFILE\n {2}Raise fs\.inotify\./m,
      );
      assert.equal(existsSync(dir.join("started")), false);
    });

    test("serves on without it after an upgrade in place", OPTIONS, async () => {
      using dir = tempDir("watch");
      await using baton = await startBaton({
        command: fixtureCommand("node_http.js"),
        env: { PORT: String(await freePort()) },
        flags: ["--watch", dir.path],
        wrapper: withInstances(8),
      });
      const limit = "/proc/sys/user/max_inotify_instances";
      const words = ["--target", String(baton.pid), "--user", "--preserve-credentials", "--"];
      const { code, stderr } = await runCommand([
        "nsenter",
        ...words,
        "sh",
        "-c",
        `echo 0 >${limit}`,
      ]);
      assert.equal(code, 0, stderr);
      assert.equal((await baton.cli("upgrade", "--in-place")).code, 0, baton.stderr);
      assert.match(baton.stderr, /error: continuing without it: Cannot watch /);
      assert.equal((await baton.reload()).result, "ok", baton.stderr);
    });
  },
);

describe("--watch", () => {
  test("reloads when a file is written, replaced, or appears", OPTIONS, async () => {
    using dir = tempDir("watch");
    const path = dir.join("settings");
    await using baton = await watching(path);
    writeFileSync(path, "one");
    await reaches(baton, 1);
    writeFileSync(dir.join("new"), "two, by rename");
    renameSync(dir.join("new"), path);
    await reaches(baton, 2);
  });

  test("reloads while another file in the directory grows all the time", OPTIONS, async () => {
    using dir = tempDir("watch");
    const path = dir.join("settings");
    await using baton = await watching(path);
    const log = setInterval(() => appendFileSync(dir.join("log"), "a line\n"), 20);
    try {
      writeFileSync(path, "one");
      await reaches(baton, 1);
    } finally {
      clearInterval(log);
    }
  });

  test("reloads when directories appear, and the file in them", OPTIONS, async () => {
    using dir = tempDir("watch");
    const path = dir.join("not", "there", "settings");
    await using baton = await watching(path);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, "one");
    await reaches(baton, 1);
    writeFileSync(path, "another one");
    await reaches(baton, 2);
  });

  test("reloads at the swap of ..data, as the kubelet does it", OPTIONS, async () => {
    using dir = tempDir("watch");
    const publish = (version: string) => {
      mkdirSync(dir.join(version));
      writeFileSync(dir.join(version, "key"), version);
      symlinkSync(version, dir.join("..data_tmp"));
      renameSync(dir.join("..data_tmp"), dir.join("..data"));
    };
    publish("..2026_01");
    symlinkSync("..data/key", dir.join("key"));
    await using baton = await watching(dir.join("key"));
    publish("..2026_02");
    await reaches(baton, 1);
    publish("..2026_03");
    await reaches(baton, 2);
  });
});
