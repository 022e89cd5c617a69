/** Reloads that stop the old generation before the new one starts: all effects, event by event. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { queueWaiting } from "../../../src/lifecycle/stop_first.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { type Line, play, Story } from "../../support/service_story.ts";

const ORDER = { order: "stop-first" } as const;
const serving = () => new Story(ORDER).given("start", "listening 0", "ready 0");
/** Generation 1 may start, and 0 drains for it. */
const holding = () => serving().given("reload 7", "admitted 1");
/** Generation 0 has exited, and 1 starts. */
const starting = () => holding().given("drained 0", "exited 0 0 stopped");
/** Generation 1 has failed, and 2 runs the version before. */
const restoring = () => starting().given("failed 1 70", "exited 1 143");

const HELD = ["hold 0 for 1", "disarm health 0", "drain 0", "arm drain 0"];

function tell(name: string, story: () => Story, script: readonly Line[]): void {
  test(name, { timeout: TEST_TIMEOUT_MS }, () => play(story(), script));
}

describe("a stop-first reload", () => {
  tell("asks first, then holds, drains, stops, starts, and switches", serving, [
    ["reload 7", "disarm_backoff", "spawn 1 waiting", "= 0 serving, 1 waiting"],
    ["admitted 1", ...HELD, "= 0 draining, 1 waiting"],
    ["drained 0", "disarm drain 0", "signal_stop 0", "arm stop 0", "= 0 stopping, 1 waiting"],
    [
      "exited 0 0 stopped",
      "disarm all 0",
      "kill 0",
      "vacate 0",
      "launch 1 replacing 0",
      "arm ready 1",
      "= 1 starting",
    ],
    ["listening 1", "= 1 probing"],
    ["ready 1", "disarm ready 1", "switch 1", "arm health 1", "reload 7 ok by 1", "= 1 serving"],
    ["healthy 1", "retire 0"],
  ]);

  tell("that is vetoed touches nothing", () => serving().given("reload 7"), [
    [
      "failed 1 70",
      "disarm ready 1",
      "kill 1",
      "reload 7 failed by 1: reason 1",
      "arm aftermath 0",
    ],
    ["exited 1 70", "disarm all 1", "kill 1", "retire 1", "= 0 serving"],
  ]);

  tell("whose queues cannot be made lets the old one serve on", holding, [
    [
      "failed 1 71",
      "disarm drain 0",
      "steer_back 0",
      "arm health 0",
      "disarm ready 1",
      "kill 1",
      "reload 7 failed by 1: reason 1",
      "arm aftermath 0",
      "= 0 serving, 1 stopping",
    ],
  ]);

  tell("goes on when the old one crashes while it drains", holding, [
    [
      "exited 0 139",
      "disarm all 0",
      "kill 0",
      "vacate 0",
      "launch 1 replacing 0",
      "arm ready 1",
      "= 1 starting",
    ],
  ]);

  tell("becomes a replacement when the old one crashes before it is admitted", () => {
    return serving().given("reload 7");
  }, [
    ["exited 0 139", "disarm all 0", "kill 0", "replace_crashed 0 by 1", "= 1 waiting"],
    ["admitted 1", "launch 1 replacing 0", "arm ready 1", "= 1 starting"],
  ]);

  tell("waits for all generations before it, not only for the one that served", () => {
    return serving().given("reload 5 start-first", "ready 1", "reload 7", "admitted 2");
  }, [
    ["drained 1", "disarm drain 1", "signal_stop 1", "arm stop 1"],
    ["exited 1 0 stopped", "disarm all 1", "kill 1", "vacate 1", "= 0 draining, 2 waiting"],
    ["drained 0", "disarm drain 0", "signal_stop 0", "arm stop 0"],
    [
      "exited 0 0 stopped",
      "disarm all 0",
      "kill 0",
      "retire 0",
      "launch 2 replacing 1",
      "arm ready 2",
    ],
  ]);

  tell("is queued behind another one", holding, [
    ["reload 8"],
    ["exited 0 0", "disarm all 0", "kill 0", "vacate 0", "launch 1 replacing 0", "arm ready 1"],
    [
      "ready 1",
      "disarm ready 1",
      "switch 1",
      "arm health 1",
      "reload 7 ok by 1",
      "disarm_backoff",
      "spawn 2 waiting",
      "= 1 serving, 2 waiting",
    ],
  ]);

  tell("and so does a restart after a crash", () => {
    return serving().given("reload 5 start-first", "ready 1", "exited 1 3");
  }, [
    ["backoff", "= 0 draining"],
    [
      "exited 0 0",
      "disarm all 0",
      "kill 0",
      "retire 0",
      "disarm_backoff",
      "spawn 2 replacing 1",
      "arm ready 2",
    ],
  ]);

  tell("that ends early waits for the old one, in whatever order the next one is", () => {
    return holding().given("drained 0", "reload 8 start-first", "failed 1 70");
  }, [
    ["exited 1 70", "disarm all 1", "kill 1", "retire 1", "= 0 stopping"],
    [
      "exited 0 0",
      "disarm all 0",
      "kill 0",
      "vacate 0",
      "disarm_backoff",
      "spawn 2 replacing 0",
      "arm ready 2",
    ],
  ]);

  tell("replaces an unhealthy one too", () => serving().given("healthy 0"), [
    ["unhealthy 0", "arm_backoff 0"],
    ["backoff", "disarm_backoff", "spawn 1 waiting"],
    ["admitted 1", ...HELD],
  ]);

  tell("is refused with a trial", serving, [
    [
      "reload 7 bake 5000",
      "reload 7 refused: with --order stop-first no generation is left to go back to: " +
      "--canary, --ramp, --bake, --hold and --rolling need --order start-first",
    ],
  ]);

  tell(
    "of one that is started the other way is as asked for",
    () => new Story().given("start", "ready 0"),
    [
      ["reload 7 stop-first", "disarm_backoff", "spawn 1 waiting"],
    ],
  );
});

