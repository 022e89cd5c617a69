/** A new generation on trial: shares, ramps, baking, roll-backs, and what crashes mean meanwhile. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AT_ONCE, type Rollout } from "../../../src/lifecycle/rollout.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { type Line, play, Story } from "../../support/service_story.ts";

const serving = () => new Story().given("start", "listening 0", "ready 0");
const onTrial = (how: string) => serving().given(`reload 1 ${how}`, "listening 1", "ready 1");

function tell(name: string, story: () => Story, script: readonly Line[]): void {
  test(name, { timeout: TEST_TIMEOUT_MS }, () => play(story(), script));
}

const SWITCH = [
  "disarm bake 1",
  "switch 1",
  "arm health 1",
  "reload 1 ok by 1",
  "disarm health 0",
  "drain 0",
  "arm drain 0",
  "= 0 draining, 1 serving",
];
/** The same after the reload was answered. */
const LATER = SWITCH.filter((line) => !line.startsWith("reload"));

describe("a trial", () => {
  tell("bakes, and then serves", () => serving().given("reload 1 bake 5000", "listening 1"), [
    [
      "ready 1",
      "disarm ready 1",
      "share 1 100 %",
      "arm bake 1 for 5000",
      "= 0 serving, 1 baking",
    ],
    ["bake_elapsed 1", ...SWITCH],
  ]);

  tell("is refused a share where one path leads to one generation", serving, [
    [
      "reload 1 canary 5 unix:/run/a.sock",
      "reload 1 refused: unix:/run/a.sock: one path leads to one generation, and no share of its " +
      "connections to another: use --bake or --hold in place of --canary, --ramp and --rolling",
    ],
    ["reload 2 bake 5000 unix:/run/a.sock", "disarm_backoff", "spawn 1", "arm ready 1"],
  ]);

  tell("stays at a canary's share until it is promoted", () => {
    return serving().given("reload 1 canary 10", "listening 1");
  }, [
    ["ready 1", "disarm ready 1", "share 1 10 %", "reload 1 ok by 1", "= 0 serving, 1 baking"],
    ["share 8 25", "trial 8 ok", "disarm bake 1", "share 1 25 %"],
    ["promote 9", "trial 9 ok", ...LATER],
  ]);

  tell("bakes after its canary, if that was asked for", () => onTrial("canary 10 bake 5000"), [
    ["promote 8", "trial 8 ok", "disarm bake 1", "share 1 100 %", "arm bake 1 for 5000"],
    ["promote 9", "trial 9 ok", ...LATER],
  ]);

  tell("is promoted by a share of all", () => onTrial("canary 10"), [
    ["share 8 100", "trial 8 ok", "disarm bake 1", ...LATER],
  ]);

  tell("gets more and more in a ramp", () => serving().given("reload 1 ramp 60000"), [
    ["ready 1", "disarm ready 1", "share 1 0 %", "begin_ramp 1 from 0 % in 60000"],
    ["ramped 1 20", "share 1 20 %"],
    ["ramped 1 20"],
    ["ramped 1 10"],
    ["ramped 1 50", "share 1 50 %"],
    ["ramped 1 100", "end_ramp 1", "disarm bake 1", ...SWITCH],
    ["ramped 1 100"],
  ]);

  tell("may begin its ramp at a share, and bake after it", () => {
    return serving().given("reload 1 canary 5 ramp 1000 bake 500");
  }, [
    ["ready 1", "disarm ready 1", "share 1 5 %", "begin_ramp 1 from 5 % in 1000"],
    ["ramped 1 100", "end_ramp 1", "disarm bake 1", "share 1 100 %", "arm bake 1 for 500"],
    ["bake_elapsed 1", ...SWITCH],
  ]);

  tell("stays at the share that is requested in its ramp", () => onTrial("ramp 1000"), [
    [
      "share 8 30",
      "trial 8 ok",
      "end_ramp 1",
      "disarm bake 1",
      "share 1 30 %",
      "reload 1 ok by 1",
    ],
    ["ramped 1 60"],
    [
      "rollback 9",
      "trial 9 ok",
      "share 1 0 %",
      "disarm bake 1",
      "rolled_back 1: asked for",
      "arm aftermath 0",
      "drain 1",
      "arm drain 1",
      "= 0 serving, 1 draining",
    ],
  ]);

  tell("is held until an operator decides", () => serving().given("reload 1 hold"), [
    ["ready 1", "disarm ready 1", "share 1 100 %", "reload 1 ok by 1", "= 0 serving, 1 baking"],
    ["reload 2", "reload 2 refused: a generation is on trial: promote it or roll it back first"],
    ["promote 8", "trial 8 ok", ...LATER],
  ]);

  tell("does not concern the first generation", () => new Story({ rollout: BAKE }), [
    ["start", "disarm_backoff", "spawn 0", "arm ready 0"],
    ["ready 0", "disarm ready 0", "switch 0", "arm health 0", "= 0 serving"],
  ]);

  test("is as configured, unless a reload says how", { timeout: TEST_TIMEOUT_MS }, () => {
    const story = new Story({ rollout: BAKE }).given("start", "ready 0");
    story.given("reload 1", "ready 1");
    assert.equal(story.generations, "0 serving, 1 baking");
    const other = new Story({ rollout: BAKE }).given("start", "ready 0", "reload 1 canary 100");
    assert.deepEqual(other.tell("ready 1").slice(1, 2), ["share 1 100 %"]);
    const queued = new Story().given("start", "ready 0", "reload 1 bake 9", "reload 2");
    queued.given("ready 1", "bake_elapsed 1", "exited 0 0");
    assert.deepEqual(queued.tell("ready 2").slice(1, 2), ["switch 2"], "the next one has its own");
  });

  tell("lets other reloads wait while it has an end", () => onTrial("bake 5000"), [
    ["reload 2"],
    ["bake_elapsed 1", ...SWITCH.slice(0, -1), "disarm_backoff", "spawn 2", "arm ready 2"],
  ]);

  tell("cannot be promoted where there is none", serving, [
    ["promote 8", "trial 8 refused: no generation is on trial"],
    ["rollback 9", "trial 9 refused: no generation is on trial"],
    ["share 10 5", "trial 10 refused: no generation is on trial"],
  ]);
});

