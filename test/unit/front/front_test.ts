/** What a candidate must pass at the front, with an Envoy that is played: it answers as its administration interface does. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { describe, test } from "node:test";
import { Front } from "../../../src/front/front.ts";
import type { FrontedAddress } from "../../../src/steering/front/endpoints.ts";
import type { Listeners } from "../../../src/steering/listeners.ts";
import { endpointsIn } from "../../support/fake_front.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { tempDir } from "../../support/temp_dir.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { testPlatform } from "../../support/test_platform.ts";

const OPTIONS = { timeout: TEST_TIMEOUT_MS };
const OLD = 3;
const NEW = 4;
const TIMEOUT_MS = 3_000;
const TICK_MS = 20;

interface Play {
  /** Whether Envoy does what the file says. */
  follows?: boolean;
  /** Each change counts as rejected. */
  rejects?: boolean;
  hasChecks?: boolean;
  policy?: string;
  isSilent?: boolean;
}

/** Answers at `path`, and notes the states that the file has at each question. */
function play(path: string, file: string, { follows = true, ...play }: Play) {
  let looks = 0;
  const seen: string[] = [];
  const statesIn = () => endpointsIn(file).map(({ at, health }) => `${at} ${health}`).join(", ");
  const clusters = (isFirst: boolean) => ({
    cluster_statuses: [{
      name: "web",
      host_statuses: endpointsIn(file).slice(0, follows || isFirst ? undefined : 1).map((each) => ({
        address: { socket_address: { address: each.host, port_value: each.port } },
        health_status: { eds_health_status: follows ? each.health : "HEALTHY" },
        weight: each.weight,
      })),
    }],
  });
  const answerTo = (url: string): string => {
    if (seen.at(-1) !== statesIn()) seen.push(statesIn());
    if (url.startsWith("/clusters")) return JSON.stringify(clusters(looks === 0));
    if (url.startsWith("/config_dump")) {
      return JSON.stringify({ configs: [{ cluster: { name: "web", lb_policy: play.policy } }] });
    }
    const checks = play.hasChecks ? "cluster.web.health_check.attempt: 1\n" : "";
    return `cluster.web.update_rejected: ${play.rejects ? looks++ : 0}\n${checks}`;
  };
  const server: Server = createServer((request, response) => {
    if (!play.isSilent) response.end(answerTo(request.url ?? ""));
  });
  return {
    seen,
    server,
    listen: () => new Promise<void>((resolve) => server.listen(path, resolve)),
  };
}

/** @returns why the candidate may not serve; and what was in the file meanwhile, and is now */
async function admit(
  played: Play,
  { leads = true, isShared = false, breaks = false, cancels = false } = {},
) {
  const clock = new FakeClock();
  await using platform = await testPlatform(clock);
  using dir = tempDir();
  const file = dir.join("eds.yaml");
  const endpoint = (epoch: number, isReceiving: boolean) => ({
    epoch,
    worker: 0,
    address: { host: `127.66.${epoch}.1`, port: 3000 },
    state: isReceiving
      ? "receiving" as const
      : epoch === NEW
      ? "candidate" as const
      : "left" as const,
    percent: null,
  });
  const frontEndpoints = (planned: number | null): FrontedAddress[] => [{
    text: "127.0.0.1:3000",
    port: 3000,
    endpoints: [OLD, NEW].map((epoch) => endpoint(epoch, epoch === (planned ?? OLD))),
  }];
  const admin = dir.join("admin.sock");
  const listeners = { groups: [], servingEpoch: OLD, onFrontChange: null, frontEndpoints };
  const said: string[] = [];
  const say = (text: string) => void said.push(text);
  const front = new Front({
    platform,
    listeners: listeners as unknown as Listeners,
    service: "web",
    specs: [{
      file,
      cluster: null,
      port: null,
      admins: [{ family: "unix", path: admin }],
      acks: null,
      timeoutMs: TIMEOUT_MS,
    }],
    log: say,
    warn: say,
    logError: say,
  });
  front.update();
  const envoy = play(admin, file, played);
  await envoy.listen();
  if (breaks) front.files[0]!.prepare = () => Promise.reject(new Error("a fault of ours"));
  // Time passes as this process runs: on a busy machine no slower answer is late.
  const ticking = setInterval(() => void clock.advance(TICK_MS), 1);
  try {
    const before = readFileSync(file, "utf8");
    const reason = await new Promise<string | null>((resolve) => {
      const asked = front.admit({ epoch: NEW, leads, isShared }, resolve);
      if (cancels) asked.kill();
    });
    return { reason, seen: envoy.seen, isAsBefore: readFileSync(file, "utf8") === before };
  } finally {
    clearInterval(ticking);
    front.close(false);
    envoy.server.closeAllConnections();
    envoy.server.close();
  }
}

const ALONE = "127.66.3.1:3000 HEALTHY";
const INTRODUCED = "127.66.3.1:3000 HEALTHY, 127.66.4.1:3000 DRAINING";
const SWITCHED = "127.66.3.1:3000 DRAINING, 127.66.4.1:3000 HEALTHY";

describe("Front.admit()", () => {
  test("is one change of the file, which the Envoy follows", OPTIONS, async () => {
    const { reason, seen } = await admit({});
    assert.equal(reason, null);
    assert.deepEqual(seen, [ALONE, SWITCHED]);
  });

  test("names the candidate first where Envoy checks it itself", OPTIONS, async () => {
    const { reason, seen } = await admit({ hasChecks: true });
    assert.equal(reason, null);
    assert.deepEqual(seen, [ALONE, INTRODUCED, SWITCHED]);
  });

  test("only names a candidate that gets a part", OPTIONS, async () => {
    const { reason, seen } = await admit({}, { leads: false, isShared: true });
    assert.equal(reason, null);
    assert.deepEqual(seen, [ALONE, INTRODUCED]);
  });

  for (
    const [what, played, options, expected, states] of [
      [
        "an Envoy that does not follow",
        { follows: false },
        {},
        /does not follow .*eds\.yaml: Envoy at unix:.* \(after 3 s\)$/,
        [ALONE, SWITCHED],
      ],
      [
        "an Envoy that rejects the file",
        { follows: false, rejects: true },
        {},
        /has rejected .*update_rejected.*its log says why$/,
        [ALONE, SWITCHED],
      ],
      [
        "an Envoy that is silent",
        { isSilent: true },
        {},
        /the front does not answer: .*no answer/,
        [],
      ],
      [
        "shares that Envoy would not keep",
        { policy: "LEAST_REQUEST" },
        { leads: false, isShared: true },
        /has lb_policy LEAST_REQUEST, which does not share requests out by weights/,
        [ALONE],
      ],
      [
        "a generation that is stopped meanwhile",
        {},
        { cancels: true },
        /^it was stopped while the front was asked$/,
        [ALONE],
      ],
      ["a fault of baton's own", {}, { breaks: true }, /^the front cannot be asked: a fault/, []],
    ] as const
  ) {
    test(`${what}: the file is as before`, OPTIONS, async () => {
      const { reason, seen, isAsBefore } = await admit(played, options);
      assert.match(reason ?? "", expected);
      assert.equal(isAsBefore, true);
      assert.deepEqual(seen.slice(0, states.length), [...states]);
      assert.deepEqual(
        seen.filter((each) => each !== ALONE && !states.some((s) => s === each)),
        [],
      );
    });
  }
});