describe("a version that fails after the old one was stopped", () => {
  tell("is ended with its stop signal, and followed by the one before it", starting, [
    [
      "failed 1 70",
      "disarm ready 1",
      "disarm drain 1",
      "signal_stop 1",
      "arm stop 1",
      "keep_output 1",
      "= 1 stopping",
    ],
    [
      "exited 1 143",
      "disarm all 1",
      "kill 1",
      "return_members 1 to 0",
      "disarm_backoff",
      "spawn 2 replacing 0 from the last good plan",
      "arm ready 2",
      "= 2 starting",
    ],
    [
      "ready 2",

      "disarm ready 2",
      "switch 2",
      "arm health 2",
      "reload 7 failed by 1, 2 instead: reason 1",
      "= 2 serving",
    ],
  ]);

  tell("is followed at once where it has exited by itself", starting, [
    [
      "exited 1 3",
      "disarm all 1",
      "kill 1",
      "keep_output 1",
      "return_members 1 to 0",
      "disarm_backoff",
      "spawn 2 replacing 0 from the last good plan",
      "arm ready 2",
    ],
  ]);

  tell(
    "gets an answer with both reasons if the one before it fails too, and is retried",
    restoring,
    [
      [
        "exited 2 3",
        "disarm all 2",
        "kill 2",
        "reload 7 failed by 1: reason 1; the version before it, generation 2, failed too: " +
        "it exited before it was ready: exit status 3",
        "return_members 2 to 0",
        "arm_backoff 0",
      ],
      ["backoff", "disarm_backoff", "spawn 3 replacing 0 from the last good plan", "arm ready 3"],
    ],
  );

  tell("goes first where a reload was asked for meanwhile", starting, [
    ["reload 8"],
    [
      "exited 1 3",

      "disarm all 1",
      "kill 1",
      "reload 7 failed by 1: it exited before it was ready: exit status 3",
      "return_members 1 to 0",
      "disarm_backoff",
      "spawn 2 replacing 0",
      "arm ready 2",
    ],
  ]);

  tell("is retried as it is after baton itself was killed", starting, [
    ["failed 1 70 lost", "disarm ready 1", "disarm drain 1", "signal_stop 1", "arm stop 1"],
    [
      "exited 1 143",
      "disarm all 1",
      "kill 1",
      "return_members 1 to 0",
      "disarm_backoff",
      "spawn 2 replacing 0",
      "arm ready 2",
    ],
  ]);
});

