/** A switch that was half made: the names say whose node clients find, whatever was written down. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Directory } from "../../../../src/platform/files/directory.ts";
import type { UnixNode } from "../../../../src/steering/member.ts";
import {
  exchangeNames,
  findNames,
  removeUnknown,
} from "../../../../src/steering/unix/node_names.ts";

type Names = Record<string, string>;

const CASES: [what: string, recorded: Names, real: Names, found: Record<string, string | null>][] =
  [
    [
      "nothing was changed",
      { old: "s", candidate: ".s.1" },
      { s: "old", ".s.1": "candidate" },
      { old: "s", candidate: ".s.1" },
    ],
    [
      "names were exchanged, and that was not written down",
      { old: "s", candidate: ".s.1" },
      { s: "candidate", ".s.1": "old" },
      { old: ".s.1", candidate: "s" },
    ],
    [
      "they were exchanged back",
      { old: ".s.1", candidate: "s" },
      { s: "old", ".s.1": "candidate" },
      { old: "s", candidate: ".s.1" },
    ],
    [
      "a server has removed its node",
      { old: "s", candidate: ".s.1" },
      { ".s.1": "candidate" },
      { old: null, candidate: ".s.1" },
    ],
    [
      "another program has taken the path",
      { old: "s", candidate: ".s.1" },
      { s: "other", ".s.1": "candidate" },
      { old: null, candidate: ".s.1" },
    ],
  ];

describe("which node is at which name, when", () => {
  for (const [what, recorded, real, found] of CASES) {
    test(what, () => {
      const nodes = Object.entries(recorded)
        .map(([key, name]): UnixNode => ({ key, name, bound: name }));
      const stat = (name: string) => {
        const key = real[name];
        return key === undefined ? null : { key } as ReturnType<Directory["stat"]>;
      };
      findNames({ stat }, "s", nodes);
      assert.deepEqual(Object.fromEntries(nodes.map(({ key, name }) => [key, name])), found);
    });
  }
});

describe("exchangeNames()", () => {
  const cases: [
    what: string,
    hidden: string,
    canExchange: boolean,
    done: string[],
    old: string | null,
  ][] = [
    ["baton's own name is the old one's then", ".s.1", true, [], ".s.1"],
    ["a name of the server's is free again", "s.77.tmp", true, ["s.77.tmp -> .s.q5"], ".s.q5"],
    ["what cannot be exchanged has lost its name", "s.77.tmp", false, [], null],
  ];
  for (const [what, hidden, canExchange, expected, name] of cases) {
    test(what, () => {
      const done: string[] = [];
      const old: UnixNode = { key: "1", name: "s", bound: "s" };
      const node: UnixNode = { key: "2", name: hidden, bound: hidden };
      const directory = {
        exchange: () => canExchange,
        remove: (each: string) => void done.push(`remove ${each}`),
        rename: (from: string, to: string) => void done.push(`${from} -> ${to}`),
      };
      exchangeNames(directory, { node, target: "s", spare: () => ".s.q5" }, [old, node]);
      assert.deepEqual([done, node.name, old.name], [expected, "s", name]);
    });
  }
});

describe("removeUnknown()", () => {
  const node = { key: "1", name: ".s.3", bound: ".s.3" };
  const CASES: [what: string, stat: object | null, known: UnixNode[], removed: string[]][] = [
    ["a socket of which no record knows", { isSocket: true, key: "2" }, [node], [".s.3"]],
    ["a node of ours, which a switch may have put there", { isSocket: true, key: "1" }, [node], []],
    ["another file", { isSocket: false, key: "2" }, [], []],
    ["nothing", null, [], []],
  ];
  for (const [what, stat, known, expected] of CASES) {
    test(what, () => {
      const removed: string[] = [];
      const remove = (name: string) => void removed.push(name);
      removeUnknown({ stat: () => stat as ReturnType<Directory["stat"]>, remove }, ".s.3", known);
      assert.deepEqual(removed, expected);
    });
  }
});
