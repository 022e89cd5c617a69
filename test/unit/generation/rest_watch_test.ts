/** What becomes of a generation that listens and was not seen to accept when the time of its gate is over. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Gate } from "../../../src/generation/gate.ts";
import { RestWatch } from "../../../src/generation/rest_watch.ts";
import type { Group } from "../../../src/steering/group.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { FakeListeners } from "../../support/fake_listeners.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";

const OLD = 0;
const NEW = 1;

interface Case {
  readonly name: string;
  readonly receives: readonly number[];
  readonly isHeld?: boolean;
  readonly isAtRest?: boolean;
  readonly mayServe: boolean;
}

const CASES: readonly Case[] = [
  { name: "alone", receives: [NEW], mayServe: true },
  { name: "beside one that serves", receives: [OLD], mayServe: false },
  { name: "at a share beside one that serves", receives: [OLD, NEW], mayServe: false },
  {
    name: "alone, after it has closed its listener",
    receives: [NEW],
    isHeld: false,
    mayServe: false,
  },
  { name: "at rest: it lacks something else", receives: [NEW], isAtRest: true, mayServe: false },
];

describe("RestWatch.giveUp()", () => {
  for (const { name, receives, isHeld = true, isAtRest = false, mayServe } of CASES) {
    test(`${name}: ${mayServe ? "it serves" : "it does not"}`, { timeout: TEST_TIMEOUT_MS }, () => {
      const members = [...new Set([NEW, ...receives])].map((epoch) => ({
        epoch,
        owner: 100 + epoch,
        unheld: epoch === NEW && !isHeld,
        dead: false,
        late: false,
      }));
      const group = {
        text: "a:80",
        members,
        isReceiving: ({ epoch }: { epoch: number }) => receives.includes(epoch),
        membersOf: (epoch: number) => members.filter((member) => member.epoch === epoch),
        receivingEpochs: new Set(receives),
      } as unknown as Group;
      const listeners = new FakeListeners([group]);
      const checks = { proves: false, demandsListening: false, missing: [] };
      const gate = new Gate(NEW, "auto", listeners, false, checks);
      gate.isAtRest = isAtRest;
      const log: string[] = [];
      let changes = 0;
      const context = {
        platform: { clock: new FakeClock() },
        listeners,
        config: { readyTimeoutMs: 60_000 },
        logError: (text: string) => log.push(text),
      };
      const watch = new RestWatch(
        {
          context,
          epoch: NEW,
          gate,
          refreshListeners: () => {},
          onChange: () => changes++,
          fail: () => assert.fail("it does not fail by itself"),
        } as unknown as ConstructorParameters<typeof RestWatch>[0],
      );
      assert.equal(watch.giveUp(), mayServe);
      assert.equal(changes, mayServe ? 1 : 0);
      assert.equal(gate.isPassed, mayServe || isAtRest && isHeld);
      assert.deepEqual(log.length, mayServe ? 1 : 0);
      if (mayServe) {
        assert.match(log[0] ?? "", /ready after 60 s, because no other serves: it listens/);
      }
    });
  }
});
