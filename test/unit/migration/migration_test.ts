/** Which generations get their accept(2) trapped. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Migration } from "../../../src/migration/migration.ts";
import { ARCH } from "../../../src/platform/libc/arch.ts";
import type { Platform } from "../../../src/platform/platform.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import type { Listeners } from "../../../src/steering/listeners.ts";

describe("Migration.callsToTrap()", () => {
  test("traps accept(2) whatever it costs while another generation's connections are to be moved", () => {
    const platform = {
      libc: { arch: ARCH.x64 },
      reactor: { letPass: () => {} },
      clock: new FakeClock(),
    };
    // As "auto" with a high rate of new connections.
    const parts = [platform as unknown as Platform, {} as Listeners, "leave"] as const;
    const migration = new Migration(...parts, () => {}, () => {});
    assert.deepEqual(migration.callsToTrap(), []);
    migration.preparing.set(0, () => {});
    assert.ok(migration.isTrappedBy(migration.callsToTrap()));
    migration.preparing.delete(0);
    assert.deepEqual(migration.callsToTrap(), []);
  });
});
