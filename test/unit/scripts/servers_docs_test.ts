/** docs/servers.md has the rows that `make test-servers` runs, and what it says of each is what they expect. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { REPOSITORY } from "../../support/programs.ts";
import { faultsOf } from "../../servers/judge.ts";
import { withTables } from "../../servers/render.ts";
import type { ServerRow } from "../../servers/row.ts";
import type { Seen } from "../../servers/run.ts";
import { ROWS, SECTIONS } from "../../servers/table.ts";

const PAGE = readFileSync(join(REPOSITORY, "docs/servers.md"), "utf8");

describe("docs/servers.md", () => {
  it("is what `make server-docs` writes from the rows", () => {
    assert.equal(PAGE, withTables(PAGE, SECTIONS));
  });

  it("has at least 40 rows, each name once", () => {
    assert.ok(ROWS.length >= 40, `${ROWS.length}`);
    assert.equal(new Set(ROWS.map(({ name }) => name)).size, ROWS.length);
  });

  it("says of each server that needs something what that is, and the run what the refusal says", () => {
    const unsaid = ROWS.filter(({ verdict, tweak, refusal }) =>
      (verdict === "needs") !== (refusal !== undefined) || (refusal !== undefined && !tweak)
    );
    assert.deepEqual(unsaid.map(({ name }) => name), []);
  });

  it("cannot be written without the marks", () => {
    assert.throws(() => withTables("# Servers", SECTIONS), /the page lacks/);
  });
});

const OK: Seen = {
  reloads: [{ result: "ok", why: "", durationMs: 1 }],
  ok: 100,
  lost: 0,
  failures: "",
  errors: [],
  slowestMs: 1,
  pidFile: "-",
  dataLost: [],
  exit: { code: 0, signal: null },
  stopMs: 1,
  leftovers: [],
};
const refused = (why: string): Seen => ({
  ...OK,
  reloads: [{ result: "failed", why, durationMs: 1 }],
});
const row = (verdict: ServerRow["verdict"]): ServerRow => ({
  ...ROWS[0]!,
  verdict,
  pidFile: "-",
  refusal: /already running/,
});

describe("a row is not as expected when", () => {
  for (
    const [what, verdict, seen, isTweaked, fault] of [
      ["nothing is wrong: it is", "works", OK, false, null],
      ["a reload fails", "works", refused("no"), false, /reload 1 was failed: no/],
      ["a reload fails that must not run twice", "stop-first", refused("no"), false, /was failed/],
      ["an exchange is lost", "works", { ...OK, lost: 1, failures: "1 reset" }, false, /1 reset/],
      ["data is lost", "stop-first", { ...OK, dataLost: [2] }, false, /data lost: 2/],
      ["the pid file is another", "works", { ...OK, pidFile: "stale" }, false, /stale, not -/],
      ["something is left", "works", { ...OK, leftovers: ["7 x"] }, false, /left behind: 7 x/],
      ["baton ends with 1", "works", { ...OK, exit: { code: 1, signal: null } }, false, /with 1/],
      ["it is refused as it should be: it is", "needs", refused("already running"), false, null],
      ["it is refused without the reason", "needs", refused("it ended"), false, /does not say/],
      ["it is not refused", "needs", OK, false, /was ok, not failed/],
      ["it is refused with the tweak, too", "needs", refused("already running"), true, /failed/],
    ] as const
  ) {
    it(what, () => {
      const options = { isTweaked, keepsPidFile: true };
      const faults = faultsOf(row(verdict), seen, options).join("\n");
      if (fault === null) assert.equal(faults, "");
      else assert.match(faults, fault);
    });
  }
});
