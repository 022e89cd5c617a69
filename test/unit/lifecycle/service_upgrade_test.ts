/** Upgrades of baton itself, seen from the old one and from the new one. */
import { describe, test } from "node:test";
import { inheritedState } from "../../../src/lifecycle/state.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { type Line, play, Story } from "../../support/service_story.ts";

const serving = () => new Story().given("start", "listening 0", "ready 0");
const upgrading = () => serving().given("upgrade 1");
/** The new baton, whose predecessor's generation 4 serves. */
const successor = () => new Story({}, inheritedState(4));
const trying = () => successor().given("reload 1");

function tell(name: string, story: () => Story, script: readonly Line[]): void {
  test(name, { timeout: TEST_TIMEOUT_MS }, () => play(story(), script));
}

describe("the old baton", () => {
  tell("changes nothing until the new one serves, then drains and ends with 0", serving, [
    ["upgrade 1", "begin_upgrade", "= 0 serving"],
    [
      "handed_over",
      "upgrade 1 ok",
      "disarm health 0",
      "drain 0",
      "arm drain 0",
      "= 0 draining",
    ],
    ["drained 0", "disarm drain 0", "signal_stop 0", "arm stop 0"],
    ["exited 0 143 stopped", "disarm all 0", "kill 0", "retire 0", "finish 0", "="],
  ]);

  tell("ends with 0 also when connections had to be cut", upgrading, [
    ["handed_over", "upgrade 1 ok", "disarm health 0", "drain 0", "arm drain 0"],
    ["drain_timed_out 0", "disarm drain 0", "signal_stop 0", "arm stop 0"],
    ["stop_timed_out 0", "kill 0"],
    ["exited 0 137", "disarm all 0", "kill 0", "retire 0", "finish 0"],
  ]);

  tell("keeps serving when the new one fails", upgrading, [
    ["upgrade_failed 3", "abort_upgrade", "upgrade 1 failed: reason 3", "= 0 serving"],
    ["upgrade 2", "begin_upgrade"],
  ]);

  tell("begins a reload that was asked for meanwhile when the new one has failed", upgrading, [
    ["reload 7", "= 0 serving"],
    [
      "upgrade_failed 3",
      "abort_upgrade",
      "upgrade 1 failed: reason 3",
      "disarm_backoff",
      "spawn 1",
      "arm ready 1",
    ],
  ]);

  tell("refuses such a reload when the new one serves", upgrading, [
    ["reload 7"],
    [
      "handed_over",
      "upgrade 1 ok",
      "reload 7 refused: baton is stopping",
      "disarm health 0",
      "drain 0",
      "arm drain 0",
    ],
  ]);

  tell("gives the upgrade up when its own generation crashes, and starts a new one", upgrading, [
    [
      "exited 0 1",
      "disarm all 0",
      "kill 0",
      "abort_upgrade",
      "upgrade 1 failed: the serving generation exited meanwhile: exit status 1",
      "arm_backoff 0",
      "=",
    ],
    ["handed_over"],
    ["backoff", "disarm_backoff", "spawn 1 replacing 0", "arm ready 1"],
  ]);

  tell("gives it up when a stop is requested", upgrading, [
    [
      "stop",
      "abort_upgrade",
      "upgrade 1 failed: baton is stopping",
      "disarm_backoff",
      "disarm health 0",
      "drain 0 stopping",
      "arm drain 0",
    ],
  ]);

  const handedOver = () => upgrading().given("handed_over");
  tell("serves again when the new one ends while this one still drains", handedOver, [
    ["handed_back", "disarm drain 0", "take_back 0", "arm health 0", "= 0 serving"],
    // As if nothing had been: it reloads, is taken over from, and crashes like any other.
    ["upgrade 2", "begin_upgrade"],
    ["upgrade_failed 1", "abort_upgrade", "upgrade 2 failed: reason 1"],
    ["reload 3", "disarm_backoff", "spawn 1", "arm ready 1", "= 0 serving, 1 starting"],
    ["exited 0 1", "disarm all 0", "kill 0", "replace_crashed 0 by 1"],
  ]);

  tell("does not when its server has got its stop signal", () => handedOver().given("drained 0"), [
    ["handed_back", "= 0 stopping"],
    ["exited 0 143 stopped", "disarm all 0", "kill 0", "retire 0", "finish 0"],
  ]);

  tell("does not when its own stop was requested", () => handedOver().given("stop"), [
    ["handed_back", "= 0 stopping"],
  ]);

  tell("takes nothing back without a takeover", serving, [
    ["handed_back", "= 0 serving"],
    ["stop", "disarm_backoff", "disarm health 0", "drain 0 stopping", "arm drain 0"],
    ["handed_back", "= 0 draining"],
  ]);

  const refusals: readonly [when: string, story: () => Story, reason: string][] = [
    ["another one", upgrading, "another upgrade is under way"],
    ["a reload", () => serving().given("reload 1"), "a reload is under way"],
    ["the first start", () => new Story().given("start"), "the first generation is not ready yet"],
    ["a crash", () => serving().given("exited 0 1"), "nothing serves"],
    ["a stop", () => serving().given("stop"), "baton is stopping"],
  ];
  for (const [when, story, reason] of refusals) {
    tell(`refuses an upgrade during ${when}`, story, [
      ["upgrade 9", `upgrade 9 refused: ${reason}`],
    ]);
  }
});

