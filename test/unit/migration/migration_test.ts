/** Who is asked about accept(2): whoever may get connections, also where asking costs too much. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Migration } from "../../../src/migration/migration.ts";
import type { Platform } from "../../../src/platform/platform.ts";
import type { Listeners } from "../../../src/steering/listeners.ts";

describe("Migration.trapForNext()", () => {
  test("asks the next generation while one before is still to be moved, whatever it costs", () => {
    const platform = { runtime: { arch: "x64" }, reactor: { letPass: () => {} } };
    // "leave" is what "auto" comes to when new connections are many.
    const parts = [platform as unknown as Platform, {} as Listeners, "leave"] as const;
    const migration = new Migration(...parts, () => {});
    assert.deepEqual(migration.trapForNext(), []);
    migration.moving.set(0, () => {});
    assert.ok(migration.isIn(migration.trapForNext()));
    migration.moving.delete(0);
    assert.deepEqual(migration.trapForNext(), []);
  });
});
