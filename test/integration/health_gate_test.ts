/**
 * The promise: users meet a new version only once it has proven healthy. Counted at the servers, under load:
 * before that not one of their requests reaches it, and none is lost.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { HealthService } from "../support/health_service.ts";
import { noIpv6 } from "../support/features.ts";
import { repeats } from "../support/repeats.ts";
import { SideBySide } from "../support/side_by_side.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const NO_IPV6 = noIpv6(await testPlatform());
/** Patient: on a busy machine an answer may take its time. */
const GATE = ["--ready", "http:/healthz", "--check-timeout", "10s"];

async function reaches(load: Load, version: string): Promise<void> {
  const before = load.tally.byVersion.get(version) ?? 0;
  await waitUntil(() => (load.tally.byVersion.get(version) ?? 0) > before + 20, {
    what: `users reach version ${version}`,
  });
}

describe("a candidate with an http gate", () => {
  test("answers 500 for a while, then 200: no user meets it earlier", TEST, async () => {
    await using service = await HealthService.start({
      flags: [...GATE, "--healthy-threshold", "2", "--check-interval", "50ms"],
    });
    const load = new Load({ port: service.port, clients: 4, thinkTimeMs: 2 }).start();
    await reaches(load, "1");
    service.deploy("2");
    const reload = service.baton.reload();
    await waitUntil(() => service.counted(1).probes >= 15, { what: "it was asked 15 times" });
    assert.equal(service.counted(1).users, 0, "users of a version that is not healthy");
    assert.equal((await service.baton.status()).epoch, 0, "the old one serves");
    await reaches(load, "1");
    service.heal("2");
    const report = await reload;
    assert.equal(report.result, "ok", report.reason ?? "");
    await reaches(load, "2");
    const tally = await load.stop();
    assert.equal(tally.lost, 0, formatTally(tally));
    // After a first failure it takes as many successes as the threshold says: no more, no fewer.
    assert.match(service.counted(1).letters, /^p{15,}PPu+$/);
  });

  test("never turns healthy: exit 70, and the old one is as it was", TEST, async () => {
    await using service = await HealthService.start({
      flags: [...GATE, "--ready-timeout", "6s", "--check-interval", "50ms"],
    });
    const load = new Load({ port: service.port, clients: 4, thinkTimeMs: 2 }).start();
    await reaches(load, "1");
    const before = await service.baton.status();
    service.deploy("2");
    const { code, stderr, stdout } = await service.baton.cli("reload");
    assert.equal(code, 70, stdout + stderr);
    const message = /http:\/healthz: status 500 \((\d+) of (\d+) failed\)/.exec(stdout + stderr);
    assert.ok(message, stdout + stderr);
    assert.equal(message[1], message[2], "all have failed");
    await reaches(load, "1");
    const tally = await load.stop();
    assert.equal(tally.lost, 0, formatTally(tally));
    assert.deepEqual([...tally.byVersion.keys()], ["1"]);
    const asked = service.counted(1);
    assert.equal(asked.users, 0);
    assert.ok(Math.abs(asked.probes - Number(message[2])) <= 1, "it was asked as often as is said");
    const after = await service.baton.settled();
    assert.deepEqual(
      [after.epoch, after.generations.find(({ epoch }) => epoch === 0)?.pid],
      [0, before.generations[0]?.pid],
    );
  });
});

interface Place {
  readonly host: string;
  /** How it is loaded. */
  readonly client: string;
  readonly probes: number;
  readonly inherits?: boolean;
}

const MANY_PROBES = repeats({ full: 500, quick: 50 });
const SOME_PROBES = repeats({ full: 50, quick: 20 });
const PLACES: readonly (Place & { readonly name: string })[] = [
  { host: "127.0.0.1", client: "127.0.0.1", probes: MANY_PROBES },
  { host: "::1", client: "::1", probes: MANY_PROBES },
  { host: "0.0.0.0", client: "127.0.0.1", probes: SOME_PROBES },
  { host: "::", client: "127.0.0.1", probes: SOME_PROBES },
  { host: "::ffff:127.0.0.1", client: "127.0.0.1", probes: SOME_PROBES },
  { host: "127.0.0.1", client: "127.0.0.1", probes: SOME_PROBES, inherits: true },
].map((place) => {
  const { probes, host, inherits } = place;
  const where = `${host}${inherits ? ", inherited" : ""}`;
  return { ...place, name: `${probes} during a reload under load, at ${where}` };
});

async function isolated({ host, client, probes, inherits = false }: Place): Promise<void> {
  await using service = await HealthService.start({
    host,
    inherits,
    flags: [...GATE, "--check-interval", "1ms", "--live", "http:/livez"],
  });
  const load = new Load({ port: service.port, host: client, clients: 4, thinkTimeMs: 1 }).start();
  await reaches(load, "1");
  const before = service.counted(0).probes;
  const live = service.counted(0).live;
  service.deploy("2");
  const reload = service.baton.reload();
  const strays = () =>
    service.counted(1).users + service.counted(1).live + service.counted(0).probes - before;
  await waitUntil(() => service.counted(1).probes >= probes || strays() > 0, {
    what: `${probes} checks have come, or a stray`,
    deadlineMs: 30_000,
  });
  assert.equal(service.counted(1).users, 0, "users at the candidate");
  assert.equal(service.counted(1).live, 0, "liveness checks at the candidate");
  assert.equal(service.counted(0).probes, before, "gate checks at the old generation");
  assert.ok(service.counted(0).live > live, "the old generation was asked whether it lives");
  service.heal("2");
  assert.equal((await reload).result, "ok");
  await reaches(load, "2");
  const tally = await load.stop();
  assert.equal(tally.lost, 0, formatTally(tally));
  assert.equal(service.counted(0).probes, before, "gate checks at the old generation, later");
  // Liveness checks continue with the new one; those in flight to the old one have ended there.
  assert.match(service.counted(1).letters, /^p+P[ul]+$/);
  await waitUntil(() => service.counted(1).live > 0, { what: "the new one is asked" });
}

describe("checks reach the candidate and no other generation", () => {
  const lacks = ({ host }: Place) => host.includes(":") ? NO_IPV6 : false;
  const places = new SideBySide(PLACES.filter((place) => !lacks(place)), isolated);
  for (const place of PLACES) {
    const { name } = place;
    test(name, { ...TEST, skip: lacks(place) }, async () => await places.end(name));
  }
});