const BAKE: Rollout = { ...AT_ONCE, bakeMs: 5_000 };
const GONE = ["disarm all 1", "kill 1", "share 1 0 %", "disarm bake 1"];

describe("a roll-back", () => {
  tell("follows a crash: steered back first of all", () => onTrial("bake 5000"), [
    [
      "exited 1 139",
      ...GONE,
      "rolled_back 1: it exited: exit status 139",
      "reload 1 failed by 1: rolled back: it exited: exit status 139",
      "arm aftermath 0",
      "retire 1",
      "= 0 serving",
    ],
  ]);

  tell("follows a crash in a ramp", () => onTrial("ramp 5000"), [
    [
      "exited 1 0",
      ...GONE.slice(0, 3),
      "end_ramp 1",
      "disarm bake 1",
      "rolled_back 1: it exited: exit status 0",
      "reload 1 failed by 1: rolled back: it exited: exit status 0",
      "arm aftermath 0",
      "retire 1",
      "= 0 serving",
    ],
  ]);

  tell("follows bad health, and loses no connection", () => onTrial("bake 5000"), [
    [
      "unhealthy 1",
      "share 1 0 %",
      "disarm bake 1",
      "rolled_back 1: probes fail",
      "reload 1 failed by 1: rolled back: probes fail",
      "arm aftermath 0",
      "drain 1",
      "arm drain 1",
      "= 0 serving, 1 draining",
    ],
    ["drained 1", "disarm drain 1", "signal_stop 1", "arm stop 1"],
  ]);
});

describe("without a roll-back for bad health", () => {
  tell("a trial continues", () => {
    return new Story({ rollsBackUnhealthy: false }).given("start", "ready 0", "reload 1 bake 9")
      .given("ready 1");
  }, [
    ["unhealthy 1", "= 0 serving, 1 baking"],
  ]);
});

