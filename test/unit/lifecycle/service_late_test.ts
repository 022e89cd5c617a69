/** Addresses that the serving generation opens later than the one before it had: which generation serves there meanwhile, and for how long. */
import { describe, test } from "node:test";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { type Line, play, Story } from "../../support/service_story.ts";

const reloaded = (policy = {}) =>
  new Story(policy).given("start", "listening 0", "ready 0", "reload 1", "ready 1");
/** Generation 0 listens where 1 does not yet. */
const behind = (policy = {}) => reloaded(policy).given("behind 1 0");

function tell(name: string, story: () => Story, script: readonly Line[]): void {
  test(name, { timeout: TEST_TIMEOUT_MS }, () => play(story(), script));
}

describe("a generation that is needed beside its successor", () => {
  tell("is not stopped, whatever becomes of its connections, until that listens", reloaded, [
    ["behind 1 0", "arm late 1", "= 0 draining, 1 serving"],
    ["drained 0", "= 0 draining, 1 serving"],
    ["drain_timed_out 0", "= 0 draining, 1 serving"],
    ["caught_up 1", "disarm late 1", "drain_rest 0", "arm drain 0", "= 0 draining, 1 serving"],
    ["drained 0", "disarm drain 0", "signal_stop 0", "arm stop 0", "= 0 stopping, 1 serving"],
  ]);

  tell("is stopped when its successor has had its time", behind, [
    ["late_timed_out 1", "give_up_late 1 in time", "drain_rest 0", "arm drain 0"],
    ["drained 0", "disarm drain 0", "signal_stop 0", "arm stop 0", "= 0 stopping, 1 serving"],
    ["caught_up 1", "= 0 stopping, 1 serving"],
  ]);

  tell("may end by itself: what it had waits", behind, [
    ["exited 0 0", "disarm all 0", "kill 0", "retire 0", "= 1 serving"],
    ["behind 1", "= 1 serving"],
    ["late_timed_out 1", "give_up_late 1 in time", "= 1 serving"],
  ]);

  tell(
    "stands in for the next one too, which gets its full time",
    () => behind().given("reload 2"),
    [
      [
        "ready 2",
        ...["disarm ready 2", "switch 2", "arm health 2", "reload 2 ok by 2"],
        ...["disarm health 1", "disarm late 1", "drain 1", "arm drain 1"],
        "= 0 draining, 1 draining, 2 serving",
      ],
      ["behind 2 0", "arm late 2"],
      ["drained 1", "disarm drain 1", "signal_stop 1", "arm stop 1"],
      ["drained 0"],
      ["caught_up 2", "disarm late 2", "drain_rest 0", "arm drain 0"],
    ],
  );

  tell("is let go when the next one listens everywhere", () => {
    return behind().given("reload 2", "ready 2");
  }, [
    ["caught_up 2", "drain_rest 0", "arm drain 0", "= 0 draining, 1 draining, 2 serving"],
  ]);

  tell("gets no reload into its way: room is made", () => {
    return behind({ maxGenerations: 2 });
  }, [
    ["reload 2", "disarm all 0", "kill 0", "= 0 stopping, 1 serving"],
    [
      "exited 0 137",
      "disarm all 0",
      "kill 0",
      "retire 0",
      "disarm_backoff",
      "spawn 2",
      "arm ready 2",
    ],
  ]);

  tell("stays when its successor crashes, for the replacement of that", behind, [
    ["exited 1 139", "disarm all 1", "kill 1", "arm_backoff 0", "= 0 draining"],
    ["drained 0", "= 0 draining"],
    ["backoff", "disarm_backoff", "spawn 2 replacing 1", "arm ready 2"],
    ["ready 2", "disarm ready 2", "switch 2", "arm health 2"],
    ["behind 2 0", "arm late 2"],
    ["caught_up 2", "disarm late 2", "drain_rest 0", "arm drain 0", "= 0 draining, 2 serving"],
  ]);

  tell("serves again when its successor is not healthy", behind, [
    [
      "unhealthy 1",
      ...["disarm drain 0", "steer_back 0", "arm health 0", "disarm health 1", "disarm late 1"],
      ...["rolled_back 1: probes fail", "drain 1", "arm drain 1"],
      "= 0 serving, 1 draining",
    ],
    ["exited 1 0", "disarm all 1", "kill 1", "retire 1", "= 0 serving"],
  ]);

  tell("is not needed at a stop", behind, [
    [
      "stop",
      ...["disarm_backoff", "give_up_late 1", "drain_rest 0 stopping", "arm drain 0"],
      ...["disarm health 1", "disarm late 1", "drain 1 stopping", "arm drain 1"],
      "= 0 draining, 1 draining",
    ],
    ["drained 0", "disarm drain 0", "signal_stop 0", "arm stop 0"],
  ]);

  tell("is not needed when another baton has taken over", () => behind().given("upgrade 7"), [
    [
      "handed_over",
      ...["upgrade 7 ok", "drain_rest 0", "arm drain 0"],
      ...["disarm health 1", "disarm late 1", "drain 1", "arm drain 1"],
      "= 0 draining, 1 draining",
    ],
  ]);

  tell("is let go as soon as it has closed what it had opened", behind, [
    ["behind 1", "drain_rest 0", "arm drain 0"],
    ["drained 0", "disarm drain 0", "signal_stop 0", "arm stop 0"],
    ["caught_up 1", "disarm late 1"],
  ]);
});
