/** What becomes of a pipe that a server prints to: whole lines, one after the other, and never a wait. */
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { describe, test } from "node:test";
import { C } from "../../../src/platform/libc/constants.ts";
import type { Fd } from "../../../src/platform/fd.ts";
import type { Platform } from "../../../src/platform/platform.ts";
import { LINE_MS, OutputStream } from "../../../src/output/output_stream.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { tempDir } from "../../support/temp_dir.ts";
import { testPlatform } from "../../support/test_platform.ts";
import { waitUntil } from "../../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const PIPE_BUF = 4096;
const bytesOf = (text: string) => new TextEncoder().encode(text);

interface Scene {
  readonly platform: Platform;
  /** Holds unfinished lines back until it is moved. */
  readonly clock: FakeClock;
  /** A pipe whose lines are forwarded, as another generation's would be. */
  readonly stream: (isNew?: boolean) => { stream: OutputStream; print: (text: string) => void };
  /** What has come so far; reads more. */
  readonly come: () => string;
  /** Fills baton's own output, all but so many pages. */
  readonly fill: (pagesLeft: number) => void;
}

/** @param file baton's own output is that, instead of a pipe */
async function scene(use: (scene: Scene) => Promise<void> | void, file?: string): Promise<void> {
  await using platform = await testPlatform();
  const { descriptors: real, reactor } = platform;
  reactor.onError = (error) => {
    throw error;
  };
  const { read, write } = real.pipe();
  real.setNonblocking(read);
  const own = file === undefined ? write : real.open(file, C.O_WRONLY | C.O_CREAT, 0o600);
  const descriptors = Object.create(real) as typeof real;
  // Only for the stream's target: other duplicates are real.
  descriptors.duplicate = (fd) => real.duplicate(typeof fd === "number" ? own : fd);
  const clock = new FakeClock();
  const ours = { clock, descriptors, reactor } as unknown as Platform;
  const made: { stream: OutputStream; end: Fd }[] = [];
  let text = "";
  const come = () => {
    for (;;) {
      const bytes = real.read(read, new Uint8Array(65536));
      if (bytes === null || bytes.length === 0) return text;
      text += new TextDecoder("latin1").decode(bytes);
    }
  };
  try {
    await use({
      platform: ours,
      clock,
      come,
      stream: (isNew = true) => {
        const pipe = real.pipe();
        real.setNonblocking(pipe.read);
        const options = { target: 1, read: pipe.read, isNew, onBytes: () => {} };
        const stream = new OutputStream(ours, options);
        made.push({ stream, end: pipe.write });
        return { stream, print: (text) => real.writeAll(pipe.write, bytesOf(text)) };
      },
      fill: (pagesLeft) => {
        const again = real.open(`/proc/self/fd/${write.number}`, C.O_WRONLY | C.O_NONBLOCK);
        while (real.write(again, new Uint8Array(PIPE_BUF).fill(45)) !== null);
        again.close();
        real.read(read, new Uint8Array(pagesLeft * PIPE_BUF));
      },
    });
  } finally {
    for (const { stream, end } of made) {
      stream.close();
      end.close();
    }
    for (const fd of new Set([read, write, own])) fd.close();
  }
  assert.equal(platform.reactor.size, 0, "nothing is watched any more");
}

describe("a line", () => {
  test("that is unfinished is held back, while others print", TEST, async () => {
    await scene(async ({ stream, come }) => {
      const [one, other] = [stream(), stream()];
      one.print("half ");
      await waitUntil(() => one.stream.inHand.length > 0, { what: "the first half is read" });
      other.print("in between\n");
      assert.ok(other.stream.forwardAll());
      assert.equal(come(), "in between\n");
      one.print("a line\n");
      await waitUntil(() => come() === "in between\nhalf a line\n", { what: "the line comes" });
    });
  });

  test("that stays unfinished comes after a moment, and not before", TEST, async () => {
    await scene(async ({ stream, come, clock }) => {
      const { stream: one, print } = stream();
      print("who goes there? ");
      await waitUntil(() => one.inHand.length > 0, { what: "the prompt is read" });
      await clock.advance(LINE_MS - 1);
      assert.equal(come(), "");
      await clock.advance(1);
      assert.equal(come(), "who goes there? ");
      assert.equal(clock.pending, 0);
    });
  });

  test("that is longer than can be written at once is finished before another begins", {
    ...TEST,
  }, async () => {
    await scene(async ({ stream, come, fill }) => {
      const [one, other] = [stream(), stream()];
      fill(2);
      const long = `${"a".repeat(5 * PIPE_BUF)}\n`;
      one.print(long);
      one.stream.forwardAll();
      other.print("b\n");
      assert.equal(other.stream.forwardAll(), false, "it has to wait");
      await waitUntil(() => come().includes("b\n"), { what: "both come" });
      assert.ok(come().replace(/^-+/, "") === `${long}b\n`, come().slice(-80));
    });
  });

  test("is whole among others where only some of them fit", TEST, async () => {
    await scene(async ({ stream, come, fill }) => {
      const one = stream();
      fill(1);
      const lines = Array.from({ length: 500 }, (_, i) => `${i} ${"c".repeat(60)}\n`).join("");
      one.print(lines);
      one.stream.forwardAll();
      const first = come().replace(/^-+/, "");
      assert.ok(first.length > 0 && first.endsWith("\n"), JSON.stringify(first.slice(-80)));
      await waitUntil(() => come().replace(/^-+/, "") === lines, { what: "all of them come" });
    });
  });
});

