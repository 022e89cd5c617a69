/** One of several workers stops to accept: it alone is replaced, and those who wait in its queue get their answers. */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { acceptedBy } from "../support/line_clients.ts";
import { formatTally, Load } from "../support/load.ts";
import { alive, state } from "../support/proc.ts";
import { fixtureCommand } from "../support/servers.ts";
import { waitUntil } from "../support/wait_until.ts";

const CLIENTS = 8;
const FLAGS = ["--workers", "3", "--eject-after", "500ms", "--stop-time", "500ms"];

describe("a worker that accepts nothing while connections wait", () => {
  test("is replaced, and only what it has in its hands is lost", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const port = await freePort();
    await using baton = await startBaton({
      command: fixtureCommand("worker_http.js"),
      env: { PORT: String(port) },
      flags: FLAGS,
    });
    await using load = new Load({ port, clients: CLIENTS, timeoutMs: TEST_TIMEOUT_MS }).start();
    await load.answersMore(CLIENTS);
    const workers = async () => (await baton.status()).generations[0]?.workers ?? [];
    const before = await workers();
    const stopped = before[1]?.pid ?? 0;
    process.kill(stopped, "SIGSTOP");
    await waitUntil(() => state(stopped) === "T", { what: "it is stopped" });
    const inHands = acceptedBy(stopped, port);
    await waitUntil(() => !alive(stopped), { what: `worker 1 is killed\n${baton.stderr}` });
    const after = await waitUntil(async () => {
      const all = await workers();
      return all.every((each) => each.state === "serving") && all.length === 3 ? all : null;
    }, { what: `there are three again\n${baton.stderr}` });
    assert.deepEqual(after.map(({ restarts }) => restarts), [0, 1, 0]);
    assert.deepEqual([after[0]?.pid, after[2]?.pid], [before[0]?.pid, before[2]?.pid]);
    await load.answersMore(2 * CLIENTS);
    const tally = await load.stop();
    assert.ok(tally.lost <= inHands.size, `${formatTally(tally)}\n${baton.stderr}`);
    assert.equal((await baton.status()).epoch, 0);
  });
});
