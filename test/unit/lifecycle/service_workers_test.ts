/** How many workers a generation has: an operator's change of the number, and rolling reloads. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { type Line, play, Story } from "../../support/service_story.ts";

const serving = (workers = 3) => new Story({ workers }).given("start", "listening 0", "ready 0");

function tell(name: string, story: () => Story, script: readonly Line[]): void {
  test(name, { timeout: TEST_TIMEOUT_MS }, () => play(story(), script));
}

const SPAWN_1 = ["disarm_backoff", "spawn 1", "arm ready 1"];
const ROLLED_BACK = ["arm aftermath 0", "drain 1", "arm drain 1", "= 0 serving, 1 draining"];

describe("the number of workers", () => {
  tell("is as configured at first", () => new Story({ workers: 3 }), [
    ["start", "disarm_backoff", "spawn 0 with 3", "arm ready 0"],
    ["ready 0", "disarm ready 0", "switch 0", "arm health 0"],
  ]);

  tell("changes when an operator asks for it, and the answer comes when it has", serving, [
    ["scale 7 4", "scale 0 to 4"],
    ["scaled 0 3"],
    ["scaled 0 4", "scale 7 ok with 4"],
    ["scaled 0 4"],
    ["scale 8 -1", "scale 0 to 3"],
    ["scaled 0 3", "scale 8 ok with 3"],
    ["scale 9 +2", "scale 0 to 5"],
  ]);

  tell("is that of later generations too", () => serving().given("scale 7 5", "scaled 0 5"), [
    ["reload 1", "disarm_backoff", "spawn 1 with 5", "arm ready 1"],
  ]);

  tell("is that of a replacement", () => serving().given("scale 7 2", "scaled 0 2"), [
    [
      "exited 0 3",
      "disarm all 0",
      "kill 0",
      "arm_backoff 0",
    ],
    ["backoff", "disarm_backoff", "spawn 1 replacing 0 with 2", "arm ready 1"],
  ]);

  tell("changes again before it has changed: all who wait get the last one", serving, [
    ["scale 7 5", "scale 0 to 5"],
    ["scale 8 +1", "scale 0 to 6"],
    ["scaled 0 5"],
    ["scaled 0 6", "scale 7+8 ok with 6"],
  ]);

  tell("does not change for the same number", serving, [["scale 7 3", "scale 7 ok with 3"]]);

  tell("is what it was when a further worker fails", serving, [
    ["scale 7 5", "scale 0 to 5"],
    ["worker_exited 0 1", "replace_worker 0 1"],
    ["worker_exited 0 4", "scale 0 to 3", "scale 7 failed with 3: worker 4 exited"],
    ["reload 1", "disarm_backoff", "spawn 1 with 3", "arm ready 1"],
  ]);

  tell("stays where a worker exits that none has asked for now", serving, [
    ["worker_exited 0 2", "replace_worker 0 2"],
  ]);

  tell("has limits", serving, [
    ["scale 7 0", "scale 7 refused with 3: one worker is the least: 'baton stop' ends the service"],
    [
      "scale 8 -3",
      "scale 8 refused with 3: one worker is the least: 'baton stop' ends the service",
    ],
    [
      "scale 9 65",
      "scale 9 refused with 3: 64 workers are the most",
    ],
  ]);

  tell("is one where the server must not run twice", () => {
    return new Story({ order: "stop-first" }).given("start", "ready 0");
  }, [["scale 7 2", "scale 7 refused with 1: the server must not run twice (--order stop-first)"]]);

  const REFUSED = "scale when it has ended";
  const refusals: [given: string[], reason: string][] = [
    [["reload 1"], `a reload is under way: ${REFUSED}`],
    [["reload 1 hold", "ready 1"], `a reload is under way: ${REFUSED}`],
    [["unhealthy 0"], `a reload is under way: ${REFUSED}`],
    [["upgrade 7"], "an upgrade is under way"],
    [["stop"], "baton is stopping"],
    [["exited 0 3"], "nothing serves"],
  ];
  for (const [events, reason] of refusals) {
    test(`does not change after "${events.at(-1)}"`, { timeout: TEST_TIMEOUT_MS }, () => {
      const answer = serving().given(...events).tell("scale 9 4");
      assert.deepEqual(answer, [`scale 9 refused with 3: ${reason}`]);
    });
  }

  tell("does not change before the first generation serves", () => new Story().given("start"), [
    ["scale 9 4", "scale 9 refused with 1: the first generation is not ready yet"],
  ]);

  const changing = () => serving().given("scale 7 4");

  tell("keeps an upgrade waiting for another try", changing, [
    ["upgrade 8 in_place", "upgrade 8 refused: the number of workers is being changed"],
  ]);

  test("is that of the next generation, and so answered, when that serves", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    const story = changing().given("reload 1");
    const last = story.tell("ready 1").at(-1);
    assert.equal(last, "scale 7 ok with 4");
  });

  test("is answered when the one that changes exits, or baton stops", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    const crashed = changing().tell("exited 0 3").at(-1);
    assert.equal(crashed, "scale 7 failed with 4: generation 0 does not serve any more");
    const stopped = changing().tell("stop").at(-1);
    assert.equal(stopped, "scale 7 refused with 4: baton is stopping");
  });
});

describe("a rolling reload", () => {
  const rolling = () => serving().given("reload 1 rolling", "listening 1");

  tell("replaces worker after worker, and then the new generation serves", serving, [
    ["reload 1 rolling", ...SPAWN_1],
    ["listening 1"],
    ["ready 1", "disarm ready 1", "share 1 33.33 %", "scale 0 to 2", "= 0 serving, 1 baking"],
    ["scaled 0 2", "scale 1 to 2"],
    ["scaled 1 2", "share 1 66.67 %", "scale 0 to 1"],
    ["scaled 0 1", "scale 1 to 3"],
    [
      "scaled 1 3",
      "disarm bake 1",
      "switch 1",
      "arm health 1",
      "reload 1 ok by 1",
      "disarm health 0",
      "drain 0",
      "arm drain 0",
      "= 0 draining, 1 serving",
    ],
  ]);

  tell("bakes when all workers are new", () => serving(2).given("reload 1 rolling 1 bake 9"), [
    ["ready 1", "disarm ready 1", "share 1 50 %", "scale 0 to 1"],
    ["scaled 0 1", "scale 1 to 2"],
    ["scaled 1 2", "share 1 100 %", "arm bake 1 for 9"],
  ]);

  tell("of one worker is like any other", () => serving(1).given("reload 1 rolling"), [
    [
      "ready 1",
      "disarm ready 1",
      "disarm bake 1",
      "switch 1",
      "arm health 1",
      "reload 1 ok by 1",
      "disarm health 0",
      "drain 0",
      "arm drain 0",
    ],
  ]);

  tell("whose first worker fails costs nothing", rolling, [
    [
      "failed 1 70",
      "disarm ready 1",
      "kill 1",
      "reload 1 failed by 1: reason 1",
      "arm aftermath 0",
    ],
    ["exited 1 70", "disarm all 1", "kill 1", "retire 1"],
  ]);

  tell("is rolled back when a later worker fails; then the old ones come again", () => {
    return rolling().given("ready 1", "scaled 0 2");
  }, [
    [
      "worker_exited 1 1",
      "share 1 0 %",
      "disarm bake 1",
      "rolled_back 1: worker 1 exited",
      "reload 1 failed by 1: rolled back: worker 1 exited",
      ...ROLLED_BACK,
    ],
    ["drained 1", "disarm drain 1", "signal_stop 1", "arm stop 1"],
    ["exited 1 0 stopped", "disarm all 1", "kill 1", "retire 1", "scale 0 to 3"],
  ]);

  test("is rolled back when its generation exits or is unhealthy, or an operator wants it", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    const half = () => rolling().given("ready 1", "scaled 0 2");
    assert.equal(half().tell("exited 1 3").at(-1), "scale 0 to 3", "its memory is free at once");
    for (const event of ["unhealthy 1", "rollback 9"]) {
      const story = half().given(event);
      assert.equal(story.generations, "0 serving, 1 draining");
      assert.equal(story.state.generations[0]?.workers, 2);
      assert.equal(story.given("exited 1 0").state.generations[0]?.workers, 3);
    }
  });

  test("ends with all workers when it is promoted early, or the old generation exits", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    for (const event of ["promote 9", "exited 0 3"]) {
      const story = rolling().given("ready 1");
      assert.equal(story.tell(event).at(-1), "scale 1 to 3", event);
      assert.equal(story.state.generations.at(-1)?.state, "serving");
    }
  });

  tell("has no other share, and no other number", () => rolling().given("ready 1"), [
    [
      "share 9 50",
      "trial 9 refused: the share of a rolling reload follows its workers: promote it or roll it back",
    ],
    ["scale 8 4", "scale 8 refused with 3: a reload is under way: scale when it has ended"],
  ]);

  test("is refused with canary, ramp, stop-first, and where shares cannot be", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    for (
      const how of ["rolling canary 5", "rolling ramp 5", "rolling stop-first", "rolling unix:/s"]
    ) {
      const [answer = ""] = serving().tell(`reload 1 ${how.replace("rolling", "rolling 1")}`);
      assert.match(answer, /^reload 1 refused: .*--rolling/, how);
    }
  });

  tell("goes on where the one before has left fewer old workers", () => {
    return rolling().given(
      "ready 1",
      "scaled 0 2",
      "unhealthy 1",
      "reload 2 rolling",
      "listening 2",
    );
  }, [
    ["ready 2", "disarm ready 2", "share 2 33.33 %", "scale 0 to 2"],
    ["scaled 0 2", "scale 2 to 2"],
  ]);

  tell("of a service that lacks its server starts all workers", () => {
    return serving().given("exited 0 3", "reload 1 rolling");
  }, [["ready 1", "disarm ready 1", "switch 1", "arm health 1", "reload 1 ok by 1"]]);

  test("of a candidate whose old generation exits before the gate gets all workers", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    const story = serving().given("reload 1 rolling", "exited 0 3", "listening 1");
    assert.equal(story.tell("ready 1").at(-1), "scale 1 to 3");
  });
});
