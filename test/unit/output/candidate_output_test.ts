/** A candidate's output: forwarded whole and in order, remembered, and never a reason to block. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SystemCallError } from "../../../src/platform/error.ts";
import type { Fd } from "../../../src/platform/fd.ts";
import type { Platform } from "../../../src/platform/platform.ts";
import { CandidateOutput, Tail } from "../../../src/output/candidate_output.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { testPlatform } from "../../support/test_platform.ts";
import { waitUntil } from "../../support/wait_until.ts";

const TAIL_LINES = 100;
const TAIL_LINE_BYTES = 4096;
const bytesOf = (text: string) => new TextEncoder().encode(text);

describe("Tail", () => {
  const cases: [string, string[], string[]][] = [
    ["nothing", [], []],
    ["one line", ["a\n"], ["a"]],
    ["an unfinished line", ["a\nb"], ["a", "b"]],
    ["a line in pieces", ["a", "b", "c\nd"], ["abc", "d"]],
    ["empty lines", ["\n\na\n"], ["", "", "a"]],
    ["an empty chunk", ["a", "", "b\n"], ["ab"]],
    ["a carriage return, which stays", ["a\r\nb\r\n"], ["a\r", "b\r"]],
  ];
  for (const [name, chunks, lines] of cases) {
    test(`remembers ${name}`, { timeout: TEST_TIMEOUT_MS }, () => {
      const tail = new Tail();
      for (const chunk of chunks) tail.add(bytesOf(chunk));
      assert.deepEqual(tail.lines(100), lines);
    });
  }

  test("joins a character that was cut in the middle", { timeout: TEST_TIMEOUT_MS }, () => {
    const tail = new Tail();
    for (const byte of bytesOf("\u00e9\u{1f680}\n")) tail.add(Uint8Array.of(byte));
    assert.deepEqual(tail.lines(1), ["\u00e9\u{1f680}"]);
  });

  test("gives the last lines that are asked for", { timeout: TEST_TIMEOUT_MS }, () => {
    const tail = new Tail();
    tail.add(bytesOf("1\n2\n3\n4"));
    assert.deepEqual(tail.lines(0), []);
    assert.deepEqual(tail.lines(1), ["4"]);
    assert.deepEqual(tail.lines(3), ["2", "3", "4"]);
  });

  test(
    "remembers so many lines and no more, whole or in pieces",
    { timeout: TEST_TIMEOUT_MS },
    () => {
      const tail = new Tail();
      for (let i = 0; i < 1_000; i++) tail.add(bytesOf(`${i}\n`));
      tail.add(bytesOf(Array.from({ length: 1_000 }, (_, i) => `${1_000 + i}\n`).join("")));
      const lines = tail.lines(10_000);
      assert.equal(lines.length, TAIL_LINES);
      assert.deepEqual([lines[0], lines.at(-1)], ["1900", "1999"]);
    },
  );

  test("cuts a line that never ends", { timeout: TEST_TIMEOUT_MS }, () => {
    const tail = new Tail();
    for (let i = 0; i < 100; i++) tail.add(bytesOf("x".repeat(1_000)));
    assert.equal(tail.lines(1)[0]?.length, TAIL_LINE_BYTES);
    tail.add(bytesOf(`\n${"y".repeat(10_000)}\nend\n`));
    const lines = tail.lines(10);
    assert.ok(lines.every((line) => line.length <= TAIL_LINE_BYTES));
    assert.deepEqual(lines.at(-1), "end");
  });

  test("takes bytes that are no text", { timeout: TEST_TIMEOUT_MS }, () => {
    const tail = new Tail();
    tail.add(Uint8Array.of(0xff, 0xfe, 10));
    assert.deepEqual(tail.lines(1), ["\ufffd\ufffd"]);
  });
});

interface Scene {
  readonly output: CandidateOutput;
  /** What the server writes to. */
  readonly server: [out: Fd, error: Fd];
  /** Reads what has come to baton's own output. */
  readonly readOwn: () => string;
  readonly own: { read: Fd; write: Fd };
  readonly platform: Platform;
  readonly errors: unknown[];
}