describe("while a generation is on trial", () => {
  tell("the crash of the one before promotes it", () => onTrial("bake 5000"), [
    [
      "exited 0 139",
      "disarm all 0",
      "kill 0",
      "disarm bake 1",
      "switch 1",
      "arm health 1",
      "reload 1 ok by 1",
      "retire 0",
      "= 1 serving",
    ],
  ]);

  tell("bad health of the one before promotes it", () => onTrial("bake 5000"), [
    ["unhealthy 0", ...SWITCH],
  ]);
  tell("bad health of the one before ends a canary", () => onTrial("canary 10"), [
    ["unhealthy 0", ...LATER],
  ]);
  tell("it goes before a warm older one, and its ramp ends", () => {
    return serving().given("reload 1", "ready 1", "reload 2 ramp 60000", "ready 2", "ramped 2 20");
  }, [
    [
      "unhealthy 1",
      "end_ramp 2",
      "disarm bake 2",
      "switch 2",
      "arm health 2",
      "reload 2 ok by 2",
      "disarm health 1",
      "drain 1",
      "arm drain 1",
      "= 0 draining, 1 draining, 2 serving",
    ],
    ["ramped 2 40"],
    ["reload 3", "disarm_backoff", "spawn 3", "arm ready 3"],
  ]);
  tell("the unhealthy one is not steered back to", () => {
    return onTrial("bake 5000").given("unhealthy 0");
  }, [
    ["unhealthy 1", "arm_backoff 0", "= 0 draining, 1 serving"],
  ]);

  tell("a stop drains both", () => onTrial("ramp 5000"), [
    [
      "stop",
      "reload 1 refused: baton is stopping",
      "disarm_backoff",
      "disarm health 0",
      "drain 0 stopping",
      "arm drain 0",
      "disarm health 1",
      "end_ramp 1",
      "disarm bake 1",
      "drain 1 stopping",
      "arm drain 1",
      "= 0 draining, 1 draining",
    ],
  ]);

  tell("baton is not upgraded", () => onTrial("hold"), [
    ["upgrade 7", "upgrade 7 refused: a reload is under way"],
  ]);
});

describe("a serving generation that is not healthy", () => {
  tell("gives way to the one before it, while that is warm", () => {
    return serving().given("reload 1", "ready 1");
  }, [
    [
      "unhealthy 1",
      "disarm drain 0",
      "steer_back 0",
      "arm health 0",
      "disarm health 1",
      "rolled_back 1: probes fail",
      "drain 1",
      "arm drain 1",
      "= 0 serving, 1 draining",
    ],
  ]);

  tell("is replaced by a fresh one, with growing delays and a limit", () => {
    return new Story({ backoff: { delayMs: 1_000, maxDelayMs: 1_500, limit: 3 } })
      .given("start", "ready 0");
  }, [
    ["unhealthy 0", "arm_backoff 0", "= 0 serving"],
    ["unhealthy 0"],
    ["upgrade 7", "upgrade 7 refused: a reload is under way"],
    ["backoff", "disarm_backoff", "spawn 1", "arm ready 1", "= 0 serving, 1 starting"],
    ["unhealthy 0"],
    ["failed 1 70", "disarm ready 1", "kill 1", "arm aftermath 0", "= 0 serving, 1 stopping"],
    ["exited 1 137", "disarm all 1", "kill 1", "retire 1", "= 0 serving"],
    ["unhealthy 0", "arm_backoff 1000"],
    ["reload 4", "disarm_backoff", "spawn 2", "arm ready 2"],
    [
      "failed 2 70",
      "disarm ready 2",
      "kill 2",
      "reload 4 failed by 2: reason 2",
      "arm aftermath 0",
    ],
    ["unhealthy 0", "arm_backoff 1500"],
    ["exited 0 139", "disarm all 0", "kill 0", "disarm_backoff", "disarm_backoff", "retire 0"],
  ]);
});
