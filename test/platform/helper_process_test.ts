/** What baton can rely on of a helper: its plan arrives, its messages come in order, and its time is limited. */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { Platform } from "../../src/platform/platform.ts";
import { HelperProcess, type HelperProgram } from "../../src/platform/process/helper_process.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { leakedSince, openDescriptors } from "../support/open_descriptors.ts";
import * as proc from "../support/proc.ts";
import { systemCallError } from "../support/system_call_error.ts";
import { testPlatform, testRuntime } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

/** The control socket is descriptor 3, the plan 4. A write to the socket is one message. */
function shell(script: string, directory: string | null = null): HelperProgram {
  return { path: "/bin/sh", argv: ["sh", "-c", script], env: { PATH: "/usr/bin:/bin" }, directory };
}

const STDIO = [0, 1, 2];
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe("HelperProcess.awaitMessage()", () => {
  const cases: [string, string, RegExp][] = [
    ["the plan comes back", "cat <&4 >&3; sleep 60", /^\{"answer":42\}$/],
    ["the directory is the program's", "pwd >&3; sleep 60", /^\/proc\n$/],
    ["verb and control descriptor are its arguments", 'echo "$0 $1 $2" >&3', /^__verb 3 last\n$/],
    ["it ends without a word", "exit 0", /^it ended without a report$/],
    ["it is silent", "sleep 60", /^no report within 300 ms$/],
  ];
  for (const [name, script, expected] of cases) {
    test(name, { timeout: TEST_TIMEOUT_MS }, async () => {
      await using platform = await testPlatform();
      const before = openDescriptors();
      const here = process.cwd();
      let pid: number;
      {
        using helper = new HelperProcess(platform, {
          program: shell(script, "/proc"),
          verb: "__verb",
          args: ["last"],
          descriptors: STDIO,
          plan: { answer: 42 },
        });
        process.chdir(here);
        pid = helper.pid;
        let heard: string;
        try {
          heard = textOf(helper.awaitMessage(expected.source.includes("300") ? 300 : 30_000).data);
        } catch (error) {
          heard = (error as Error).message;
        }
        assert.match(heard, expected);
      }
      assert.equal(proc.state(pid), null, "killed and reaped");
      assert.deepEqual(leakedSince(before), []);
    });
  }
});

describe("HelperProcess.listen()", () => {
  test("delivers each message, then the end, once", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const heard: string[] = [];
    using helper = new HelperProcess(platform, {
      program: shell("echo one >&3; echo two >&3"),
      descriptors: STDIO,
    });
    helper.listen({
      onMessage: ({ data }) => heard.push(textOf(data)),
      onClosed: (error) => heard.push(error === null ? "end" : "broken"),
    });
    await waitUntil(() => heard.length >= 3, { what: "it has ended" });
    helper.readMessages(); // Nothing more.
    assert.deepEqual(heard, ["one\n", "two\n", "end"]);
    assert.equal(platform.reactor.size, 0);
  });

  test("readMessagesWithin() delivers one that comes in time, without a turn of the event loop", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const heard: string[] = [];
    using helper = new HelperProcess(platform, {
      program: shell("echo one >&3; dd bs=64 count=1 <&3 >&3 2>/dev/null; sleep 60"),
      descriptors: STDIO,
    });
    helper.listen({ onMessage: ({ data }) => heard.push(textOf(data)), onClosed: () => {} });
    helper.readMessagesWithin(30_000);
    assert.deepEqual(heard, ["one\n"]);
    helper.readMessagesWithin(0.5);
    assert.deepEqual(heard, ["one\n"], "there is none until it is answered");
    helper.send(new TextEncoder().encode("two\n"));
    helper.readMessagesWithin(30_000);
    assert.deepEqual(heard, ["one\n", "two\n"]);
  });

  test("a deadline replaces the one before it; kill() takes the helper's children too", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const clock = new FakeClock();
    const platform = new Platform(await testRuntime(), clock);
    const expired: string[] = [];
    let child = 0;
    {
      using helper = new HelperProcess(platform, {
        program: shell("sleep 60 & echo $! >&3; wait"),
        descriptors: STDIO,
      });
      child = Number(textOf(helper.awaitMessage(30_000).data));
      helper.setDeadline(1000, () => expired.push("first"));
      await clock.advance(999);
      helper.setDeadline(1000, () => {
        expired.push("second");
        helper.kill();
      });
      await clock.advance(999);
      assert.deepEqual(expired, []);
      await clock.advance(1);
      assert.deepEqual(expired, ["second"]);
    }
    await waitUntil(() => ["Z", null].includes(proc.state(child)), { what: "its child is gone" });
    assert.equal(clock.pending, 0);
    await platform.close();
  });

  test("what cannot be executed leaves nothing open", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const before = openDescriptors();
    const program = { ...shell(""), path: "/nowhere/baton" };
    assert.throws(
      () => new HelperProcess(platform, { program, descriptors: STDIO, plan: {} }),
      systemCallError({ call: "execute", code: "ENOENT", subject: "/nowhere/baton" }),
    );
    assert.deepEqual(leakedSince(before), []);
  });
});