/** An Output in front of a pipe, where baton's own standard output and error would be. */
async function withOutput(use: (scene: Scene) => Promise<void>): Promise<void> {
  await using platform = await testPlatform();
  const errors: unknown[] = [];
  platform.reactor.onError = (error) => errors.push(error);
  const own = platform.descriptors.pipe();
  platform.descriptors.setNonblocking(own.read);
  const descriptors = Object.create(platform.descriptors);
  descriptors.duplicate = () => platform.descriptors.duplicate(own.write);
  const { clock, reactor, seccomp } = platform;
  const output = new CandidateOutput(
    { clock, descriptors, reactor, seccomp } as unknown as Platform,
  );
  const server = output.open() as [Fd, Fd];
  const readOwn = () => {
    let text = "";
    for (;;) {
      const bytes = platform.descriptors.read(own.read, new Uint8Array(65536));
      if (bytes === null || bytes.length === 0) return text;
      text += new TextDecoder().decode(bytes);
    }
  };
  try {
    await use({ output, server, readOwn, own, platform, errors });
  } finally {
    output.close();
    for (const fd of [...server, own.read, own.write]) fd.close();
  }
  assert.deepEqual(errors, []);
  assert.equal(platform.reactor.size, 0, "nothing is watched any more");
}

const EMFILE = 24;
/** A pipe, its end that does not block, and a duplicate of baton's own. */
const CALLS_PER_STREAM = 3;

describe("CandidateOutput", () => {
  for (let failing = 1; failing <= 2 * CALLS_PER_STREAM; failing++) {
    test(`leaves nothing behind when call ${failing} of its opening fails`, {
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      let calls = 0;
      const made: Fd[] = [];
      const orFail = <T>(call: () => T): T => {
        if (++calls === failing) throw new SystemCallError("a call", EMFILE, "a test");
        return call();
      };
      const note = (...fds: readonly Fd[]) => made.push(...fds);
      const { clock, reactor, descriptors: real } = platform;
      const descriptors = Object.create(real) as typeof real;
      Object.assign(descriptors, {
        pipe: () =>
          orFail(() => {
            const pipe = real.pipe();
            note(pipe.read, pipe.write);
            return pipe;
          }),
        setNonblocking: (fd: Fd) => orFail(() => real.setNonblocking(fd)),
        duplicate: (fd: Fd) =>
          orFail(() => {
            const copy = real.duplicate(fd);
            note(copy);
            return copy;
          }),
      });
      const output = new CandidateOutput({ clock, descriptors, reactor } as unknown as Platform);
      assert.throws(() => output.open(), SystemCallError);
      output.close();
      assert.equal(calls, failing);
      assert.deepEqual(made.map(({ isOpen }) => isOpen), made.map(() => false));
    });
  }

  test("forwards both streams and remembers them", { timeout: TEST_TIMEOUT_MS }, async () => {
    await withOutput(async ({ output, server: [out, error], readOwn, platform }) => {
      platform.descriptors.writeAll(out, bytesOf("to out\n"));
      let seen = "";
      await waitUntil(() => (seen += readOwn()) === "to out\n", { what: "it is forwarded" });
      platform.descriptors.writeAll(error, bytesOf("to error\n"));
      await waitUntil(() => (seen += readOwn()) === "to out\nto error\n", { what: "this too" });
      assert.deepEqual(output.tail.lines(9), ["to out", "to error"]);
    });
  });

  test("forwards more than any pipe holds, whole and in order", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await withOutput(async ({ server: [out], readOwn, platform }) => {
      const { descriptors } = platform;
      descriptors.setNonblocking(out);
      const sent = bytesOf(Array.from({ length: 60_000 }, (_, i) => `line ${i}\n`).join(""));
      let rest = sent;
      let seen = "";
      await waitUntil(() => {
        if (rest.length > 0) rest = rest.subarray(descriptors.write(out, rest) ?? 0);
        seen += readOwn();
        return seen.length === sent.length;
      }, { what: "all of it has come" });
      assert.ok(seen === new TextDecoder().decode(sent), "the same bytes");
    });
  });

  test("stops reading while its own reader does not read, and loses nothing", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await withOutput(async ({ server: [out], readOwn, own, platform }) => {
      const { descriptors } = platform;
      descriptors.setNonblocking(out);
      const page = bytesOf("0123456789abcde\n".repeat(256));
      let sent = 0;
      // Both pipes and the one behind fill up: the server would wait, as it would without baton.
      await waitUntil(() => {
        const count = descriptors.write(out, page);
        sent += count ?? 0;
        return count === null && !descriptors.isWritable(own.write);
      }, { what: "everything is full" });
      let seen = 0;
      await waitUntil(() => (seen += readOwn().length) === sent, { what: "all of it has come" });
    });
  });

  test("remembers what it cannot forward, when its reader never reads", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await withOutput(async ({ output, server: [out], own, platform }) => {
      own.read.close();
      platform.descriptors.writeAll(out, bytesOf("last line\n"));
      await waitUntil(() => output.tail.lines(1)[0] === "last line", { what: "it is remembered" });
    });
  });

  test("ends with the last of the server's ends", { timeout: TEST_TIMEOUT_MS }, async () => {
    await withOutput(async ({ server: [out, error], readOwn, platform }) => {
      platform.descriptors.writeAll(out, bytesOf("bye\n"));
      out.close();
      error.close();
      await waitUntil(() => platform.reactor.size === 0, { what: "both streams have ended" });
      assert.equal(readOwn(), "bye\n");
    });
  });

  test("can be closed while it waits for its reader", { timeout: TEST_TIMEOUT_MS }, async () => {
    await withOutput(async ({ output, server: [out], readOwn, own, platform }) => {
      const { descriptors } = platform;
      descriptors.setNonblocking(out);
      descriptors.setNonblocking(own.write);
      while (descriptors.write(own.write, new Uint8Array(4096)) !== null);
      descriptors.writeAll(out, bytesOf("not forwarded\n"));
      await waitUntil(() => platform.reactor.size === 3, { what: "it waits for its reader" });
      output.close();
      assert.equal(platform.reactor.size, 0);
      readOwn();
      // The reader is back: whatever was registered for that would be called now.
      using again = descriptors.duplicate(own.write);
      const { promise, resolve } = Promise.withResolvers<void>();
      const watch = platform.reactor.watch(again, () => resolve(), { write: true });
      await promise;
      watch.cancel();
    });
  });
});

