/** A path that the next baton could not take over is refused before anything depends on it. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { describe, test } from "node:test";
import {
  HandoffSocket,
  HandoffSocketError,
} from "../../../../src/succession/takeover/handoff_socket.ts";
import { tempDir } from "../../../support/temp_dir.ts";
import { testPlatform } from "../../../support/test_platform.ts";

/** sun_path of unix(7) has 108 bytes, with the NUL; the successor's name is 9 bytes longer. */
const LONGEST = 98;

describe("HandoffSocket", () => {
  test("open() takes no path that replace() could not put another one beside", async () => {
    using dir = tempDir();
    await using platform = await testPlatform();
    const longest = dir.join("x".repeat(LONGEST - dir.path.length - 1));
    assert.equal(longest.length, LONGEST);
    const at = (path: string) => new HandoffSocket(platform, path, () => {});
    const [old, successor] = [at(longest), at(longest)];
    old.open();
    successor.replace();
    assert.equal(successor.isOurs && !old.isOurs, true);
    old.close();
    assert.throws(
      () => at(`${longest}x`).open(),
      (error: unknown) =>
        error instanceof HandoffSocketError && !error.isBusy && / 99 bytes/.test(error.message),
    );
    successor.close();
    assert.deepEqual(readdirSync(dir.path), []);
  });
});