describe("the new baton", () => {
  tell("starts a generation beside the other baton's, and takes over", successor, [
    ["start", "= 4 serving"],
    ["reload 1", "disarm_backoff", "spawn 5", "arm ready 5", "= 4 serving, 5 starting"],
    ["ready 5", "request_takeover 5", "= 4 serving, 5 starting"],
    [
      "takeover_granted 5",
      "disarm ready 5",
      "switch 5",
      "arm health 5",
      "reload 1 ok by 5",
      "disarm health 4",
      "drain 4",
      "arm drain 4",
      "= 4 draining, 5 serving",
    ],
    ["exited 4 1 stopped", "disarm all 4", "kill 4", "retire 4", "= 5 serving"],
    ["upgrade 2", "begin_upgrade"],
  ]);

  tell("ends when its generation fails, and touches nothing of the other one's", trying, [
    [
      "exited 5 3",
      "disarm all 5",
      "kill 5",
      "reload 1 failed by 5: it exited before it was ready: exit status 3",
      "retire 5",
      "finish 3",
    ],
  ]);

  tell("ends when its generation is not ready in time", trying, [
    ["failed 5 70", "disarm ready 5", "kill 5", "reload 1 failed by 5: reason 5", "finish 70"],
  ]);

  tell("ends when a stop is requested before it has taken over", trying, [
    ["stop", "kill 5", "finish 70"],
  ]);

  tell("is itself not upgraded before it has taken over", successor, [
    ["upgrade 2", "upgrade 2 refused: another upgrade is under way"],
  ]);

  const takenOver = () => trying().given("ready 5", "takeover_granted 5");
  tell("does not become another program while the old one, which watches it, drains", takenOver, [
    [
      "upgrade 2 in_place",
      "upgrade 2 refused: the old baton still drains",
      "= 4 draining, 5 serving",
    ],
    ["exited 4 1 stopped", "disarm all 4", "kill 4", "retire 4", "= 5 serving"],
    ["upgrade 3 in_place", "begin_upgrade"],
  ]);

  tell("can be upgraded by a new one meanwhile", takenOver, [["upgrade 2", "begin_upgrade"]]);

  const skipping = () => new Story({}, inheritedState(4, 7));
  tell("counts on from the last generation of the old one, also a failed one", skipping, [
    ["reload 1", "disarm_backoff", "spawn 7", "arm ready 7", "= 4 serving, 7 starting"],
  ]);

  tell("does not steer back to the old one's generation: its baton stops it", takenOver, [
    ["unhealthy 5", "arm_backoff 0", "= 4 draining, 5 serving"],
  ]);

  tell("needs no permission when the old one dies before it gives one", trying, [
    ["ready 5", "request_takeover 5"],
    ["exited 4 1", "disarm all 4", "kill 4", "replace_crashed 4 by 5", "= 5 starting"],
    ["takeover_granted 5", "disarm ready 5", "switch 5", "arm health 5", "reload 1 ok by 5"],
  ]);

  tell("serves alone when the old one has died meanwhile", trying, [
    ["exited 4 1", "disarm all 4", "kill 4", "replace_crashed 4 by 5", "= 5 starting"],
    ["ready 5", "disarm ready 5", "switch 5", "arm health 5", "reload 1 ok by 5"],
    ["healthy 5", "retire 4"],
  ]);
});
