/** What is known of a command line before the parser is loaded must be what the parser says. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { asksForVersion, mayReadFile } from "../../../../src/cli/words/early_words.ts";
import { parseCommandLine } from "../../../../src/cli/words/parse.ts";

const LINES = [
  "--version",
  "-V run",
  "version",
  "run --config file -- server",
  "run --config=file -- server",
  "rehearse --config file",
  "init systemd --config=file -- server",
  "run -- server --config file",
  "run --name config -- server",
  "run -- server -V",
];

for (const line of LINES) {
  describe(line, () => {
    const argv = line.split(" ");

    test("reads a file only where one may be named", () => {
      let isRead = false;
      const read = () => {
        isRead = true;
        throw new Error("read");
      };
      try {
        parseCommandLine(argv, read);
      } catch (error) {
        assert.equal(isRead, true, String(error));
      }
      assert.ok(!isRead || mayReadFile(argv, {}, () => false));
    });

    test("asks for the version only where the parser says so", () => {
      if (asksForVersion(argv)) {
        assert.deepEqual(parseCommandLine(argv, () => assert.fail()), { verb: "version" });
      }
    });
  });
}
