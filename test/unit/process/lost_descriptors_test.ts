/** Descriptors of the caller in the server's command are named when it has failed; those that it gets are not. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { lostDescriptors } from "../../../src/process/lost_descriptors.ts";

describe("lostDescriptors()", () => {
  const cases: readonly (readonly [string, { members?: number; ready?: number }, string | null])[] =
    [
      ["server --config /dev/fd/63", {}, "/dev/fd/63"],
      ["server --config=/proc/self/fd/12", {}, "/proc/self/fd/12"],
      ["server @/dev/fd/63,/dev/fd/62 /dev/fd/63", {}, "/dev/fd/63, /dev/fd/62"],
      ["server /dev/fd/3", { members: 1 }, null],
      ["server /dev/fd/4", { members: 1 }, "/dev/fd/4"],
      ["server /dev/fd/7", { ready: 7 }, null],
      ["server /dev/fd/0 /dev/fd/1 /dev/fd/2", {}, null],
      ["server --root /home/dev/fd/x /dev/null", {}, null],
    ];
  for (const [line, { members = 0, ready }, expected] of cases) {
    test(`${line} with ${members} members`, () => {
      const plan = { argv: line.split(" "), members };
      const hints = lostDescriptors(
        ready === undefined ? plan : { ...plan, readyDescriptor: ready },
      );
      assert.deepEqual(
        hints.map((hint) => /^it does not get (.*): /.exec(hint)?.[1]),
        expected === null ? [] : [expected],
      );
    });
  }
});
