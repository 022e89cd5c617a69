/** The gate when it is another baton that starts the new generation: as good as in a reload, or refused with the reason. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { HealthService } from "../support/health_service.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { alive, killTree } from "../support/proc.ts";
import { fixtureCommand } from "../support/servers.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const GATE = ["--ready", "http:/healthz", "--check-interval", "20ms", "--check-timeout", "10s"];

describe("the gate of another baton's generation", () => {
  test("upgrade: checks reach its candidate, users do not", TEST, async () => {
    await using service = await HealthService.start({ flags: [...GATE, "--live", "http:/livez"] });
    const load = new Load({ port: service.port, clients: 4, thinkTimeMs: 2 }).start();
    const before = service.counted(0).probes;
    service.deploy("2");
    const upgrade = service.baton.cli("upgrade", "--json");
    await waitUntil(() => service.counted(1).probes >= 30, { what: "it was asked 30 times" });
    assert.equal(service.counted(1).users, 0, "users at the candidate");
    assert.equal(service.counted(0).probes, before, "gate checks at the old generation");
    service.heal("2");
    const { code, stdout, stderr } = await upgrade;
    assert.equal(code, 0, stderr);
    const { pid } = JSON.parse(stdout);
    try {
      await waitUntil(() => service.counted(1).users > 20, { what: "users reach the new one" });
      await waitUntil(() => service.counted(1).live > 3, { what: "it is asked whether it lives" });
      const tally = await load.stop();
      assert.equal(tally.lost, 0, formatTally(tally));
      assert.match(service.counted(1).letters, /^p{30,}P[ul]+$/);
    } finally {
      if (alive(pid)) killTree(pid);
    }
  });

  test("takeover: a check that cannot get through is refused at once", TEST, async () => {
    await using service = await HealthService.start({ handoff: true });
    const load = new Load({ port: service.port, clients: 4, thinkTimeMs: 2 }).start();
    service.deploy("2", { healthy: true });
    await using successor = await startBaton({
      command: fixtureCommand("switch.sh"),
      env: { TARGET_FILE: service.work.join("target") },
      flags: ["--takeover", service.handoffSocket, ...GATE],
      expectFailure: true,
    });
    assert.equal((await successor.exited).code, 70);
    assert.match(successor.stderr, /http:\/healthz: in a takeover the old baton steers/);
    const answered = load.tally.ok;
    await waitUntil(() => load.tally.ok > answered + 20, { what: "the old one serves on" });
    const tally = await load.stop();
    assert.equal(tally.lost, 0, formatTally(tally));
    assert.equal(service.counted(1).letters, "");
  });
});
