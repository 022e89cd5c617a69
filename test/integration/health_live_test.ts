/**
 * The promise: a serving generation is checked repeatedly, and only it, whichever others get connections; and one that
 * does not answer as it should is replaced, by Envoy's rules for what that means.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import type { CheckView } from "../../src/report/snapshot.ts";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { HealthService } from "../support/health_service.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { deploy, fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
/** Often, and patient: on a busy machine an answer may take its time. */
const FAST = ["--check-interval", "20ms", "--check-timeout", "10s"];
const LIVE = ["--live", "http:/healthz", ...FAST];

async function checksOf(baton: Baton, epoch: number): Promise<readonly CheckView[]> {
  const { generations } = await baton.status();
  return generations.find((each) => each.epoch === epoch)?.checks ?? [];
}

async function serves(baton: Baton, epoch: number): Promise<void> {
  await waitUntil(async () => (await baton.status()).epoch === epoch, {
    what: `generation ${epoch} serves\n${baton.stderr}`,
  });
}

describe("--live", () => {
  test(
    "a wrong answer: the generation is replaced at once, and no client notices",
    TEST,
    async () => {
      // Counted, it would take a thousand.
      const flags = [...LIVE, "--unhealthy-threshold", "1000"];
      await using service = await HealthService.start({ flags });
      const load = new Load({ port: service.port, clients: 4, thinkTimeMs: 2 }).start();
      await waitUntil(() => service.counted(0).probes > 3, { what: "it is asked" });
      service.deploy("2", { healthy: true });
      service.harm("1");
      await serves(service.baton, 1);
      const tally = await load.stop();
      assert.equal(tally.lost, 0, formatTally(tally));
      assert.match(service.baton.stderr, /generation 0 is unhealthy: http:\/healthz: status 500/);
      const [check] = await checksOf(service.baton, 1);
      assert.deepEqual([check?.role, check?.healthy, check?.failures], ["live", true, 0]);
    },
  );

  test("on trial: rolled back to the one before", TEST, async () => {
    await using service = await HealthService.start({
      flags: [...LIVE, "--ready", "http:/healthz", "--bake", "30s"],
    });
    const load = new Load({ port: service.port, clients: 4, thinkTimeMs: 2 }).start();
    service.deploy("2", { healthy: true });
    const reload = service.baton.reload();
    await waitUntil(() => service.counted(1).users > 20, { what: "users reach the new one" });
    service.harm("2");
    const report = await reload;
    assert.match(report.reason ?? "", /http:\/healthz: status 500/);
    await serves(service.baton, 0);
    const tally = await load.stop();
    assert.equal(tally.lost, 0, formatTally(tally));
  });

  test("two generations get connections: each is asked about itself", TEST, async () => {
    await using service = await HealthService.start({
      flags: ["--live", "http:/livez", "--live", "tcp", ...FAST, "--canary", "50%"],
      env: { ECHO_EPOCH: "1" },
    });
    const load = new Load({ port: service.port, clients: 4, thinkTimeMs: 2 }).start();
    service.deploy("2", { healthy: true });
    const reload = service.baton.reload();
    await waitUntil(() => Math.min(service.counted(0).live, service.counted(1).live) >= 15, {
      what: "both are asked 15 times",
    });
    assert.ok(service.counted(1).users > 0, "users reach the canary");
    for (const epoch of [0, 1]) {
      // An answer of the other one names that one, and would be a failure.
      for (const { failures, check } of await checksOf(service.baton, epoch)) {
        assert.equal(failures, 0, `${check} of generation ${epoch}`);
      }
    }
    const promoted = await service.baton.cli("promote");
    assert.equal(promoted.code, 0, promoted.stderr);
    await reload;
    const tally = await load.stop();
    assert.equal(tally.lost, 0, formatTally(tally));
  });

  test("continues after an upgrade of baton in place", TEST, async () => {
    await using service = await HealthService.start({ flags: LIVE });
    const upgraded = await service.baton.cli("upgrade", "--in-place");
    assert.equal(upgraded.code, 0, upgraded.stderr);
    const before = service.counted(0).probes;
    await waitUntil(() => service.counted(0).probes > before + 3, { what: "it is asked again" });
    service.deploy("2", { healthy: true });
    service.harm("1");
    await serves(service.baton, 1);
  });

  test("stops when the service stops, and leaves nothing behind", TEST, async () => {
    await using service = await HealthService.start({
      flags: [...LIVE, "--live", "exec:true", "--live", "tcp"],
    });
    const idle = (await service.baton.status()).self.watches;
    await waitUntil(
      async () => (await checksOf(service.baton, 0)).every(({ successes }) => successes > 20),
      { what: "each was asked 20 times" },
    );
    // Checks under way are a few; a leak would be one for each that there was.
    assert.ok((await service.baton.status()).self.watches <= idle + 6);
    assert.equal((await service.baton.stop()).code, 0);
  });

  test("is over when a stop begins: its own checks are no traffic to wait for", TEST, async () => {
    await using service = await HealthService.start({
      flags: ["--live", "http:/livez", ...FAST, "--min-drain", "1s", "--quiet", "100ms"],
    });
    await waitUntil(() => service.counted(0).live > 3, { what: "it is asked" });
    service.baton.signal("SIGTERM");
    await waitUntil(() => service.baton.stderr.includes("SIGTERM"), { what: "the stop begins" });
    const before = service.counted(0).live;
    assert.equal((await service.baton.exited).code, 0);
    // In the second that it took at least it would have been asked some 40 times.
    const after = service.counted(0).live - before;
    assert.ok(after <= 10, `asked ${after} times during the stop`);
  });

  test("status shows each check", TEST, async () => {
    await using service = await HealthService.start({
      flags: [...LIVE, "--ready", "log:listens", "--ready", "tcp"],
    });
    await waitUntil(() => service.counted(0).probes > 1, { what: "it is asked" });
    const checks = await checksOf(service.baton, 0);
    assert.deepEqual(checks.map(({ check, role, healthy }) => [check, role, healthy]), [
      ["log:listens", "ready", true],
      ["tcp", "ready", true],
      ["http:/healthz", "live", true],
    ]);
    const { stdout } = await service.baton.cli("status");
    assert.match(stdout, /CHECK +EPOCH +FOR +HEALTHY +FAILED +LAST/);
    assert.match(stdout, /http:\/healthz +0 +live +yes +0 of \d+ +status 200/);
  });
});

