/** Stopping: what the first, second and third request mean in each phase, and the exit status. */
import { describe, test } from "node:test";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { type Line, play, Story } from "../../support/service_story.ts";

const serving = () => new Story().given("start", "listening 0", "ready 0");
const reloading = () => serving().given("reload 1", "listening 1");
const draining = () => serving().given("reload 1", "ready 1");

function tell(name: string, story: () => Story, script: readonly Line[]): void {
  test(name, { timeout: TEST_TIMEOUT_MS }, () => play(story(), script));
}

describe("the first stop request", () => {
  tell("drains the serving generation and ends with it", serving, [
    [
      "stop",
      "disarm_backoff",
      "disarm health 0",
      "drain 0 stopping",
      "arm drain 0",
      "= 0 draining",
    ],
    ["drained 0", "disarm drain 0", "signal_stop 0", "arm stop 0", "= 0 stopping"],
    ["exited 0 0 stopped", "disarm all 0", "kill 0", "retire 0", "finish 0", "="],
  ]);

  tell("kills a candidate, and refuses its reloads", () => reloading().given("reload 2"), [
    [
      "stop",
      "reload 1+2 refused: baton is stopping",
      "disarm_backoff",
      "disarm health 0",
      "drain 0 stopping",
      "arm drain 0",
      "disarm ready 1",
      "kill 1",
      "= 0 draining, 1 stopping",
    ],
    ["exited 1 137", "disarm all 1", "kill 1", "retire 1", "= 0 draining"],
    ["drained 0", "disarm drain 0", "signal_stop 0", "arm stop 0", "= 0 stopping"],
    ["exited 0 143 stopped", "disarm all 0", "kill 0", "retire 0", "finish 0", "="],
  ]);

  tell("leaves those that drain already to go on", draining, [
    [
      "stop",
      "disarm_backoff",
      "disarm health 1",
      "drain 1 stopping",
      "arm drain 1",
      "= 0 draining, 1 draining",
    ],
    ["exited 1 0 stopped", "disarm all 1", "kill 1", "retire 1", "= 0 draining"],
    ["exited 0 0 stopped", "disarm all 0", "kill 0", "retire 0", "finish 0", "="],
  ]);

  tell("after another wait leaves all drains less time, in its time", draining, [
    [
      "stop 500",
      "shorten_drains by 500",
      "disarm_backoff",
      "disarm health 1",
      "drain 1 stopping",
      "arm drain 1",
      "= 0 draining, 1 draining",
    ],
  ]);

  tell(
    "in the first start ends with 0: no generation has failed",
    () => new Story().given("start"),
    [
      ["stop", "disarm_backoff", "disarm ready 0", "kill 0", "= 0 stopping"],
      ["exited 0 137", "disarm all 0", "kill 0", "retire 0", "finish 0", "="],
    ],
  );

  tell("before anything was started ends at once", () => new Story(), [
    ["stop", "disarm_backoff", "finish 0", "="],
    ["start", "="],
  ]);

  tell("in a back-off drops the listeners kept for a replacement, and ends at once", () => {
    return serving().given("exited 0 139");
  }, [
    ["stop", "disarm_backoff", "retire 0", "finish 0", "="],
  ]);

  tell("while a replacement starts drops both", () => serving().given("exited 0 139", "backoff"), [
    ["stop", "disarm_backoff", "retire 0", "disarm ready 1", "kill 1", "= 1 stopping"],
    ["exited 1 137", "disarm all 1", "kill 1", "retire 1", "finish 0", "="],
  ]);

  tell("refuses the reloads that come after it", () => serving().given("stop"), [
    ["reload 9", "reload 9 refused: baton is stopping", "= 0 draining"],
    ["backoff", "= 0 draining"],
  ]);
});

describe("the second stop request", () => {
  tell("sends the stop signal without waiting for connections", () => serving().given("stop"), [
    ["stop", "disarm_backoff", "disarm drain 0", "signal_stop 0", "arm stop 0", "= 0 stopping"],
    ["drained 0", "= 0 stopping"],
    ["exited 0 143 stopped", "disarm all 0", "kill 0", "retire 0", "finish 0", "="],
  ]);

  tell("does so for every generation that drains", () => draining().given("stop"), [
    [
      "stop",
      "disarm_backoff",
      "disarm drain 0",
      "signal_stop 0",
      "arm stop 0",
      "disarm drain 1",
      "signal_stop 1",
      "arm stop 1",
      "= 0 stopping, 1 stopping",
    ],
  ]);

  tell("leaves one alone that has got its signal", () => serving().given("stop", "drained 0"), [
    ["stop", "disarm_backoff", "= 0 stopping"],
  ]);
});

