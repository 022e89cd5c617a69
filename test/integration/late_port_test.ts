/**
 * The promise: a port that the server opens long after its start (a model is loaded, caches are warm) is not refused
 * after a reload. Until the new generation listens there the old one answers, or connections wait; if it does not in
 * time, the log and the report say so.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { after, describe, test } from "node:test";
import {
  answersOf,
  type LateService,
  nothingLost,
  opensLate,
  pidOf,
  startLate,
  stateOf,
} from "../support/late_service.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const CLIENTS = 4;

describe("a port that is opened late", () => {
  // Side by side: each has to serve for a while first.
  let services: Promise<LateService>[] | null = null;
  const service = (index: number): Promise<LateService> => {
    services ??= ["60s", "60s", "3s"].map((time) =>
      waitUntil(() => startLate(time), { what: `it is ready in ${time}` })
    );
    return services[index]!;
  };
  after(async () => {
    for (const started of await Promise.allSettled(services ?? [])) {
      if (started.status === "fulfilled") await started.value.baton[Symbol.asyncDispose]();
    }
  });

  test("is served by the old generation until the new one listens there", TEST, async () => {
    const found = await service(0);
    const { baton, late, address } = found;
    await using load = new Load({ port: late, clients: CLIENTS }).start();
    const old = pidOf(await baton.status(), 0);
    const { stdout, code } = await baton.cli("reload");
    assert.equal(code, 0, stdout);
    const line = `${address}: generation 0 answers there until generation 1 does`;
    assert.ok(stdout.includes(line), stdout);
    await waitUntil(() => baton.stderr.includes('{"kind":"drained","epoch":0}'), {
      what: "nothing else is left to do for it",
    });
    await answersOf(load, old);
    assert.equal(await stateOf(baton, 0), "draining");
    const { lastReload } = await baton.status();
    assert.deepEqual(lastReload?.late, [{ address, servedBy: 0, state: "waiting" }]);

    await opensLate(found, 1);
    await answersOf(load, pidOf(await baton.status(), 1));
    const settled = await baton.settled();
    assert.deepEqual(settled.lastReload?.late, [{ address, servedBy: 0, state: "opened" }]);
    await nothingLost(load, baton);
  });

  test("is kept when the old generation ends by itself: clients wait, and are answered", {
    ...TEST,
  }, async () => {
    const found = await service(1);
    const { baton, late, address } = found;
    assert.equal((await baton.reload()).result, "ok");
    process.kill(pidOf(await baton.status(), 0), "SIGKILL");
    await waitUntil(async () => await stateOf(baton, 0) === "exited", { what: "it is gone" });
    const options = { port: late, clients: CLIENTS, maxRequests: CLIENTS };
    await using load = new Load({ ...options, timeoutMs: TEST.timeout }).start();
    const waiting = async () => {
      const { listeners } = await baton.status();
      return listeners.find((each) => each.address === address)?.members.at(0)?.backlog;
    };
    await waitUntil(async () => await waiting() === CLIENTS, { what: "they wait" });
    assert.equal((await baton.status()).lastReload?.late[0]?.servedBy, null);
    await opensLate(found, 1);
    const tally = await load.finished();
    assert.deepEqual(
      [tally.ok, tally.lost],
      [CLIENTS, 0],
      `${formatTally(tally)}\n${baton.stderr}`,
    );
    assert.deepEqual([...tally.byBody.keys()], [pidOf(await baton.status(), 1)]);
    // The next reload finds an ordinary late port.
    await using more = new Load({ port: late, clients: CLIENTS }).start();
    assert.equal((await baton.reload()).late[0]?.servedBy, 1);
    await opensLate(found, 2);
    await baton.settled();
    await nothingLost(more, baton);
  });

  test("is given up after --ready-timeout, and that is said", TEST, async () => {
    const { baton, late, address } = await service(2);
    // The time is for the start too, which may take longer here.
    const { epoch, late: [waiting] } = await waitUntil(async () => {
      const report = await baton.reload();
      return report.result === "ok" ? report : null;
    }, { what: `a reload is ok\n${baton.stderr}` });
    assert.equal(waiting?.servedBy, 0);
    const { lastReload } = await baton.settled();
    assert.deepEqual(lastReload?.late, [{ address, servedBy: 0, state: "given up" }]);
    const said =
      `error: generation ${epoch} does not listen at ${address}, where the one before it did, ` +
      "3 s after the switch (--ready-timeout): generation 0 is stopped";
    assert.ok(baton.stderr.includes(said), baton.stderr);
    const asked = await new Load({ port: late, clients: 1, maxRequests: 1 }).start().finished();
    assert.equal(asked.refused, 1, formatTally(asked));
    const { stdout } = await baton.cli("status");
    assert.ok(stdout.includes(`${address}: generation ${epoch} did not open it`), stdout);
  });
});
