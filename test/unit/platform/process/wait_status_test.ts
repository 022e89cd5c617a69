/** What wait(2) says, decoded: the numbers are those of the kernel's wait status. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  decodeWaitStatus,
  shellStatus,
  stopSignalOf,
} from "../../../../src/platform/process/wait_status.ts";
import { TEST_TIMEOUT_MS } from "../../../support/limits.ts";

describe("a wait status", () => {
  const ROWS = [
    ["exit 0", 0x0000, null, 0],
    ["exit 3", 0x0300, null, 3],
    ["exit 127: the same bits as a stop, in the other byte", 0x7f00, null, 127],
    ["killed by TERM", 0x000f, null, 143],
    ["killed by ABRT, with a core", 0x0086, null, 134],
    ["stopped by TTIN", 0x157f, 21, null],
    ["stopped by TTOU", 0x167f, 22, null],
    ["stopped by TSTP", 0x147f, 20, null],
  ] as const;
  for (const [what, status, stoppedBy, shell] of ROWS) {
    test(what, { timeout: TEST_TIMEOUT_MS }, () => {
      assert.equal(stopSignalOf(status), stoppedBy);
      if (shell !== null) assert.equal(shellStatus(decodeWaitStatus(status)), shell);
    });
  }
});
