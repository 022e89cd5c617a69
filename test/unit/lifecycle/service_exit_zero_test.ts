/** An exit with status 0 of the serving generation: the end of baton, or a crash like any other, as was asked for. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { type Line, play, Story } from "../../support/service_story.ts";

const serving = (policy = {}) => new Story(policy).given("start", "listening 0", "ready 0");

function tell(name: string, story: () => Story, script: readonly Line[]): void {
  test(name, { timeout: TEST_TIMEOUT_MS }, () => play(story(), script));
}

describe("an end with 0 of the serving generation", () => {
  const ends = ["disarm all 0", "kill 0"];
  const heirComes: Line = ["ready 1", "disarm ready 1", "switch 1", "arm health 1"];
  const isReplaced: Line = ["exited 0 0", ...ends, "arm_backoff 0", "="];
  const isTheEnd: Line = ["exited 0 0", ...ends, "retire 0", "disarm_backoff", "finish 0", "="];

  tell("makes a starting candidate the replacement", () => serving().given("reload 1"), [
    ["exited 0 0", ...ends, "replace_crashed 0 by 1", "= 1 starting"],
    [...heirComes, "reload 1 ok by 1", "= 1 serving"],
  ]);

  tell("replaces a candidate that listens by a fresh one", () => {
    return serving().given("reload 1", "listening 1");
  }, [
    [
      "exited 0 0",
      ...ends,
      ...["disarm ready 1", "kill 1", "disarm_backoff", "spawn 2 replacing 0", "arm ready 2"],
      "= 1 stopping, 2 starting",
    ],
  ]);

  tell("is recovered from when that candidate fails", () => {
    return serving().given("reload 1", "exited 0 0");
  }, [
    ["failed 1 70", "disarm ready 1", "kill 1", "reload 1 failed by 1: reason 1", "arm_backoff 0"],
    ["exited 1 137", "disarm all 1", "kill 1", "return_members 1 to 0", "="],
    ["backoff", "disarm_backoff", "spawn 2 replacing 0", "arm ready 2", "= 2 starting"],
  ]);

  tell("lets a reload go first that waits for room", () => {
    return serving({ maxGenerations: 2 }).given("reload 1", "ready 1", "reload 2");
  }, [
    [
      "exited 1 0",
      "disarm all 1",
      "kill 1",
      "disarm_backoff",
      "spawn 2 replacing 1",
      "arm ready 2",
    ],
  ]);

  tell("just after a reload that failed is a consequence", () => {
    return serving().given("reload 1", "exited 1 0");
  }, [isReplaced]);

  tell("a while after that is a wish", () => {
    return serving().given("reload 1", "exited 1 0", "aftermath_timed_out 0");
  }, [isTheEnd]);

  tell("after a reload that failed, and one that went well, is a wish", () => {
    return serving().given("reload 1", "exited 1 0", "reload 2", "ready 2", "exited 0 0 stopped");
  }, [
    ["exited 2 0", "disarm all 2", "kill 2", "retire 2", "disarm_backoff", "finish 0", "="],
  ]);

  tell("of a new one while the old one is there is a reload gone wrong", () => {
    return serving().given("reload 1", "ready 1");
  }, [
    ["exited 1 0", "disarm all 1", "kill 1", "arm_backoff 0", "= 0 draining"],
    ["backoff", "disarm_backoff", "spawn 2 replacing 1", "arm ready 2", "= 0 draining, 2 starting"],
  ]);

  tell("of one that is healthy is a wish, although the old one still drains", () => {
    return serving().given("reload 1", "ready 1", "healthy 1");
  }, [
    ["exited 1 0", "disarm all 1", "kill 1", "retire 1", "disarm_backoff", "= 0 draining"],
  ]);

  tell("of one that was to be replaced anyway changes nothing of that", () => {
    return serving().given("unhealthy 0");
  }, [["exited 0 0", ...ends, "disarm_backoff", "arm_backoff 1000", "="]]);

  tell("ends an upgrade that is under way, and not the service", () => {
    return serving().given("upgrade 7");
  }, [
    [
      "exited 0 0",
      ...ends,
      "abort_upgrade",
      "upgrade 7 failed: the serving generation exited meanwhile: exit status 0",
      "arm_backoff 0",
      "=",
    ],
  ]);

  tell("makes a candidate the replacement with --on-crash exit, too", () => {
    return serving({ onCrash: "exit" }).given("reload 1");
  }, [
    ["exited 0 0", ...ends, "replace_crashed 0 by 1", "= 1 starting"],
    [...heirComes, "reload 1 ok by 1", "= 1 serving"],
  ]);

  tell("is the end, and no success, when that candidate fails", () => {
    return serving({ onCrash: "exit" }).given("reload 1", "exited 0 0");
  }, [
    [
      "exited 1 0",
      "disarm all 1",
      "kill 1",
      "reload 1 failed by 1: it exited before it was ready: exit status 0",
      "return_members 1 to 0",
      "disarm_backoff",
      "retire 0",
      "finish 70",
      "=",
    ],
  ]);

  tell("just after a reload that failed is the end, and no success, with --on-crash exit", () => {
    return serving({ onCrash: "exit" }).given("reload 1", "exited 1 0");
  }, [["exited 0 0", ...ends, "retire 0", "disarm_backoff", "finish 70", "="]]);

  test("during a reload is said in a notice", { timeout: TEST_TIMEOUT_MS }, () => {
    const notices = serving().given("reload 1").tellAll("exited 0 0")
      .filter((line) => line.startsWith("notice"));
    const text = "generation 0 exited during a reload: exit status 0; it is replaced";
    assert.deepEqual(notices, [`notice ${text}`]);
  });
});
