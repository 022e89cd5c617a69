/** The limit on generations, and events that come too late to mean anything. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { type Line, play, Story } from "../../support/service_story.ts";

const serving = () => new Story().given("start", "listening 0", "ready 0");

function tell(name: string, story: () => Story, script: readonly Line[]): void {
  test(name, { timeout: TEST_TIMEOUT_MS }, () => play(story(), script));
}

describe("maxGenerations", () => {
  const full = () =>
    new Story({ maxGenerations: 3 })
      .given("start", "ready 0", "reload 1", "ready 1", "reload 2", "ready 2");

  tell("lets a reload wait until the oldest one that drains was killed", full, [
    ["reload 3", "disarm all 0", "kill 0", "= 0 stopping, 1 draining, 2 serving"],
    ["reload 4", "= 0 stopping, 1 draining, 2 serving"],
    [
      "exited 0 137",
      "disarm all 0",
      "kill 0",
      "retire 0",
      "disarm_backoff",
      "spawn 3",
      "arm ready 3",
      "= 1 draining, 2 serving, 3 starting",
    ],
    [
      "ready 3",
      "disarm ready 3",
      "switch 3",
      "arm health 3",
      "reload 3+4 ok by 3",
      "disarm health 2",
      "drain 2",
      "arm drain 2",
      "= 1 draining, 2 draining, 3 serving",
    ],
  ]);

  tell(
    "kills one that is stopping when none drains",
    () => full().given("drained 0", "drained 1"),
    [
      ["reload 3", "disarm all 0", "kill 0", "= 0 stopping, 1 stopping, 2 serving"],
      [
        "exited 1 0 stopped",
        "disarm all 1",
        "kill 1",
        "retire 1",
        "disarm_backoff",
        "spawn 3",
        "arm ready 3",
        "= 0 stopping, 2 serving, 3 starting",
      ],
    ],
  );

  tell("waits for a candidate that failed and was killed for it", () => {
    return new Story({ maxGenerations: 2 }).given("start", "ready 0", "reload 1", "failed 1 70");
  }, [
    ["reload 2", "= 0 serving, 1 stopping"],
    [
      "exited 1 137",
      "disarm all 1",
      "kill 1",
      "retire 1",
      "disarm_backoff",
      "spawn 2",
      "arm ready 2",
      "= 0 serving, 2 starting",
    ],
  ]);

  tell("counts for the replacement of a crashed one too", full, [
    ["exited 2 139", "disarm all 2", "kill 2", "arm_backoff 0", "= 0 draining, 1 draining"],
    [
      "backoff",
      "disarm_backoff",
      "spawn 3 replacing 2",
      "arm ready 3",
      "= 0 draining, 1 draining, 3 starting",
    ],
  ]);

  test("says whom it killed and why", { timeout: TEST_TIMEOUT_MS }, () => {
    const [notice] = full().tellAll("reload 3").filter((line) => line.startsWith("notice"));
    assert.equal(
      notice,
      "notice generation 0 is killed while draining: 3 generations are alive (--max-generations)",
    );
  });
});

describe("stale news", () => {
  const events = ["listening", "ready", "failed", "drained", "drain_timed_out", "stop_timed_out"];
  for (const event of [...events, "healthy", "exited"]) {
    tell(`${event} of a generation that is gone changes nothing`, () => {
      return serving().given("reload 1", "exited 1 1");
    }, [
      [`${event} 1 5`, "= 0 serving"],
      [`${event} 77 5`, "= 0 serving"],
    ]);
  }

  tell("ready and failed of a stopping one change nothing", () => {
    return serving().given("reload 1", "failed 1 70");
  }, [
    ["ready 1", "= 0 serving, 1 stopping"],
    ["failed 1 71", "= 0 serving, 1 stopping"],
    ["listening 1", "= 0 serving, 1 stopping"],
  ]);

  tell("a back-off that elapses while one serves changes nothing", serving, [
    ["backoff", "= 0 serving"],
  ]);
});
