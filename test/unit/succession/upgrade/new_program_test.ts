/** What the program of an upgrade says, or does not say in time, on a clock moved by hand: a script plays the new baton. */
import assert from "node:assert/strict";
import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Platform } from "../../../../src/platform/platform.ts";
import { startPreflight } from "../../../../src/succession/upgrade/preflight.ts";
import { startSuccessor } from "../../../../src/succession/upgrade/successor.ts";
import { parseResumeState } from "../../../../src/succession/state/resume_state.ts";
import { FakeClock } from "../../../support/fake_clock.ts";
import { TEST_TIMEOUT_MS } from "../../../support/limits.ts";
import { REPOSITORY } from "../../../support/programs.ts";
import { tempDir } from "../../../support/temp_dir.ts";
import { testRuntime } from "../../../support/test_platform.ts";
import { waitUntil } from "../../../support/wait_until.ts";

const FIXTURE = join(REPOSITORY, "test/fixtures/handover/in_place_v1.json");
const PREFLIGHT_MS = 10_000;
const HELLO_MS = 10_000;
const READY_MS = 5_000;
const RESERVE_MS = 10_000;

/** Runs `start` with a script as the new program. @returns what was called, after `timeoutMs` if that is not null */
async function outcome(
  script: string,
  timeoutMs: number | null,
  start: (platform: Platform, program: string, said: (text: string) => void) => { pid: number },
): Promise<string> {
  using dir = tempDir();
  const path = dir.write("new_baton", `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  const clock = new FakeClock();
  let deadlines = 0;
  const after: FakeClock["after"] = (delayMs, fire) => {
    deadlines++;
    return FakeClock.prototype.after.call(clock, delayMs, fire);
  };
  const platform = new Platform(await testRuntime(), Object.assign(clock, { after }));
  const calls: string[] = [];
  try {
    start(platform, path, (text) => calls.push(text));
    if (timeoutMs !== null) {
      const wanted = script.includes("hello") ? 2 : 1;
      await waitUntil(() => deadlines === wanted, { what: "its message is read" });
      await clock.advance(timeoutMs - 1);
      assert.deepEqual(calls, []);
      await clock.advance(1);
    }
    await waitUntil(() => calls.length > 0, { what: "it has an outcome" });
    assert.equal(clock.pending, 0);
    return calls.join("; ");
  } finally {
    await platform.close();
  }
}

const say = (message: object) => `printf '%s' '${JSON.stringify(message)}' >&3`;

describe("startPreflight()", () => {
  const table: [script: string, timeoutMs: number | null, outcome: RegExp][] = [
    [say({ ok: true }), null, /^passed \/.*new_baton$/],
    [say({ ok: false, reason: "too old" }), null, /^failed too old$/],
    [say({ ok: false }), null, /^failed "reason" must be present/],
    [say({ ok: "yes" }), null, /^failed "ok" must be true or false/],
    ["printf 'GET /' >&3", null, /^failed 5 bytes that are not JSON/],
    ["exit 0", null, /^failed it ended without an answer/],
    ["exec sleep 1000", PREFLIGHT_MS, /^failed it did not answer in 10 s/],
  ];
  for (const [script, timeoutMs, expected] of table) {
    test(script, { timeout: TEST_TIMEOUT_MS }, async () => {
      const state = parseResumeState(readFileSync(FIXTURE, "utf8"));
      const got = await outcome(
        script,
        timeoutMs,
        (platform, program, said) =>
          startPreflight(platform, {
            program: { program, prefix: [], env: { PATH: "/usr/bin:/bin" }, directory: "/" },
            state,
            onPassed: (path) => said(`passed ${path}`),
            onFailed: (reason) => said(`failed ${reason}`),
          }),
      );
      assert.match(got, expected);
    });
  }
});

describe("startSuccessor()", () => {
  const hello = say({ kind: "hello", version: 1, batonVersion: "9.9.9" });
  const table: [script: string, timeoutMs: number | null, outcome: RegExp][] = [
    [`${hello}; ${say({ kind: "serving", epoch: 6 })}; exec sleep 1000`, null, /^serving 6$/],
    [`${hello}; ${say({ kind: "failed", reason: "no" })}`, null, /^failed no$/],
    [hello, null, /^failed the new baton ended before it served$/],
    [
      say({ kind: "hello", version: 2, batonVersion: "9" }),
      null,
      /^failed .* version 2, this one 1/,
    ],
    [say({ kind: "serving" }), null, /^failed "epoch" must be present/],
    [say({ kind: "sing" }), null, /^failed "kind" must be hello, serving or failed/],
    ["exec sleep 1000", HELLO_MS, /^failed it did not say hello: .* \(10 s\)$/],
    [`${hello}; exec sleep 1000`, READY_MS + RESERVE_MS, /^failed it did not say that .* \(15 s\)/],
  ];
  for (const [script, timeoutMs, expected] of table) {
    test(script, { timeout: TEST_TIMEOUT_MS }, async () => {
      const got = await outcome(script, timeoutMs, (platform, program, said) => {
        const lock = platform.descriptors.open("/dev/null", 0);
        const successor = startSuccessor(platform, {
          program: { program, prefix: [], env: { PATH: "/usr/bin:/bin" }, directory: "/" },
          state: {} as never,
          lock,
          members: [],
          passedOn: [],
          readyTimeoutMs: READY_MS,
          onServing: (epoch) => {
            said(`serving ${epoch}`);
            successor.kill();
          },
          onFailed: (reason) => said(`failed ${reason}`),
        });
        lock.close();
        return successor;
      });
      assert.match(got, expected);
    });
  }
});