describe("the third stop request", () => {
  tell("kills what is left, and says that something was cut", () => {
    return serving().given("stop", "stop");
  }, [
    ["stop", "disarm_backoff", "disarm all 0", "kill 0", "= 0 stopping"],
    ["exited 0 137", "disarm all 0", "kill 0", "retire 0", "finish 124", "="],
  ]);

  tell("kills every generation, whatever it does", () => {
    return draining().given("reload 2", "stop", "drained 0", "stop");
  }, [
    [
      "stop",
      "disarm_backoff",
      "disarm all 0",
      "kill 0",
      "disarm all 1",
      "kill 1",
      "disarm all 2",
      "kill 2",
      "= 0 stopping, 1 stopping, 2 stopping",
    ],
  ]);

  tell("of a candidate alone cuts nothing", () => new Story().given("start", "stop", "stop"), [
    ["stop", "disarm_backoff", "disarm all 0", "kill 0", "= 0 stopping"],
    ["exited 0 137", "disarm all 0", "kill 0", "retire 0", "finish 0", "="],
  ]);

  tell("may come again", () => serving().given("stop", "stop", "stop"), [
    ["stop", "disarm_backoff", "disarm all 0", "kill 0", "= 0 stopping"],
  ]);
});

describe("the exit status of a stop", () => {
  const stopping = () => serving().given("stop", "drained 0");
  for (
    const [how, status] of [
      ["0 stopped", 0],
      ["143 stopped", 0],
      ["0", 0],
      ["3", 3],
      ["139", 139],
    ] as const
  ) {
    tell(`is ${status} when the server ends with ${how}`, stopping, [
      [`exited 0 ${how}`, "disarm all 0", "kill 0", "retire 0", `finish ${status}`, "="],
    ]);
  }

  for (
    const [how, status] of [
      ["0 stopped cut", 124],
      ["143 stopped cut", 124],
      // No response was pending by then.
      ["0 stopped", 0],
    ] as const
  ) {
    tell(`is ${status} when the drain time is over: ${how}`, () => serving().given("stop"), [
      ["drain_timed_out 0", "disarm drain 0", "signal_stop 0", "arm stop 0", "= 0 stopping"],
      [`exited 0 ${how}`, "disarm all 0", "kill 0", "retire 0", `finish ${status}`, "="],
    ]);
  }

  tell("is 124 when an older generation's connections are cut meanwhile", () => {
    return draining().given("stop");
  }, [
    ["exited 0 143 stopped cut", "disarm all 0", "kill 0", "retire 0", "= 1 draining"],
    ["exited 1 0 stopped", "disarm all 1", "kill 1", "retire 1", "finish 124", "="],
  ]);

  tell("is 124 when the stop time is over", stopping, [
    ["stop_timed_out 0", "kill 0", "= 0 stopping"],
    ["exited 0 137", "disarm all 0", "kill 0", "retire 0", "finish 124", "="],
  ]);

  tell("is that of the generation that was stopped, not of an older one", () => {
    return draining().given("stop");
  }, [
    ["exited 0 9", "disarm all 0", "kill 0", "retire 0", "= 1 draining"],
    ["exited 1 0 stopped", "disarm all 1", "kill 1", "retire 1", "finish 0", "="],
  ]);

  tell("is what baton gave up with, whatever comes after", () => {
    return new Story().given("start", "failed 0 70", "stop", "stop");
  }, [
    ["exited 0 0 stopped", "disarm all 0", "kill 0", "retire 0", "finish 70", "="],
  ]);
});

describe("after the end", () => {
  const ended = () => serving().given("exited 0 0");
  for (const event of ["start", "stop", "reload 5", "backoff", "exited 0 1", "ready 0"]) {
    tell(`${event} changes nothing`, ended, [[event, "="]]);
  }
});
