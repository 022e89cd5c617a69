/**
 * baton has no descriptor left, and cannot ask how its servers are: that says nothing of them. Who serves is left
 * alone and asked again as soon as that can be done; who is in its gate waits, to its time-out.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import type { Baton } from "../support/baton.ts";
import { noIpv6 } from "../support/features.ts";
import { HealthService } from "../support/health_service.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
/** One failure is enough. */
const STRICT = ["--check-interval", "20ms", "--check-timeout", "10s", "--unhealthy-threshold", "1"];
const NONE = "3";
const NO_IPV6 = noIpv6(await testPlatform());

/** Sets the soft limit on descriptors; those that are open stay. prlimit(1) @returns what it was */
function limitDescriptors(baton: Baton, limit: string): string {
  const words = ["--pid", String(baton.pid), "--nofile"];
  const before = spawnSync("prlimit", [...words, "--noheadings", "--output=SOFT"]);
  const { status, stderr } = spawnSync("prlimit", [...words.slice(0, 2), `--nofile=${limit}:`]);
  assert.equal(status, 0, String(stderr));
  return String(before.stdout).trim();
}

/** Waits until this could not be checked, which is not to say that it is unhealthy. */
async function notAsked(baton: Baton, epoch: number, check: string): Promise<void> {
  const news = new RegExp(`generation ${epoch} (could not be checked|is unhealthy): ${check}: .*`);
  const line = await waitUntil(() => news.exec(baton.stderr)?.[0], {
    what: `baton says something of ${check}`,
  });
  assert.match(line, /could not be checked: \S+: Cannot /);
}

describe("without a descriptor left for a check", () => {
  for (const host of ["127.0.0.1", "::"]) {
    const options = { ...TEST, skip: host === "::" && NO_IPV6 };
    test(`--live of a server at ${host}: who serves is left alone`, options, async () => {
      const flags = ["--live", "http:/healthz", "--live", "exec:true", ...STRICT];
      await using service = await HealthService.start({ host, flags });
      const { baton } = service;
      await waitUntil(() => service.counted(0).probes > 0, { what: "it is asked" });
      const limit = limitDescriptors(baton, NONE);
      await notAsked(baton, 0, "http:/healthz");
      await notAsked(baton, 0, "exec:true");
      limitDescriptors(baton, limit);
      const asked = service.counted(0).probes;
      await waitUntil(() => service.counted(0).probes > asked, { what: "it is asked again" });
      const { epoch, generations } = await baton.status();
      assert.equal(epoch, 0, baton.stderr);
      assert.deepEqual(generations.map((each) => each.epoch), [0], baton.stderr);
      const checks = generations[0]!.checks;
      assert.deepEqual(checks.map(({ healthy, failures }) => [healthy, failures]), [
        [true, 0],
        [true, 0],
      ]);
      const told = baton.stderr.match(/could not be checked/g);
      assert.equal(told?.length, 2, `each is told once\n${baton.stderr}`);
    });
  }

  test("--ready: the gate stays closed to its time-out, which says why", TEST, async () => {
    const flags = ["--ready", "http:/healthz", "--ready-timeout", "3s", ...STRICT];
    await using service = await HealthService.start({ flags });
    service.deploy("2");
    const reload = service.baton.reload();
    await waitUntil(() => service.counted(1).probes > 0, { what: "the new one is asked" });
    const limit = limitDescriptors(service.baton, NONE);
    await notAsked(service.baton, 1, "http:/healthz");
    service.heal("2");
    const { result, reason } = await reload;
    limitDescriptors(service.baton, limit);
    assert.equal(result, "failed");
    assert.match(
      reason ?? "",
      /not ready within 3 s: http:\/healthz: could not be checked: Cannot /,
    );
    assert.equal((await service.baton.status()).epoch, 0);
  });
});