describe("which plan is good", () => {
  const goodPlans = (story: Story, ...events: string[]) =>
    events.flatMap((event) => story.tellAll(event)).filter((line) => line.startsWith("good_plan"));

  test("that of one that was healthy, or was superseded without trouble", () => {
    assert.deepEqual(goodPlans(serving(), "healthy 0", "reload 7", "admitted 1"), ["good_plan 0"]);
    assert.deepEqual(goodPlans(serving(), "reload 7", "admitted 1"), ["good_plan 0"]);
    const beside = new Story().given("start", "ready 0");
    assert.deepEqual(goodPlans(beside, "reload 7", "ready 1"), ["good_plan 0"]);
  });

  test("not that of an unhealthy one", () => {
    const events = ["unhealthy 0", "backoff", "admitted 1"];
    assert.deepEqual(goodPlans(serving(), ...events), []);
  });

  tell("that of the one that serves when a reload fails: a crash leads back to it", () => {
    return new Story().given(
      "start",
      "ready 0",
      "reload 7",
      "failed 1 70",
      "exited 1 137",
      "exited 0 3",
    );
  }, [
    [
      "backoff",
      "disarm_backoff",
      "spawn 2 replacing 0 from the last good plan",
      "arm ready 2",
    ],
  ]);

  tell("a deaf one is replaced from it", () => serving().given("healthy 0"), [
    ["unhealthy 0 deaf", "arm_backoff 0"],
    ["backoff", "disarm_backoff", "spawn 1 from the last good plan waiting"],
  ]);

  tell("a crashed one is replaced from the files, and from it when they fail", () => {
    return new Story().given("start", "ready 0", "healthy 0", "exited 0 3", "backoff");
  }, [
    [
      "exited 1 3",
      "disarm all 1",
      "kill 1",
      "keep_output 1",
      "return_members 1 to 0",
      "disarm_backoff",
      "spawn 2 replacing 0 from the last good plan",
      "arm ready 2",
    ],
  ]);
});

describe("a stop during a stop-first reload", () => {
  const NEVER = "reload 7 refused: baton is stopping";

  tell("before it is admitted ends both", () => serving().given("reload 7"), [
    [
      "stop",
      NEVER,
      "disarm_backoff",
      "disarm health 0",
      "drain 0 stopping",
      "arm drain 0",
      "disarm ready 1",
      "kill 1",
      "= 0 draining, 1 stopping",
    ],
  ]);

  tell("while the old one drains lets it finish, and refuses who waits", holding, [
    ["stop", NEVER, "disarm_backoff", "release 0", "disarm ready 1", "kill 1"],
    ["exited 1 70", "disarm all 1", "kill 1", "retire 1"],
    ["drained 0", "disarm drain 0", "signal_stop 0", "arm stop 0"],
    ["exited 0 0 stopped", "disarm all 0", "kill 0", "retire 0", "finish 0"],
  ]);

  tell("while the new one starts gives it its stop signal", starting, [
    [
      "stop",
      NEVER,
      "disarm_backoff",
      "retire 0",
      "disarm ready 1",
      "disarm drain 1",
      "signal_stop 1",
      "arm stop 1",
    ],
    ["exited 1 0 stopped", "disarm all 1", "kill 1", "retire 1", "finish 0"],
  ]);

  tell("while none is alive ends at once", () => restoring().given("exited 2 3"), [
    ["stop", "disarm_backoff", "retire 0", "finish 0"],
  ]);
});

describe("an upgrade during a stop-first reload", () => {
  tell("is refused", holding, [["upgrade 9", "upgrade 9 refused: a reload is under way"]]);
});

describe("queueWaiting()", () => {
  test("queues the start of a candidate that had no process when baton was killed", () => {
    const { generations, next } = queueWaiting(holding().state);
    assert.deepEqual(generations.map(({ epoch }) => epoch), [0]);
    assert.deepEqual([next?.order, next?.plan, next?.requests], ["stop-first", "files", []]);
    const { state } = serving();
    assert.equal(queueWaiting(state), state);
  });
});
