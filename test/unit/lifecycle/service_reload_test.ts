/** Starts and reloads, event by event: all effects, and the generations that are alive afterwards. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { type Line, play, Story } from "../../support/service_story.ts";

const serving = () => new Story().given("start", "listening 0", "ready 0");

function tell(name: string, story: () => Story, script: readonly Line[]): void {
  test(name, { timeout: TEST_TIMEOUT_MS }, () => play(story(), script));
}

describe("the first generation", () => {
  tell("listens, is ready, serves, and is healthy", () => new Story(), [
    ["start", "disarm_backoff", "spawn 0", "arm ready 0", "= 0 starting"],
    ["listening 0", "= 0 probing"],
    ["ready 0", "disarm ready 0", "switch 0", "arm health 0", "= 0 serving"],
    ["healthy 0", "= 0 serving"],
  ]);

  tell("may be ready without listening, by READY=1 alone", () => new Story().given("start"), [
    ["ready 0", "disarm ready 0", "switch 0", "arm health 0", "= 0 serving"],
  ]);

  tell("that fails ends baton with its status", () => new Story().given("start"), [
    ["failed 0 70", "disarm ready 0", "kill 0", "disarm_backoff", "= 0 stopping"],
    ["exited 0 137", "disarm all 0", "kill 0", "retire 0", "finish 70", "="],
  ]);

  tell("that cannot be launched ends baton with that status", () => new Story().given("start"), [
    ["failed 0 127", "disarm ready 0", "kill 0", "disarm_backoff", "= 0 stopping"],
    ["exited 0 127", "disarm all 0", "kill 0", "retire 0", "finish 127", "="],
  ]);

  for (const status of [0, 3, 139]) {
    tell(`that exits with ${status} before it is ready ends baton with it`, () => {
      return new Story().given("start", "listening 0");
    }, [
      [
        `exited 0 ${status}`,
        "disarm all 0",
        "kill 0",
        "retire 0",
        "disarm_backoff",
        `finish ${status}`,
        "=",
      ],
    ]);
  }

  tell("is started once, whatever is asked twice", () => new Story().given("start"), [
    ["start", "= 0 starting"],
    ["ready 0", "disarm ready 0", "switch 0", "arm health 0", "= 0 serving"],
    ["start", "= 0 serving"],
  ]);
});

describe("a reload", () => {
  tell("switches, then drains and stops the old generation", serving, [
    ["reload 1", "disarm_backoff", "spawn 1", "arm ready 1", "= 0 serving, 1 starting"],
    ["listening 1", "= 0 serving, 1 probing"],
    [
      "ready 1",
      "disarm ready 1",
      "switch 1",
      "arm health 1",
      "reload 1 ok by 1",
      "disarm health 0",
      "drain 0",
      "arm drain 0",
      "= 0 draining, 1 serving",
    ],
    ["drained 0", "disarm drain 0", "signal_stop 0", "arm stop 0", "= 0 stopping, 1 serving"],
    ["exited 0 0 stopped", "disarm all 0", "kill 0", "retire 0", "= 1 serving"],
  ]);

  tell("cuts an old generation that does not drain and does not stop", () => {
    return serving().given("reload 1", "ready 1");
  }, [
    [
      "drain_timed_out 0",
      "disarm drain 0",
      "signal_stop 0",
      "arm stop 0",
      "= 0 stopping, 1 serving",
    ],
    ["stop_timed_out 0", "kill 0", "= 0 stopping, 1 serving"],
    ["exited 0 137", "disarm all 0", "kill 0", "retire 0", "= 1 serving"],
  ]);

  tell("is not disturbed when the old generation exits before it is drained", () => {
    return serving().given("reload 1", "ready 1");
  }, [
    ["exited 0 1", "disarm all 0", "kill 0", "retire 0", "= 1 serving"],
    ["drained 0", "= 1 serving"],
  ]);

  for (const phase of ["starting", "probing"]) {
    const candidate = () => {
      const story = serving().given("reload 1");
      return phase === "probing" ? story.given("listening 1") : story;
    };
    tell(`that fails while ${phase} costs nothing`, candidate, [
      [
        "failed 1 70",
        "disarm ready 1",
        "kill 1",
        "reload 1 failed by 1: reason 1",
        "arm aftermath 0",
        "= 0 serving, 1 stopping",
      ],
      ["exited 1 137", "disarm all 1", "kill 1", "retire 1", "= 0 serving"],
    ]);

    tell(`whose candidate exits while ${phase} costs nothing`, candidate, [
      [
        "exited 1 1",
        "disarm all 1",
        "kill 1",
        "reload 1 failed by 1: it exited before it was ready: exit status 1",
        "retire 1",
        "arm aftermath 0",
        "= 0 serving",
      ],
    ]);
  }

  tell("can follow at once after one that failed, while that one still dies", () => {
    return serving().given("reload 1", "failed 1 70");
  }, [
    ["reload 2", "disarm_backoff", "spawn 2", "arm ready 2", "= 0 serving, 1 stopping, 2 starting"],
    ["exited 1 137", "disarm all 1", "kill 1", "retire 1", "= 0 serving, 2 starting"],
  ]);

  test("that fails is said in a notice, with the reason", { timeout: TEST_TIMEOUT_MS }, () => {
    const story = serving().given("reload 1");
    const notices = story.tellAll("failed 1 70").filter((line) => line.startsWith("notice"));
    assert.deepEqual(notices, ["notice generation 1 failed: reason 1"]);
  });
});

describe("reloads during a reload", () => {
  tell("share the next candidate, and each is answered by the one that it waited for", serving, [
    ["reload 1", "disarm_backoff", "spawn 1", "arm ready 1", "= 0 serving, 1 starting"],
    ["reload 2", "= 0 serving, 1 starting"],
    ["reload 3", "= 0 serving, 1 starting"],
    [
      "ready 1",
      "disarm ready 1",
      "switch 1",
      "arm health 1",
      "reload 1 ok by 1",
      "disarm health 0",
      "drain 0",
      "arm drain 0",
      "disarm_backoff",
      "spawn 2",
      "arm ready 2",
      "= 0 draining, 1 serving, 2 starting",
    ],
    [
      "failed 2 70",
      "disarm ready 2",
      "kill 2",
      "reload 2+3 failed by 2: reason 2",
      "arm aftermath 1",
      "= 0 draining, 1 serving, 2 stopping",
    ],
  ]);

  tell("start the next candidate also when the present one fails", () => {
    return serving().given("reload 1", "reload 2");
  }, [
    [
      "failed 1 70",
      "disarm ready 1",
      "kill 1",
      "reload 1 failed by 1: reason 1",
      "arm aftermath 0",
      "disarm_backoff",
      "spawn 2",
      "arm ready 2",
      "= 0 serving, 1 stopping, 2 starting",
    ],
  ]);

  tell("of before the first generation serves wait for it", () => new Story().given("start"), [
    ["reload 1", "= 0 starting"],
    [
      "ready 0",
      "disarm ready 0",
      "switch 0",
      "arm health 0",
      "disarm_backoff",
      "spawn 1",
      "arm ready 1",
      "= 0 serving, 1 starting",
    ],
  ]);

  tell("are refused when the first generation fails", () => {
    return new Story().given("start", "reload 1", "reload 2");
  }, [
    [
      "failed 0 70",
      "disarm ready 0",
      "kill 0",
      "reload 1+2 refused: baton is stopping",
      "disarm_backoff",
      "= 0 stopping",
    ],
  ]);
});
