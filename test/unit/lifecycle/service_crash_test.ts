/** Crashes: back-off, breaker, heirs, and a crash in the middle of a reload. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { type Line, play, Story } from "../../support/service_story.ts";

const SEGV = 139;

const serving = (policy = {}) => new Story(policy).given("start", "listening 0", "ready 0");

const crashed = (policy = {}) => serving(policy).given(`exited 0 ${SEGV}`);

function tell(name: string, story: () => Story, script: readonly Line[]): void {
  test(name, { timeout: TEST_TIMEOUT_MS }, () => play(story(), script));
}

describe("a crash of the serving generation", () => {
  tell("starts a replacement at once, which gets the connections in the queues", serving, [
    [`exited 0 ${SEGV}`, "disarm all 0", "kill 0", "arm_backoff 0", "="],
    ["backoff", "disarm_backoff", "spawn 1 replacing 0", "arm ready 1", "= 1 starting"],
    ["listening 1", "= 1 probing"],
    ["ready 1", "disarm ready 1", "switch 1", "arm health 1", "= 1 serving"],
    // Its workers have had time to take over what is left.
    ["healthy 1", "retire 0", "= 1 serving"],
  ]);

  tell("waits longer each time, and gives up with the last status", serving, [
    ["exited 0 139", "disarm all 0", "kill 0", "arm_backoff 0", "="],
    ["backoff", "disarm_backoff", "spawn 1 replacing 0", "arm ready 1", "= 1 starting"],
    ["exited 1 1", "disarm all 1", "kill 1", "return_members 1 to 0", "arm_backoff 1000", "="],
    ["backoff", "disarm_backoff", "spawn 2 replacing 0", "arm ready 2", "= 2 starting"],
    ["ready 2", "disarm ready 2", "switch 2", "arm health 2", "= 2 serving"],
    ["exited 2 1", "disarm all 2", "kill 2", "return_members 0 to 2", "arm_backoff 2000", "="],
    ["backoff", "disarm_backoff", "spawn 3 replacing 2", "arm ready 3", "= 3 starting"],
    ["exited 3 1", "disarm all 3", "kill 3", "return_members 3 to 2", "arm_backoff 4000", "="],
    ["backoff", "disarm_backoff", "spawn 4 replacing 2", "arm ready 4", "= 4 starting"],
    ["exited 4 1", "disarm all 4", "kill 4", "return_members 4 to 2", "arm_backoff 5000", "="],
    ["backoff", "disarm_backoff", "spawn 5 replacing 2", "arm ready 5", "= 5 starting"],
    [
      "exited 5 42",
      "disarm all 5",
      "kill 5",
      "return_members 5 to 2",
      "disarm_backoff",
      "retire 2",
      "finish 42",
      "=",
    ],
  ]);

  tell("is forgotten after good health", () => {
    return crashed().given("backoff", "ready 1", "healthy 1");
  }, [
    ["exited 1 1", "disarm all 1", "kill 1", "arm_backoff 0", "="],
  ]);

  tell("twice in a row after a reload leads back to the version that served before", () => {
    return serving().given("healthy 0", "reload 1", "ready 1", "drained 0", "exited 0 0");
  }, [
    ["exited 1 1", "disarm all 1", "kill 1", "arm_backoff 0", "="],
    ["backoff", "disarm_backoff", "spawn 2 replacing 1", "arm ready 2", "= 2 starting"],
    ["ready 2", "disarm ready 2", "switch 2", "arm health 2", "= 2 serving"],
    ["exited 2 1", "disarm all 2", "kill 2", "return_members 1 to 2", "arm_backoff 1000", "="],
    [
      "backoff",
      "disarm_backoff",
      "spawn 3 replacing 2 from the last good plan",
      "arm ready 3",
      "= 3 starting",
    ],
  ]);

  tell("is not forgotten without it", () => crashed().given("backoff", "ready 1"), [
    ["exited 1 1", "disarm all 1", "kill 1", "return_members 0 to 1", "arm_backoff 1000", "="],
  ]);

  tell(
    "keeps the sockets that its replacement has not taken over until that one is replaced",
    () => {
      return crashed().given("backoff", "ready 1", "reload 1");
    },
    [
      [
        "ready 2",
        "disarm ready 2",
        "switch 2",
        "arm health 2",
        "reload 1 ok by 2",
        "retire 0",
        "disarm health 1",
        "drain 1",
        "arm drain 1",
        "= 1 draining, 2 serving",
      ],
    ],
  );

  tell("leaves it until the service stops", () => crashed().given("backoff", "ready 1"), [
    [
      "stop",
      "disarm_backoff",
      "retire 0",
      "disarm health 1",
      "drain 1 stopping",
      "arm drain 1",
      "= 1 draining",
    ],
  ]);

  tell("leaves generations that drain alone", () => serving().given("reload 1", "ready 1"), [
    ["exited 1 139", "disarm all 1", "kill 1", "arm_backoff 0", "= 0 draining"],
    ["backoff", "disarm_backoff", "spawn 2 replacing 1", "arm ready 2", "= 0 draining, 2 starting"],
  ]);

  tell("is followed by a reload that was asked for meanwhile, without waiting", crashed, [
    ["reload 1", "disarm_backoff", "spawn 1 replacing 0", "arm ready 1", "= 1 starting"],
    ["backoff", "= 1 starting"],
    [
      "ready 1",
      "disarm ready 1",
      "switch 1",
      "arm health 1",
      "reload 1 ok by 1",
      "= 1 serving",
    ],
  ]);

  test("is said in a notice, and so is giving up", { timeout: TEST_TIMEOUT_MS }, () => {
    const story = serving({ backoff: { delayMs: 1, maxDelayMs: 1, limit: 1 } });
    const notices = (event: string) =>
      story.tellAll(event).filter((line) => line.startsWith("notice"));
    assert.deepEqual(notices("exited 0 139"), ["notice generation 0 crashed: exit status 139"]);
    story.given("backoff");
    assert.deepEqual(notices("exited 1 3"), [
      "notice generation 1 failed: it exited before it was ready: exit status 3",
      "notice giving up after 2 crashes in a row (--crash-limit)",
    ]);
  });
});

describe("the end of the serving generation ends baton", () => {
  const ending: Line[] = [
    ["exited 0 0", "disarm all 0", "kill 0", "retire 0", "disarm_backoff", "finish 0", "="],
  ];
  tell("when its status is 0: it was done", serving, ending);

  tell("when --on-crash is exit, with its status", () => serving({ onCrash: "exit" }), [
    ["exited 0 3", "disarm all 0", "kill 0", "retire 0", "disarm_backoff", "finish 3", "="],
  ]);

  tell("after its candidate and those that drain, and refuses their reloads", () => {
    return serving({ onCrash: "exit" }).given("reload 1", "ready 1", "reload 2", "reload 3");
  }, [
    [
      "exited 1 3",
      "disarm all 1",
      "kill 1",
      "retire 1",
      "reload 2+3 refused: baton is stopping",
      "disarm_backoff",
      "disarm ready 2",
      "kill 2",
      "= 0 draining, 2 stopping",
    ],
    ["exited 2 137", "disarm all 2", "kill 2", "retire 2", "= 0 draining"],
    ["drained 0", "disarm drain 0", "signal_stop 0", "arm stop 0", "= 0 stopping"],
    ["exited 0 0 stopped", "disarm all 0", "kill 0", "retire 0", "finish 3", "="],
  ]);
});

describe("a crash during a reload", () => {
  const candidate = (policy = {}) => serving(policy).given("reload 1");

  tell("makes a candidate that has not listened yet the replacement", candidate, [
    [`exited 0 ${SEGV}`, "disarm all 0", "kill 0", "replace_crashed 0 by 1", "= 1 starting"],
    [
      "ready 1",
      "disarm ready 1",
      "switch 1",
      "arm health 1",
      "reload 1 ok by 1",
      "= 1 serving",
    ],
  ]);

  for (
    const [name, story] of [
      ["that listens already", () => candidate().given("listening 1")],
      ["that was given members at its start", () => candidate({ membersAtStart: true })],
    ] as const
  ) {
    tell(`replaces a candidate ${name} by a fresh one, which answers its reload`, story, [
      [
        `exited 0 ${SEGV}`,
        "disarm all 0",
        "kill 0",
        "disarm ready 1",
        "kill 1",
        "disarm_backoff",
        "spawn 2 replacing 0",
        "arm ready 2",
        "= 1 stopping, 2 starting",
      ],
      ["exited 1 137", "disarm all 1", "kill 1", "retire 1", "= 2 starting"],
      [
        "ready 2",
        "disarm ready 2",
        "switch 2",
        "arm health 2",
        "reload 1 ok by 2",
        "= 2 serving",
      ],
    ]);
  }

  tell("keeps all reloads that were asked for, also those of the next candidate", () => {
    return candidate({ membersAtStart: true }).given("reload 2");
  }, [
    [
      `exited 0 ${SEGV}`,
      "disarm all 0",
      "kill 0",
      "disarm ready 1",
      "kill 1",
      "disarm_backoff",
      "spawn 2 replacing 0",
      "arm ready 2",
      "= 1 stopping, 2 starting",
    ],
    [
      "failed 2 70",
      "disarm ready 2",
      "kill 2",
      "reload 1+2 failed by 2: reason 2",
      "arm_backoff 0",
      "= 1 stopping, 2 stopping",
    ],
  ]);

  tell("does not give a failed candidate's own members to the one that crashed", () => {
    return candidate().given("failed 1 70");
  }, [
    [`exited 0 ${SEGV}`, "disarm all 0", "kill 0", "arm_backoff 0", "= 1 stopping"],
    [
      "backoff",
      "disarm_backoff",
      "spawn 2 replacing 0 from the last good plan",
      "arm ready 2",
      "= 1 stopping, 2 starting",
    ],
    ["exited 1 137", "disarm all 1", "kill 1", "retire 1", "= 2 starting"],
  ]);
});

describe("a replacement that fails", () => {
  const replacement = (policy = {}) => crashed(policy).given("backoff");

  tell("returns the listeners when it has exited, and the next one gets them", replacement, [
    ["failed 1 70", "disarm ready 1", "kill 1", "arm_backoff 1000", "= 1 stopping"],
    ["exited 1 137", "disarm all 1", "kill 1", "return_members 1 to 0", "="],
    ["backoff", "disarm_backoff", "spawn 2 replacing 0", "arm ready 2", "= 2 starting"],
    ["ready 2", "disarm ready 2", "switch 2", "arm health 2", "= 2 serving"],
  ]);

  tell(
    "delays a reload: the next replacement needs the listeners that this one holds",
    replacement,
    [
      ["reload 1", "= 1 starting"],
      ["failed 1 70", "disarm ready 1", "kill 1", "= 1 stopping"],
      [
        "exited 1 137",
        "disarm all 1",
        "kill 1",
        "return_members 1 to 0",
        "disarm_backoff",
        "spawn 2 replacing 0",
        "arm ready 2",
        "= 2 starting",
      ],
    ],
  );

  tell("delays the back-off too", replacement, [
    ["failed 1 70", "disarm ready 1", "kill 1", "arm_backoff 1000", "= 1 stopping"],
    ["backoff", "= 1 stopping"],
    [
      "exited 1 137",
      "disarm all 1",
      "kill 1",
      "return_members 1 to 0",
      "disarm_backoff",
      "spawn 2 replacing 0",
      "arm ready 2",
      "= 2 starting",
    ],
  ]);

  tell("that was a candidate before the crash gives them back as well", () => {
    return serving().given("reload 1", `exited 0 ${SEGV}`);
  }, [
    [
      "exited 1 1",
      "disarm all 1",
      "kill 1",
      "reload 1 failed by 1: it exited before it was ready: exit status 1",
      "return_members 1 to 0",
      "arm_backoff 0",
      "=",
    ],
  ]);

  tell("replaces none any more once it has served", () => replacement().given("ready 1"), [
    ["exited 1 1", "disarm all 1", "kill 1", "return_members 0 to 1", "arm_backoff 1000", "="],
    ["backoff", "disarm_backoff", "spawn 2 replacing 1", "arm ready 2", "= 2 starting"],
  ]);
});
