/** What the journal of systemd gets. */
import assert from "node:assert/strict";
import { fstatSync, rmSync } from "node:fs";
import { describe, it } from "node:test";
import { Journal, journalMessage } from "../../../../src/events/receivers/journal.ts";
import { tempDir } from "../../../support/temp_dir.ts";
import { testPlatform } from "../../../support/test_platform.ts";

const RECORD = {
  id: 1_764_410_000_000,
  time: "2025-11-29T09:53:20.000Z",
  event: "reload.failed",
  level: "error",
  name: "web",
  message: "reload failed: two\nlines",
  epoch: 3,
  durationMs: 12,
  phases: [{ phase: "starting" }],
} as const;

describe("journalMessage()", () => {
  it("has a field for each value, and no line of its own in one", () => {
    const lines = new TextDecoder().decode(journalMessage(RECORD)).split("\n");
    assert.deepEqual(lines, [
      "MESSAGE=reload.failed: reload failed: two lines",
      "PRIORITY=3",
      "SYSLOG_IDENTIFIER=baton",
      "BATON_EVENT_ID=1764410000000",
      "BATON_EVENT=reload.failed",
      "BATON_NAME=web",
      "BATON_EPOCH=3",
      "BATON_DURATION_MS=12",
      "",
    ]);
  });
});

describe("Journal", () => {
  it("is found only where standard error leads to it", async () => {
    await using platform = await testPlatform();
    const { dev, ino } = fstatSync(2);
    assert.equal(Journal.find(platform, undefined), null);
    assert.equal(Journal.find(platform, `${dev}:${ino + 1}`), null);
    assert.ok(Journal.find(platform, `${dev}:${ino}`) !== null);
  });

  it("gets the events, also after it was restarted, and may be missing", async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    const path = dir.join("socket");
    const journal = new Journal(platform, path);
    journal.write(RECORD);
    for (const turn of ["first", "second"]) {
      using socket = platform.sockets.datagram(path);
      journal.write(RECORD);
      const bytes = platform.descriptors.read(socket, new Uint8Array(4096));
      assert.match(new TextDecoder().decode(bytes!), /BATON_EVENT=reload\.failed\n/, turn);
      rmSync(path);
    }
    journal.close();
  });
});
