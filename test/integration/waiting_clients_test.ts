/**
 * The promise: clients that wait while nothing serves reach the next generation when it is ready, and not when it only
 * listens: some servers answer with an error until then.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { kill, serves } from "../support/crashing.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { fixtureCommand } from "../support/servers.ts";
import { servingPid } from "../support/serving_pid.ts";
import { waitUntil } from "../support/wait_until.ts";

const CLIENTS = 16;
const STARTS_IN_MS = 500;

for (
  const [how, flags] of [
    ["has sent READY=1", []],
    ["has passed its check", ["--ready", "http:/"]],
  ] as const
) {
  test(`those who wait for the next server meet it when it ${how}`, {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const port = await freePort();
    await using baton = await startBaton({
      command: fixtureCommand("starting_up.py"),
      env: { PORT: String(port), MS: String(STARTS_IN_MS), PYTHONDONTWRITEBYTECODE: "1" },
      // Whatever it costs: with other orders only up to some rate of new connections, of all tests here.
      flags: ["--order", "stop-first", ...flags],
    });
    await waitUntil(async () => (await fetch(`http://127.0.0.1:${port}/`)).ok, { what: "ready" });
    await using load = new Load({ port, clients: CLIENTS, timeoutMs: TEST_TIMEOUT_MS }).start();
    for (const end of ["crash", "reload"] as const) {
      const { epoch, generations } = await baton.settled();
      const pid = servingPid({ generations });
      await waitUntil(() => (load.tally.byBody.get(pid) ?? 0) > CLIENTS, { what: "it answers" });
      if (end === "crash") kill(pid);
      else assert.equal((await baton.reload()).result, "ok", baton.stderr);
      const heir = servingPid(await serves(baton, epoch! + 1));
      await waitUntil(() => (load.tally.byBody.get(heir) ?? 0) > CLIENTS, {
        what: `${heir} answers those who wait`,
      });
    }
    const tally = await load.stop();
    const story = `${formatTally(tally)}\n${baton.stderr}`;
    process.stderr.write(`  ${formatTally(tally).split("\n")[0]}\n`);
    assert.equal(tally.unexpected + tally.refused + tally.timedOut + tally.other, 0, story);
    // What the killed process had accepted.
    assert.ok(tally.reset + tally.short <= CLIENTS, story);
    assert.ok(tally.maxLatencyMs >= STARTS_IN_MS, story);
    const { listeners } = await baton.status();
    assert.deepEqual(
      listeners[0]?.members.map(({ backlog }) => backlog).filter(Boolean),
      [],
      story,
    );
    assert.equal((await baton.stop()).code, 0, baton.stderr);
  });
}