describe("a socket that all generations share", {
  skip: process.getuid?.() !== 0 && "needs root, for a socket of another user",
}, () => {
  async function sharedService(flags: readonly string[], env: Record<string, string> = {}) {
    const work = tempDir("shared");
    const port = await freePort();
    const place = (version: string, more: Record<string, string> = {}) =>
      deploy(work.join("target"), {
        command: fixtureCommand("health_http.js"),
        env: { VERSION: version, RECORD: work.join("record"), ...env, ...more },
      });
    place("1");
    const baton = await startBaton({
      command: fixtureCommand("switch.sh"),
      env: { TARGET_FILE: work.join("target"), SOCKET_PORT: String(port) },
      wrapper: fixtureCommand("with_foreign_socket.py"),
      flags: [...flags, ...FAST],
    });
    return {
      baton,
      work,
      place,
      port,
      [Symbol.asyncDispose]: async () => {
        await baton[Symbol.asyncDispose]();
        work[Symbol.dispose]();
      },
    };
  }

  test("a check whose answer tells no generation is refused, with the reason", TEST, async () => {
    await using service = await sharedService(["--ready", "tcp"]);
    assert.equal((await service.baton.status()).listeners[0]?.origin, "shared");
    const { code, stdout, stderr } = await service.baton.cli("reload");
    assert.equal(code, 70);
    assert.match(stdout + stderr, /tcp: all generations share the socket at 127\.0\.0\.1:\d+/);
    assert.equal((await service.baton.status()).epoch, 0);
  });

  test("only an answer of the candidate itself counts", TEST, async () => {
    await using service = await sharedService(["--ready", "http:/healthz"], { ECHO_EPOCH: "1" });
    // The new one is not well, and the old one, which answers too, is.
    service.place("2", { HEALTHY_FILE: service.work.join("healthy") });
    const reload = service.baton.reload();
    const asked = await waitUntil(async () => {
      const [check] = await checksOf(service.baton, 1);
      return check !== undefined && check.failures >= 20 ? check : null;
    }, { what: "it was asked 20 times" });
    assert.deepEqual([asked.healthy, asked.successes], [false, 0]);
    service.place("2");
    const { pid } = (await service.baton.status()).generations.find(({ epoch }) => epoch === 1) ??
      {};
    process.kill(pid ?? NaN, "SIGKILL");
    assert.equal((await reload).result, "failed");
    assert.equal((await service.baton.reload()).result, "ok");
  });
});
