/** Which way a call takes to one generation, and when there is none. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { CallPlace } from "../../../../src/config/values/drain_call_spec.ts";
import { type CallListeners, routeForCall } from "../../../../src/generation/goodbye/call_route.ts";
import type { Platform } from "../../../../src/platform/platform.ts";
import type { Group } from "../../../../src/steering/group.ts";
import { Mutex } from "../../../../src/steering/mutex.ts";

const OLD = 3;
const NEW = 4;
const PLATFORM = { sockets: {} } as Platform;

interface FakeGroup {
  readonly host?: string;
  readonly port: number;
  /** Their epochs. */
  readonly members: readonly number[];
  readonly isShared?: boolean;
  readonly hold?: string;
}

function groupOf({ host = "127.0.0.1", port, members, isShared = false, hold }: FakeGroup): Group {
  const all = members.map((epoch) => ({ epoch, worker: 0, dead: false, late: false }));
  const membersOf = (epoch: number) => all.filter((member) => member.epoch === epoch);
  const tcp = { family: "inet", host, port, scope: 0, v6only: false };
  const group = {
    text: `${host}:${port}`,
    address: tcp,
    tcp,
    members: all,
    membersOf,
    usableMembers: membersOf,
    isReceiving: () => true,
    isShared,
    hold: hold ?? "nothing",
    network: null,
    front: null,
    path: null,
    probes: new Mutex(),
    steerCandidates: () => {},
  };
  return group as unknown as Group;
}

/** @returns where it leads, or why it does not */
function way(place: CallPlace, groups: readonly FakeGroup[], ports: number[] = []): string {
  const listeners: CallListeners = {
    groups: groups.map(groupOf),
    isOfService: () => true,
    ports,
  };
  const route = routeForCall(PLATFORM, listeners, { epoch: OLD, number: 0 }, place);
  if ("failure" in route) return `${route.why}: ${route.failure}`;
  return `${"mustIdentify" in route ? "steered" : "direct"} ${route.text}`;
}

describe("routeForCall()", () => {
  const both = [OLD, NEW];
  const at = (port: number | null, host: string | null = null): CallPlace => ({ host, port });
  const cases: [string, CallPlace, readonly FakeGroup[], RegExp, number[]?][] = [
    ["a port that both have", at(80), [{ port: 80, members: both }], /^steered 127.0.0.1:80$/],
    ["the first listener", at(null), [{ port: 81, members: both }], /^steered 127.0.0.1:81$/],
    [
      "one of two addresses",
      at(80, "127.0.0.3"),
      [{ port: 80, members: both }, { host: "127.0.0.3", port: 80, members: both }],
      /^steered 127.0.0.3:80$/,
    ],
    [
      "one at all addresses",
      at(80, "10.0.0.1"),
      [{ host: "0.0.0.0", port: 80, members: both }],
      /^steered 127.0.0.1:80$/,
    ],
    ["a port of no one", at(90), [{ port: 80, members: both }], /^direct 127.0.0.1:90$/],
    ["another machine", at(80, "10.0.0.1"), [{ port: 80, members: both }], /^direct 10.0.0.1:80$/],
    [
      "a path of no one",
      { unix: "/run/a" },
      [{ port: 80, members: both }],
      /^direct unix:\/run\/a$/,
    ],
    [
      "where only the other one listens",
      at(80),
      [{ port: 80, members: [NEW] }],
      /^not there: it does not listen at 127.0.0.1:80$/,
    ],
    [
      "one socket of both",
      at(80),
      [{ port: 80, members: both, isShared: true }],
      /^shared: all generations share the socket.*\{epoch\}/,
    ],
    [
      "where another baton steers",
      at(80),
      [{ port: 80, members: both, hold: "order and program" }],
      /^elsewhere: another baton steers at 127.0.0.1:80$/,
    ],
    ["no handoff: its port", at(80), [], /^direct 127.0.0.1:80$/],
    ["no handoff: the first port", at(null), [], /^direct 127.0.0.1:8080$/, [8080]],
    ["nothing listens", at(null), [], /^not there: it does not listen$/],
  ];
  for (const [name, place, groups, expected, ports] of cases) {
    test(name, () => assert.match(way(place, groups, ports), expected));
  }
});
