/** The gate of a candidate as tables: which facts open it, and what it says is missing. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ReadyGate } from "../../../src/config/values/check_spec.ts";
import type { Group } from "../../../src/steering/group.ts";
import type { Listeners } from "../../../src/steering/listeners.ts";
import { Gate } from "../../../src/generation/gate.ts";
import { FakeListeners } from "../../support/fake_listeners.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";

const NO_CHECKS = { proves: false, demandsListening: false, missing: [] };
const GONE = -7;
const OLD = 0;
const NEW = 1;

/** One listening socket, as far as a gate looks at it. */
interface FakeMember {
  epoch: number;
  readonly worker?: number;
  readonly owner?: number;
  readonly receiving?: boolean;
  readonly unheld?: boolean;
  readonly dead?: boolean;
  readonly late?: boolean;
}

/** The groups of `table`, by address. */
function listeners(table: Readonly<Record<string, readonly FakeMember[]>>): Listeners {
  const groups = Object.entries(table).map(([text, fakes]) => {
    const members = fakes.map((fake) => ({
      owner: 100 + fake.epoch,
      worker: 0,
      unheld: false,
      dead: false,
      late: false,
      receiving: false,
      ...fake,
    }));
    return {
      text,
      members,
      isReceiving: (member: FakeMember) => member.receiving === true,
      membersOf: (epoch: number, worker?: number) =>
        members.filter((m) => m.epoch === epoch && !m.dead && (worker ?? m.worker) === m.worker),
      receivingEpochs: new Set(members.filter((m) => m.receiving).map((m) => m.epoch)),
    };
  });
  return new FakeListeners(groups as unknown as Group[]);
}

interface Case {
  readonly name: string;
  readonly groups: Readonly<Record<string, readonly FakeMember[]>>;
  readonly ready?: ReadyGate;
  /** New connections were steered there last; null: by another baton, or never. */
  readonly serving?: number | null;
  /** The generation before has sent READY=1. */
  readonly wantsNotification?: boolean;
  readonly notified?: boolean;
  /** Whether it was not seen to wait for connections. */
  readonly isBusy?: boolean;
  readonly proves?: boolean;
  readonly passed: boolean;
  readonly explanation: string;
}

const oldServes: FakeMember = { epoch: OLD, receiving: true };
const newListens: FakeMember = { epoch: NEW };
const madeByBaton: FakeMember = { epoch: NEW, owner: 0 };

/** A worker of the first generation. */
const w = (worker: number): FakeMember => ({ epoch: NEW, worker, receiving: true });

