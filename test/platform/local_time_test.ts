/** The C library's local time, beside that of date(1). */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { localTime, useTimeZone } from "../../src/platform/local_time.ts";
import { testPlatform } from "../support/test_platform.ts";

/** In winter, in summer, and before 1970. */
const SECONDS = [1_767_323_045, 1_784_000_000, -86_401];

// Names of zones need files, which small images lack; the second is a rule.
for (const TZ of ["UTC", "EST5EDT,M3.2.0,M11.1.0", "<+0545>-5:45"]) {
  test(`localTime() with TZ=${TZ}`, async () => {
    const { libc } = await testPlatform();
    useTimeZone(libc, TZ);
    for (const seconds of SECONDS) {
      const { year, month, day, hours, minutes, seconds: second } = localTime(libc, seconds * 1000);
      const date = execFileSync("date", ["-d", `@${seconds}`, "+%Y %-m %-d %-H %-M %-S"], {
        env: { TZ },
        encoding: "utf8",
      });
      assert.equal([year, month, day, hours, minutes, second].join(" "), date.trim());
    }
  });
}
