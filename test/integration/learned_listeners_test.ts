/**
 * The promise: where pidfd_getfd is refused, the generation after the first makes outgoing connections without baton,
 * and its listeners have every option that the server has set. A server that needs its first socket keeps it.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { restrictedBy } from "../support/restrict.ts";
import { fixtureCommand, place, server } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";

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