const CASES: readonly Case[] = [
  {
    name: "the first generation, nothing yet",
    groups: {},
    passed: false,
    explanation: "it does not listen",
  },
  {
    name: "the first generation listens",
    groups: { "a:80": [{ epoch: NEW, receiving: true }] },
    passed: true,
    explanation: "",
  },
  {
    name: "a candidate that does not listen where the old one serves",
    groups: { "a:80": [oldServes] },
    passed: false,
    explanation: "it does not listen at a:80",
  },
  {
    name: "a candidate beside the old one",
    groups: { "a:80": [oldServes, newListens] },
    passed: true,
    explanation: "",
  },
  {
    name: "one of two addresses",
    groups: { "a:80": [oldServes, newListens], "a:81": [oldServes] },
    passed: false,
    explanation: "it does not listen at a:81; it listens at a:80",
  },
  {
    name: "both addresses",
    groups: { "a:80": [oldServes, newListens], "a:81": [oldServes, newListens] },
    passed: true,
    explanation: "",
  },
  {
    name: "another address than the old one's",
    groups: { "a:80": [oldServes], "b:90": [newListens] },
    passed: false,
    explanation: "it does not listen at a:80; it listens at b:90",
  },
  {
    name: "a new address besides",
    groups: { "a:80": [oldServes, newListens], "b:90": [newListens] },
    passed: true,
    explanation: "",
  },
  {
    name: "an address where no generation serves any more",
    groups: { "a:80": [oldServes, newListens], "b:90": [{ epoch: OLD }] },
    passed: true,
    explanation: "",
  },
  {
    name: "an address that only one has that was rolled back and still drains",
    groups: { "a:80": [oldServes, newListens], "b:90": [{ epoch: GONE, receiving: true }] },
    passed: true,
    explanation: "",
  },
  {
    name: "the same, as far as another baton's generations are concerned",
    groups: { "a:80": [oldServes, newListens], "b:90": [{ epoch: GONE, receiving: true }] },
    serving: null,
    passed: false,
    explanation: "it does not listen at b:90; it listens at a:80",
  },
  {
    name: "an address where one before the old one still gets all",
    groups: {
      "a:80": [oldServes, newListens],
      "b:90": [{ epoch: GONE, receiving: true }, { epoch: OLD }],
    },
    passed: false,
    explanation: "it does not listen at b:90; it listens at a:80",
  },
  {
    name: "an address that the old one opened late (a debugger's)",
    groups: { "a:80": [oldServes, newListens], "d:9229": [{ ...oldServes, late: true }] },
    passed: true,
    explanation: "",
  },
  {
    name: "an address whose last member is dead",
    groups: { "a:80": [oldServes, newListens], "b:90": [{ ...oldServes, dead: true }] },
    passed: true,
    explanation: "",
  },
  {
    name: "a socket that baton has made and no process uses",
    groups: { "a:80": [oldServes, madeByBaton] },
    passed: false,
    explanation: "it does not listen at a:80",
  },
  {
    name: "a socket whose process is gone",
    groups: { "a:80": [oldServes, { ...newListens, unheld: true }] },
    passed: false,
    explanation: "it has closed its listener at a:80 and not ended",
  },
  {
    name: "a socket whose process is gone, and an address at which it never listened",
    groups: { "a:80": [oldServes, { ...newListens, unheld: true }], "a:81": [oldServes] },
    passed: false,
    explanation: "it has closed its listener at a:80 and not ended; it does not listen at a:81",
  },
  {
    name: "the first generation, which has closed its only listener",
    groups: { "a:80": [{ epoch: NEW, receiving: true, unheld: true }] },
    serving: null,
    passed: false,
    explanation: "it has closed its listener at a:80 and not ended",
  },
  {
    name: "a candidate that listens and waits for no connection",
    groups: { "a:80": [oldServes, newListens] },
    isBusy: true,
    passed: false,
    explanation: "it listens at a:80, and does not wait for connections there",
  },
  {
    name: "the same with --ready listen",
    groups: { "a:80": [oldServes, newListens] },
    ready: "listen",
    isBusy: true,
    passed: true,
    explanation: "",
  },
  {
    name: "the same when a check has passed",
    groups: { "a:80": [oldServes, newListens] },
    isBusy: true,
    proves: true,
    passed: true,
    explanation: "",
  },
  {
    name: "the same when it has sent READY=1 of its own accord",
    groups: { "a:80": [oldServes, newListens] },
    notified: true,
    isBusy: true,
    passed: true,
    explanation: "",
  },
  {
    name: "several workers, one of them gone",
    groups: { "a:80": [oldServes, { ...newListens, unheld: true }, newListens] },
    passed: true,
    explanation: "",
  },

  {
    name: "auto, when the one before has notified",
    groups: { "a:80": [oldServes, newListens] },
    wantsNotification: true,
    passed: false,
    explanation: "it has not sent READY=1",
  },
  {
    name: "auto, notified and listening",
    groups: { "a:80": [oldServes, newListens] },
    wantsNotification: true,
    notified: true,
    passed: true,
    explanation: "",
  },
  {
    name: "auto, notified and not listening",
    groups: { "a:80": [oldServes] },
    wantsNotification: true,
    notified: true,
    passed: false,
    explanation: "it does not listen at a:80",
  },
  {
    name: "auto, notified although not required, and not listening",
    groups: {},
    notified: true,
    passed: false,
    explanation: "it does not listen",
  },
  {
    name: "listen, when the one before has notified",
    groups: { "a:80": [oldServes, newListens] },
    ready: "listen",
    wantsNotification: true,
    passed: true,
    explanation: "",
  },
  {
    name: "notify, nothing yet",
    groups: {},
    ready: "notify",
    passed: false,
    explanation: "it has not sent READY=1",
  },
  {
    name: "notify, without any listener",
    groups: {},
    ready: "notify",
    notified: true,
    passed: true,
    explanation: "",
  },
  {
    name: "notify, listening and not notified",
    groups: { "a:80": [oldServes, newListens] },
    ready: "notify",
    passed: false,
    explanation: "it has not sent READY=1",
  },
  {
    name: "notify, with a socket that was passed on and is not seen in use",
    groups: { "a:80": [oldServes, madeByBaton] },
    ready: "notify",
    notified: true,
    passed: true,
    explanation: "it does not listen at a:80",
  },
  {
    name: "notify, notified before it listens",
    groups: { "a:80": [oldServes] },
    ready: "notify",
    notified: true,
    passed: false,
    explanation: "it does not listen at a:80",
  },
  {
    name: "notify, neither",
    groups: { "a:80": [oldServes] },
    ready: "notify",
    passed: false,
    explanation: "it does not listen at a:80; it has not sent READY=1",
  },
];

