/** `--log-file`: a file, or a FIFO that a log shipper reads. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, test } from "node:test";
import { openLogger } from "../../../../src/cli/service/log_setup.ts";
import { C } from "../../../../src/platform/libc/constants.ts";
import { buildConfig } from "../../../support/config.ts";
import { TEST_TIMEOUT_MS } from "../../../support/limits.ts";
import { tempDir } from "../../../support/temp_dir.ts";
import { testPlatform } from "../../../support/test_platform.ts";

describe("openLogger()", () => {
  test("waits for no reader of a FIFO: its lines do", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    const path = dir.join("log");
    execFileSync("mkfifo", [path]);
    const flagValues = new Map([["log-file", [path]]]);
    const config = buildConfig({ fileValues: null, flagValues, command: ["true"] });
    const logger = openLogger(platform, config);
    logger.info("one");
    using reader = platform.descriptors.open(path, C.O_RDONLY | C.O_NONBLOCK);
    logger.info("two");
    const bytes = platform.descriptors.read(reader, new Uint8Array(4096)) ?? new Uint8Array();
    assert.match(new TextDecoder().decode(bytes), /^.*: one\n.*: two\n$/);
    // As at SIGUSR1.
    logger.reopen();
    logger.info("three");
    const more = platform.descriptors.read(reader, new Uint8Array(4096)) ?? new Uint8Array();
    assert.match(new TextDecoder().decode(more), /^.*: three\n$/);
  });
});
