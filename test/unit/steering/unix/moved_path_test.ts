/** Which group is in the place of which, when a path leads into another directory than before. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Group } from "../../../../src/steering/group.ts";
import { placeOf } from "../../../../src/steering/unix/moved_path.ts";

/** "EPOCH PATH AS NAMED BY THE SERVER", by the path without links and a number of the directory. */
type Table = Readonly<Record<string, readonly string[]>>;

const OLD = "/run/a/s #1";
const NEXT = 1;

const CASES: [what: string, groups: Table, place: string][] = [
  ["nothing listens in another directory", { [OLD]: ["0 /run/a/s", "1 /run/a/s"] }, OLD],
  [
    "the directory was made anew",
    { [OLD]: ["0 /run/a/s"], "/run/a/s #2": ["1 other/s"] },
    "/run/a/s #2",
  ],
  [
    "a link leads to the next release",
    { [OLD]: ["0 /cur/s"], "/run/b/s #2": ["1 /cur/s"] },
    "/run/b/s #2",
  ],
  [
    "another path is another address",
    { [OLD]: ["0 /run/a/s"], "/run/b/s #2": ["1 /run/b/s"] },
    OLD,
  ],
  ["only another generation has moved", { [OLD]: ["0 s"], "/run/b/s #2": ["2 s"] }, OLD],
  [
    "one generation has both: a relative path from two directories",
    { [OLD]: ["0 s"], "/run/b/s #2": ["0 s", "1 s"] },
    OLD,
  ],
  [
    "a directory and a name that were made up",
    {
      "/tmp/pymp-x1y2z3w4/listener-k9_aa2bb #1": ["0 a"],
      "/tmp/pymp-q8w7e6r5/listener-0_zz4yy9 #2": ["1 b"],
    },
    "/tmp/pymp-q8w7e6r5/listener-0_zz4yy9 #2",
  ],
  [
    "the number of each generation",
    { "/run/app1.0/s #1": ["0 a"], "/run/app1.1/s #2": ["1 b"] },
    "/run/app1.1/s #2",
  ],
  [
    "another number",
    { "/run/app1.0/s #1": ["0 a"], "/run/app2.1/s #2": ["1 b"] },
    "/run/app1.0/s #1",
  ],
  [
    "names of a few letters",
    { "/tmp/app1.sock #1": ["0 a"], "/tmp/app2.sock #1": ["1 b"] },
    "/tmp/app1.sock #1",
  ],
  [
    "names that are words",
    { "/run/a.stable #1": ["0 a"], "/run/a.canary #1": ["1 b"] },
    "/run/a.stable #1",
  ],
  ["a port", { [OLD]: ["0 s"], "127.0.0.1:80": ["1 s"] }, OLD],
];

function groupsOf(table: Table) {
  return Object.entries(table).map(([key, members]) => ({
    key,
    text: key.replace(/ #.*/, ""),
    path: key.includes("#") ? {} as NonNullable<Group["path"]> : null,
    members: members.map((text, i) => {
      const [, epoch, asked = ""] = /^(\d+) (.*)$/.exec(text) ?? [];
      // Named by baton, and by the server itself.
      const node = i % 2 === 0 ? { bound: asked } : { bound: "/run/a/.s.1", asked };
      return { epoch: Number(epoch), dead: false, node } as unknown as Group["members"][number];
    }),
  }));
}

describe("where a generation listens in place of a path, when", () => {
  for (const [what, table, place] of CASES) {
    test(what, () => {
      const groups = groupsOf(table);
      assert.equal(placeOf(groups, groups[0]!, NEXT).key, place);
    });
  }
});
