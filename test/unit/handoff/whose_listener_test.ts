/** Whose a listener is, as tables: of the service, of a client's session, of a helper; and what becomes of a closed one. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fateOfClosed } from "../../../src/handoff/closed_fate.ts";
import { isHelper } from "../../../src/handoff/helper_role.ts";
import { roleOf } from "../../../src/handoff/opener_role.ts";

type Opener = Parameters<typeof roleOf>[0];
type Holder = Parameters<typeof isHelper>[0];
type Closed = Parameters<typeof fateOfClosed>[0];

const SESSION: Opener = {
  isLeader: false,
  cameAfterGate: true,
  isBelowListener: true,
  hasConnection: true,
};

describe("roleOf()", () => {
  const cases: readonly [what: string, Partial<Opener>, ReturnType<typeof roleOf>][] = [
    ["a child that a connection has caused (FTP, ssh -R)", {}, "session"],
    ["a child that came after the gate, without a connection", { hasConnection: false }, "passing"],
    ["a worker from before the gate, with a connection", { cameAfterGate: false }, "standing"],
    ["what a script starts later, which does not listen", { isBelowListener: false }, "standing"],
    ["the leading process, with connections", { isLeader: true }, "standing"],
  ];
  for (const [what, facts, role] of cases) {
    test(`${what}: ${role}`, () => assert.equal(roleOf({ ...SESSION, ...facts }), role));
  }
});

const EPMD: Holder = {
  leaderLives: true,
  isBelowLeader: false,
  sharesSession: false,
  sharesProgram: false,
  leaderListens: true,
};

describe("isHelper()", () => {
  const cases: readonly [what: string, Partial<Holder>, boolean][] = [
    ["a program that has detached itself from a server that listens", {}, true],
    ["the same below the server", { isBelowLeader: true }, false],
    ["an orphan that has stayed in the session (a worker of a dead master)", {
      sharesSession: true,
    }, false],
    ["a server that has gone to the background", { leaderLives: false }, false],
    ["the same behind a script that stays and does not listen", { leaderListens: false }, false],
    ["a second process of the server's own program", { sharesProgram: true }, false],
  ];
  for (const [what, facts, helps] of cases) {
    test(`${what}: ${helps}`, () => assert.equal(isHelper({ ...EPMD, ...facts }), helps));
  }
});

const CLOSED: Closed = {
  isHeldByOthers: false,
  listensElsewhere: true,
  openerLives: true,
  isAwaited: false,
  isPassing: false,
  isDraining: false,
};

describe("fateOfClosed()", () => {
  const cases: readonly [what: string, Partial<Closed>, ReturnType<typeof fateOfClosed>][] = [
    ["closed on purpose", {}, "give up"],
    ["closed by a server that tries its port: clients wait", { isAwaited: true }, "wait"],
    ["its worker has died", { openerLives: false }, "wait"],
    ["its process came after the gate, and has ended", {
      openerLives: false,
      isPassing: true,
    }, "give up"],
    ["the only address of the service", { listensElsewhere: false }, "keep"],
    ["the only address, of a process that has ended", {
      listensElsewhere: false,
      openerLives: false,
      isPassing: true,
    }, "keep"],
    ["another worker listens there", { isHeldByOthers: true, openerLives: false }, "keep"],
    ["by a generation that drains: its queue comes first", { isDraining: true }, "keep"],
    ["by a session of a generation that drains", { isDraining: true, isPassing: true }, "give up"],
  ];
  for (const [what, facts, fate] of cases) {
    test(`${what}: ${fate}`, () => assert.equal(fateOfClosed({ ...CLOSED, ...facts }), fate));
  }
});