describe("CandidateOutput.drain()", () => {
  test("reads the last output at once", { timeout: TEST_TIMEOUT_MS }, async () => {
    await withOutput(async ({ output, server: [out, error], readOwn, platform }) => {
      platform.descriptors.writeAll(out, bytesOf("a\nb\n"));
      platform.descriptors.writeAll(error, bytesOf("c"));
      output.drain();
      assert.deepEqual(output.tail.lines(9), ["a", "b", "c"]);
      assert.equal(readOwn(), "a\nb\nc");
      output.drain();
      await Promise.resolve();
      assert.deepEqual(output.tail.lines(9), ["a", "b", "c"]);
    });
  });

  test("gives up on a writer that never stops", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const descriptors = Object.create(platform.descriptors);
    const null_ = platform.descriptors.open("/dev/null", 1);
    descriptors.duplicate = () => platform.descriptors.duplicate(null_);
    let reads = 0;
    descriptors.read = (_: Fd, buffer: Uint8Array) => {
      assert.ok(reads++ < 10_000, "it reads without end");
      return buffer.fill(120);
    };
    const { clock, reactor, seccomp } = platform;
    const output = new CandidateOutput(
      { clock, descriptors, reactor, seccomp } as unknown as Platform,
    );
    const ends = output.open() as [Fd, Fd];
    output.drain();
    assert.ok(reads >= 2 * 65536 / 4096, "not before it has read what two pipes hold");
    output.close();
    for (const fd of [...ends, null_]) fd.close();
  });
});
