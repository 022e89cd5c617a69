/** Who may do what to which path: as a table. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isPrivatePath, judgePathDeed } from "../../../../src/handoff/unix/path_rules.ts";
import { pathInAddress } from "../../../../src/handoff/unix/unix_name.ts";
import { C } from "../../../../src/platform/libc/constants.ts";

type Deed = Parameters<typeof judgePathDeed>[0];
type Verdict = ReturnType<typeof judgePathDeed>;

const PLAIN = { named: "public", hasNode: false, source: "other" } as const;

type Row = [
  who: Deed["role"],
  deed: Deed["deed"],
  more: Partial<Pick<Deed, "named" | "hasNode" | "source">>,
  verdict: Verdict,
  why: string,
];

const OWN = { hasNode: true } as const;
const BY_NAME = { hasNode: true, named: "own" } as const;

const ROWS: readonly Row[] = [
  ["candidate", "unlink", {}, "pretend", "it makes room for its own bind (gunicorn, redis)"],
  ["candidate", "unlink", OWN, "own node", "it takes its own one back"],
  ["candidate", "unlink", BY_NAME, "own node", "the same, by what getsockname says"],
  ["candidate", "connect", {}, "refuse", "it asks whether a copy runs (php-fpm, puma)"],
  ["candidate", "connect", OWN, "own node", "a worker of it talks to its master"],
  ["candidate", "connect", BY_NAME, "pass", "it names its own node"],
  ["candidate", "chmod", {}, "pretend", "nothing of its own is there"],
  ["candidate", "chmod", OWN, "own node", "uvicorn, redis, nginx"],
  ["candidate", "chown", OWN, "own node", "php-fpm"],
  ["candidate", "rename onto", { source: "own node" }, "hold back", "haproxy"],
  ["candidate", "rename onto", { source: "other" }, "busy", "clients would find a file"],
  ["candidate", "rename onto", { source: "same" }, "pass", "its backup of what is there"],
  ["candidate", "rename away", {}, "pretend", "a backup of what is there"],
  ["candidate", "rename away", OWN, "busy", "its node would be lost"],
  ["serving", "unlink", OWN, "pass", "clients find nothing, as without baton"],
  ["serving", "unlink", BY_NAME, "public path", "its hidden name is the public one by now"],
  ["serving", "chmod", OWN, "pass", "it is its own"],
  ["serving", "chmod", BY_NAME, "public path", "it is its own"],
  ["serving", "chown", BY_NAME, "public path", "it is its own"],
  ["serving", "connect", OWN, "pass", "it is a client"],
  ["serving", "rename onto", { source: "own node" }, "pass", "it listens anew"],
  ["serving", "rename onto", { source: "other" }, "pass", "as without baton"],
  ["serving", "rename away", OWN, "pass", "as without baton"],
  ["trial", "unlink", OWN, "pretend", "clients go back to the one before it"],
  ["trial", "unlink", BY_NAME, "pretend", "clients go back to the one before it"],
  ["trial", "chmod", BY_NAME, "public path", "it is its own"],
  ["trial", "connect", OWN, "pass", "it is a client"],
  ["draining", "unlink", OWN, "pretend", "its successor has the path"],
  ["draining", "unlink", BY_NAME, "pretend", "its node goes when it has exited"],
  ["draining", "chmod", OWN, "pretend", "its successor has the path"],
  ["draining", "chown", {}, "pretend", "its successor has the path"],
  ["draining", "connect", {}, "pass", "it is a client of its successor"],
  ["draining", "rename onto", { source: "own node" }, "busy", "its successor has the path"],
  ["draining", "rename away", OWN, "pretend", "its successor has the path"],
];

describe("judgePathDeed()", () => {
  for (const [role, deed, more, verdict, why] of ROWS) {
    it(`${role}: ${deed} ${JSON.stringify(more)} -> ${verdict}: ${why}`, () => {
      assert.equal(judgePathDeed({ ...PLAIN, role, deed, ...more }), verdict);
    });
  }

  it("lets no generation but the serving one change what clients find", () => {
    const deeds = ["unlink", "rename onto", "rename away", "chmod", "chown"] as const;
    for (const role of ["candidate", "draining"] as const) {
      for (const deed of deeds) {
        for (const hasNode of [true, false]) {
          for (const named of ["public", "own"] as const) {
            const of = { role, deed, hasNode, named, source: "other" } as const;
            const verdict = judgePathDeed(of);
            assert.ok(verdict !== "pass" && verdict !== "public path", JSON.stringify(of));
          }
        }
      }
    }
  });
});

describe("isPrivatePath()", () => {
  const table: [path: string, pids: number[], isPrivate: boolean, isInOwnDirectory?: boolean][] = [
    ["/run/app.sock", [4711], false],
    ["/run/app.4711.sock", [4711], true],
    ["/tmp/app-4711/ctl", [4711], true],
    ["/run/app.47110.sock", [4711], false],
    ["/run/app.1.sock", [1], false],
    ["/run/app.99.sock", [7, 99], false],
    ["/tmp/ipc-0b5f0c0e-5b0c-4e06-9f7f-0c2a4b7d9e11.sock", [1], true],
    ["/run/php/php8.2-fpm.sock", [4711], false],
    ["/tmp/pymp-k3x_9abz/listener-aaaaaaaa", [4711], true, true],
    ["/tmp/pymp-k3x_9abz/listener-aaaaaaaa", [4711], false, false],
    ["/tmp/tmp.Ab3dE6/s", [4711], true, true],
    ["/run/app-sockets/s", [4711], false, true],
    ["/run/app/s.a1b2c3", [4711], false, true],
  ];
  for (const [path, pids, isPrivate, isInOwnDirectory = false] of table) {
    const where = isInOwnDirectory ? "in a directory of its own" : "";
    it(`${path} of ${pids.join()} ${where}: ${isPrivate}`, () => {
      assert.equal(isPrivatePath({ path, pids, isInOwnDirectory }), isPrivate);
    });
  }
});

describe("pathInAddress()", () => {
  const address = (family: number, path: string) =>
    new Uint8Array([family, 0, ...new TextEncoder().encode(path)]);
  const table: [what: string, bytes: Uint8Array, path: string | null][] = [
    ["a path", address(C.AF_UNIX, "/run/a.sock"), "/run/a.sock"],
    ["one that ends before the structure", address(C.AF_UNIX, "a\0\0\0"), "a"],
    ["an abstract name", address(C.AF_UNIX, "\0name"), null],
    ["none", address(C.AF_UNIX, ""), null],
    ["another family", address(C.AF_INET, "/run/a.sock"), null],
    ["too short", new Uint8Array(1), null],
  ];
  for (const [what, bytes, path] of table) {
    it(what, () => assert.equal(pathInAddress(bytes), path));
  }
});