describe("Gate", () => {
  for (const each of CASES) {
    test(
      `${each.passed ? "opens" : "stays shut"}: ${each.name}`,
      { timeout: TEST_TIMEOUT_MS },
      () => {
        const { groups, ready = "auto", wantsNotification = false, notified = false } = each;
        const { isBusy = false, proves = false } = each;
        const table = listeners(groups);
        table.servingEpoch = each.serving === undefined ? OLD : each.serving;
        const gate = new Gate({ epoch: NEW, worker: 0 }, ready, table, wantsNotification, {
          ...NO_CHECKS,
          proves,
        });
        gate.notified = notified;
        gate.isAtRest = !isBusy;
        assert.equal(gate.isPassed, each.passed);
        assert.equal(gate.explanation, each.explanation);
      },
    );
  }

  const workers: [what: string, worker: number, groups: Case["groups"], missing: string[]][] = [
    ["it listens where another one does", 1, { "a:80": [w(0), w(1)] }, []],
    ["it does not listen where two others do", 2, { "a:80": [w(0), w(1)], "a:81": [w(2)] }, [
      "a:80",
    ]],
    ["a port that is another one's alone", 1, { "a:80": [w(0)], "a:81": [w(1)] }, []],
    ["its own port is missing", 1, { "a:80": [oldServes], "a:81": [{ ...oldServes, worker: 1 }] }, [
      "a:81",
    ]],
  ];
  for (const [what, worker, groups, missing] of workers) {
    test(`of worker ${worker} asks for ${missing.join(", ") || "no more"}: ${what}`, () => {
      const table = listeners(groups);
      const gate = new Gate({ epoch: NEW, worker }, "auto", table, false, NO_CHECKS);
      assert.deepEqual(gate.missing.map(({ text }) => text), missing);
    });
  }

  test("is shut to a replacement's successor where the crashed one was reached, and nowhere else", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    const table = listeners({
      "a:80": [{ ...oldServes }],
      "b:90": [{ epoch: NEW, receiving: true }],
    });
    table.servingEpoch = OLD;
    table.rememberOrphaned(OLD);
    const [served, extra] = table.groups.map(({ members }) => members[0]!);
    served!.epoch = NEW;
    const isMissing = () =>
      new Gate({ epoch: 2, worker: 0 }, "auto", table, false, NO_CHECKS).missing.map(({ text }) =>
        text
      );
    assert.deepEqual(isMissing(), ["a:80"], "its replacement has it, and has not passed its gate");
    table.returnMembers(NEW, OLD);
    table.rememberOrphaned(OLD);
    assert.deepEqual([served!.epoch, extra!.epoch], [OLD, NEW]);
    assert.deepEqual(isMissing(), ["a:80"]);
  });

  test("names the groups that are missing and those that are there", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    const table = { "a:80": [oldServes, newListens], "a:81": [oldServes], "b:90": [newListens] };
    const gate = new Gate({ epoch: NEW, worker: 0 }, "auto", listeners(table), false, NO_CHECKS);
    assert.deepEqual(gate.missing.map(({ text }) => text), ["a:81"]);
    assert.deepEqual(gate.listening.map(({ text }) => text), ["a:80", "b:90"]);
    assert.equal(gate.isListening, false);
  });

  test("needs a notification by name, or after one of the generation before", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    const needs = (ready: ReadyGate, wants: boolean) =>
      new Gate({ epoch: NEW, worker: 0 }, ready, listeners({}), wants, NO_CHECKS).needsNotification;
    assert.deepEqual([needs("notify", false), needs("notify", true)], [true, true]);
    assert.deepEqual([needs("auto", false), needs("auto", true)], [false, true]);
    assert.deepEqual([needs("listen", false), needs("listen", true)], [false, false]);
  });
});