test(
  "a server that prints to a file without an end is not waited for, and loses nothing",
  TEST,
  async () => {
    using work = tempDir();
    const file = work.join("out");
    await scene(({ platform, stream }) => {
      const { stream: one } = stream();
      const { descriptors } = platform;
      const real = descriptors.read;
      const line = bytesOf(`${"x".repeat(63)}\n`);
      let sent = 0;
      descriptors.read = (_, buffer) => {
        for (let at = 0; at < buffer.length; at += line.length) buffer.set(line, at);
        sent += buffer.length;
        return buffer;
      };
      assert.equal(one.forwardAll(), false, "more is in the pipe");
      assert.equal(statSync(file).size, sent);
      assert.equal(one.inHand.length, 0);
      descriptors.read = real;
    }, file);
  },
);

test("the last output comes out although its stream is closed", TEST, async () => {
  await scene(async ({ stream, come, fill }) => {
    const one = stream();
    fill(0);
    one.print("the last line, unfinished");
    one.stream.drain();
    one.stream.close();
    assert.equal(come().includes("last"), false);
    await waitUntil(() => come().endsWith("the last line, unfinished"), { what: "they come" });
  });
});

test("what another baton had in hand comes first, and its line is finished", TEST, async () => {
  await scene(async ({ stream, come, fill }) => {
    const one = stream();
    fill(0);
    one.print("a line\nand half");
    one.stream.drain();
    const inHand = one.stream.inHand;
    assert.equal(new TextDecoder().decode(inHand), "a line\nand half");
    await waitUntil(() => come().endsWith("and half"), { what: "it comes here" });
    const [next, before] = [stream(false), come().length];
    next.stream.replay(inHand);
    next.print(" of another\n");
    await waitUntil(() => come().endsWith("another\n"), { what: "it comes there" });
    assert.equal(come().slice(before), "a line\nand half of another\n");
  });
});

describe("whether a pipe may have been full, where baton's own output is a file", () => {
  const CAPACITY = 64 * 1024;
  const cases: readonly (readonly [name: string, prints: readonly string[], never: boolean])[] = [
    ["nothing", [], true],
    ["a line", ["a\n"], true],
    ["less than half", ["a".repeat(CAPACITY / 2 - 2 * PIPE_BUF)], true],
    ["all of it", ["a".repeat(CAPACITY)], false],
    // The pages are not full, and there is no room.
    ["all of its pages by half", Array.from({ length: 15 }, () => "a".repeat(2049)), false],
  ];
  for (const [name, prints, never] of cases) {
    test(`${name}: ${never ? "no" : "perhaps"}`, TEST, async () => {
      using work = tempDir();
      await scene(({ stream }) => {
        const one = stream();
        one.stream.resize(CAPACITY);
        prints.forEach((text) => one.print(text));
        one.stream.forwardAll();
        assert.equal(one.stream.wasNeverFull, never);
        return Promise.resolve();
      }, work.join("out"));
    });
  }

  test("its size was changed, or it is another baton's: perhaps", TEST, async () => {
    using work = tempDir();
    await scene(({ stream, platform: { descriptors } }) => {
      const one = stream();
      descriptors.resizePipe(one.stream.read, 2 * CAPACITY);
      assert.equal(one.stream.wasNeverFull, false);
      assert.equal(stream(false).stream.wasNeverFull, false);
      return Promise.resolve();
    }, work.join("out"));
  });
});
