/** Which trapped calls continue while no baton runs. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { passingMeanwhile } from "../../../../src/handoff/calls/calls_meanwhile.ts";
import { ARCH } from "../../../../src/platform/libc/arch.ts";
import { pathCallsOf } from "../../../../src/platform/libc/path_calls.ts";
import type { Platform } from "../../../../src/platform/platform.ts";
import { TEST_TIMEOUT_MS } from "../../../support/limits.ts";

const arch = ARCH.x64;
const { SYS_unlink, SYS_renameat2, SYS_connect, SYS_chmod } = pathCallsOf("x64");
const platform = { libc: { arch, runtime: { arch: "x64" } } } as unknown as Platform;

describe("while no baton runs", () => {
  const cases: readonly (readonly [what: string, call: number, continues: boolean])[] = [
    ["a bind waits: it may be of a listener", arch.SYS_bind, false],
    ["so does a listen", arch.SYS_listen, false],
    ["a socket is made by the kernel", arch.SYS_socket, true],
    ["a setsockopt continues", arch.SYS_setsockopt, true],
    ["an accept continues", arch.SYS_accept4, true],
    ["a kill continues", arch.SYS_kill, true],
    ["a file is removed", SYS_unlink, true],
    ["a file is renamed", SYS_renameat2, true],
    ["a mode is set", SYS_chmod, true],
    ["a database at a Unix socket is connected to", SYS_connect, true],
  ];
  for (const [what, call, continues] of cases) {
    test(what, { timeout: TEST_TIMEOUT_MS }, () => {
      const passes = passingMeanwhile(platform, []);
      assert.equal(passes({ id: 1n, tid: 0, call, args: [0n, 0n, 0n] }), continues);
    });
  }
});
