/** Notifications to the service manager: the watchdog, a new main process, trials. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { step } from "../../../src/lifecycle/service.ts";
import { ServiceManager } from "../../../src/supervisor/service_manager.ts";
import type { NotifyClient } from "../../../src/systemd/notify_client.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { parseEvent, Story } from "../../support/service_story.ts";

/** Writes down what it is asked to send. */
function recorder(): { said: string[]; client: NotifyClient } {
  const said: string[] = [];
  const client = {
    isConnected: true,
    watchdog: () => said.push("WATCHDOG"),
    ready: (status: string) => said.push(`READY ${status}`),
    reloading: (status: string) => said.push(`RELOADING ${status}`),
    status: (status: string) => said.push(status),
    extendTimeout: (ms: number) => said.push(`EXTEND ${ms}`),
    send: (fields: Record<string, string>) => said.push(...Object.keys(fields)),
    barrier: () => said.push("BARRIER"),
    close: () => said.push("close"),
  };
  return { said, client: client as unknown as NotifyClient };
}

describe("ServiceManager", () => {
  it("feeds the watchdog at half its interval, until it closes", async () => {
    const { said, client } = recorder();
    const clock = new FakeClock();
    const times = { clock, readyTimeoutMs: 1, stopTimeoutMs: 1, watchdogUsec: "2000000" };
    const manager = new ServiceManager({ client, ...times });
    assert.deepEqual(said, ["WATCHDOG"]);
    await clock.advance(3_500);
    assert.equal(said.length, 4);
    manager.close();
    assert.equal(clock.pending, 0);
  });

  for (const [watchdogUsec, feeds] of [["60000000", ["WATCHDOG"]], [undefined, []]] as const) {
    it(`hands over with a watchdog of ${watchdogUsec ?? "none"}`, () => {
      const { said, client } = recorder();
      const times = { clock: new FakeClock(), readyTimeoutMs: 1, stopTimeoutMs: 1 };
      const manager = new ServiceManager({ client, watchdogUsec, ...times });
      said.length = 0;
      manager.becomeMain();
      assert.deepEqual(said, feeds, "what it said before was not believed");
      said.length = 0;
      manager.handOver(7);
      assert.deepEqual(said, [...feeds, "MAINPID", "BARRIER", "close"]);
    });
  }

  for (const fails of [false, true]) {
    it(`ends a reload that stops the server first, which ${fails ? "fails" : "goes well"}`, () => {
      const { said, client } = recorder();
      const times = { readyTimeoutMs: 1, stopTimeoutMs: 2, watchdogUsec: undefined };
      const manager = new ServiceManager({ client, clock: new FakeClock(), ...times });
      const story = new Story({ order: "stop-first" });
      const events = [
        "start",
        "ready 0",
        "reload 7",
        "admitted 1",
        "exited 0 0",
        ...fails ? ["exited 1 3", "ready 2"] : ["ready 1"],
      ];
      for (const text of events) {
        const { state, effects } = step(story.state, parseEvent(text), story.policy);
        story.state = state;
        manager.onStep(state, effects);
      }
      const kinds = said.map((text) => /^[A-Z]+( \d+)?/.exec(text)?.[0]).filter(Boolean);
      assert.deepEqual(kinds, [
        "EXTEND 5001",
        "READY",
        "RELOADING",
        "EXTEND 5001",
        "EXTEND 5002",
        "EXTEND 5001",
        ...fails ? ["EXTEND 5001"] : [],
        "READY",
      ]);
      manager.close();
    });
  }

  it("says why a reload has failed until the next one starts", () => {
    const { said, client } = recorder();
    const times = { readyTimeoutMs: 1, stopTimeoutMs: 1, watchdogUsec: undefined };
    const manager = new ServiceManager({ client, clock: new FakeClock(), ...times });
    const story = new Story();
    const run = (...events: string[]) => {
      said.length = 0;
      for (const text of events) {
        const { state, effects } = step(story.state, parseEvent(text), story.policy);
        story.state = state;
        manager.onStep(state, effects);
      }
      return said.at(-1) ?? "";
    };
    const failure = "reload failed: ";
    run("start", "ready 0", "reload 7");
    assert.match(run("failed 1 70"), new RegExp(failure));
    // It was stopped: that is a step of its own.
    assert.match(run("exited 1 143"), new RegExp(failure));
    assert.doesNotMatch(run("reload 8"), new RegExp(failure));
    assert.doesNotMatch(run("ready 2"), /failed/);
  });

  describe("tells of a trial", () => {
    const table: [how: string, said: string[]][] = [
      ["bake 60000", [
        "EXTEND 65000",
        "generation 0 serves, generation 1 is on trial with 100 %",
      ]],
      ["canary 10 ramp 9000", [
        "EXTEND 14000",
        "generation 0 serves, generation 1 is on trial with 10 %",
      ]],
      // An operator decides at an unknown time.
      ["hold", ["READY generation 0 serves, generation 1 is on trial with 100 %"]],
    ];
    for (const [how, expected] of table) {
      it(how, () => {
        const { said, client } = recorder();
        const times = { readyTimeoutMs: 1, stopTimeoutMs: 1, watchdogUsec: undefined };
        const manager = new ServiceManager({ client, clock: new FakeClock(), ...times });
        const story = new Story();
        for (const text of ["start", "ready 0", `reload 7 ${how}`, "ready 1"]) {
          said.length = 0;
          const { state, effects } = step(story.state, parseEvent(text), story.policy);
          story.state = state;
          manager.onStep(state, effects);
        }
        assert.deepEqual(said, expected);
      });
    }
  });
});
