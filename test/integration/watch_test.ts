/** Promise: --watch reloads once for each change: a file that is replaced, and the swap of a mounted ConfigMap. */
import { appendFileSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
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
