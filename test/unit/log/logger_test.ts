/** baton's own log: one line an event, in two formats, to a place that may be slow, full or gone. */
import assert from "node:assert/strict";
import { readFileSync, renameSync } from "node:fs";
import { describe, test } from "node:test";
import { Logger, type LoggerOptions } from "../../../src/log/logger.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { tempDir } from "../../support/temp_dir.ts";
import { testPlatform } from "../../support/test_platform.ts";

const LEVELS = ["debug", "info", "warn", "error"] as const;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;

/** A logger to a file, and the lines in it. */
async function fileLogger(options: Partial<LoggerOptions> = {}) {
  const platform = await testPlatform();
  const dir = tempDir();
  const path = dir.join("log");
  const flags = C.O_CREAT | C.O_WRONLY | C.O_APPEND;
  const logger = new Logger(platform, {
    name: "web",
    format: "text",
    level: "debug",
    open: () => platform.descriptors.open(path, flags, 0o600),
    ...options,
  });
  const lines = (at = path) => readFileSync(at, "utf8").split("\n").slice(0, -1);
  return {
    platform,
    logger,
    path,
    lines,
    async [Symbol.asyncDispose]() {
      dir[Symbol.dispose]();
      await platform.close();
    },
  };
}

describe("Logger: text", () => {
  test(
    "on a terminal is decorated as a whole, by its level",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      const decorate = (level: string, line: string) => `<${level}>${line}</>`;
      await using log = await fileLogger({ decorate });
      log.logger.warn("a\nb");
      assert.match(log.lines()[0] ?? "", /^<warn>2\S+Z baton\[web\] warn: a\\nb<\/>$/);
      assert.equal(log.lines().length, 1);
    },
  );

  test("has time, name, level, message and fields on one line", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using log = await fileLogger();
    log.logger.info("generation 1 serves", { pid: 12, ok: true, epoch: null, text: "a" });
    log.logger.error("plain");
    const [first = "", second = ""] = log.lines();
    assert.match(first, TIME);
    assert.equal(
      first.replace(TIME, ""),
      " baton[web] info: generation 1 serves pid=12 ok=true epoch=null text=a",
    );
    assert.equal(second.replace(TIME, ""), " baton[web] error: plain");
  });

  test("keeps one event on one line, whatever the message holds", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using log = await fileLogger();
    log.logger.warn("first\nsecond\r\nthird", { path: "a\nb" });
    const [line = "", ...more] = log.lines();
    assert.deepEqual(more, []);
    assert.match(line, / warn: first\\nsecond\\r\\nthird path=a\\nb$/);
    log.logger.warn("\u001b[31mred");
    assert.match(log.lines()[1] ?? "", / warn: \\u001b\[31mred$/);
    log.logger.warn("runs caf\udce9", { path: "/\udcff" });
    assert.match(log.lines()[2] ?? "", / warn: runs caf\\xe9 path=\/\\xff$/);
  });
});

describe("Logger: JSON", () => {
  test("is one object a line", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using log = await fileLogger({ format: "json" });
    log.logger.warn('with "quotes"\nand lines', { pid: 7, epoch: null });
    const [line = "", ...more] = log.lines();
    assert.deepEqual(more, []);
    const { time, ...rest } = JSON.parse(line);
    assert.match(time, TIME);
    assert.deepEqual(rest, {
      level: "warn",
      name: "web",
      message: 'with "quotes"\nand lines',
      pid: 7,
      epoch: null,
    });
    log.logger.warn("runs caf\udce9", { path: "/\udcff" });
    const { message, path } = JSON.parse(log.lines()[1] ?? "");
    assert.deepEqual([message, path], ["runs caf\\xe9", "/\\xff"]);
  });
});

describe("Logger: levels", () => {
  LEVELS.forEach((level, rank) => {
    test(`at level ${level} leaves out what is below`, { timeout: TEST_TIMEOUT_MS }, async () => {
      await using log = await fileLogger({ level });
      for (const each of LEVELS) log.logger[each](each);
      const logged = log.lines().map((line) => line.split(": ")[1]);
      assert.deepEqual(logged, LEVELS.slice(rank));
    });
  });
});

describe("Logger.reopen()", () => {
  test("goes on in a new file at the same path", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using log = await fileLogger();
    log.logger.info("one");
    renameSync(log.path, `${log.path}.1`);
    log.logger.info("two");
    log.logger.reopen();
    log.logger.info("three");
    assert.equal(log.lines(`${log.path}.1`).length, 2);
    assert.equal(log.lines().length, 1);
  });

  test("goes on in the old file when the new one cannot be opened", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    let failing = false;
    const platform = await testPlatform();
    using dir = tempDir();
    const path = dir.join("log");
    const logger = new Logger(platform, {
      name: "web",
      format: "text",
      level: "info",
      open: () => {
        const wanted = failing ? dir.join("none", "log") : path;
        return platform.descriptors.open(wanted, C.O_CREAT | C.O_WRONLY | C.O_APPEND, 0o600);
      },
    });
    failing = true;
    logger.reopen();
    logger.info("still here");
    const text = readFileSync(path, "utf8");
    assert.match(text, /warn: cannot reopen the log: Cannot open .*: ENOENT\n/);
    assert.match(text, /info: still here\n$/);
  });
});

describe("Logger: a disk that is full", () => {
  test("costs lines, and is named", { timeout: TEST_TIMEOUT_MS }, async () => {
    let path = "/dev/full";
    await using platform = await testPlatform();
    using dir = tempDir();
    const open = () => platform.descriptors.open(path, C.O_CREAT | C.O_WRONLY | C.O_APPEND, 0o600);
    const logger = new Logger(platform, { name: "web", format: "text", level: "info", open });
    for (const text of ["one", "two"]) logger.info(text);
    path = dir.join("log");
    logger.reopen();
    logger.info("three");
    const text = readFileSync(path, "utf8");
    assert.match(
      text,
      /^.* warn: 2 log lines lost: Cannot write descriptor \d+: ENOSPC\n.*: three\n$/,
    );
  });
});

describe("Logger: a reader that does not read", () => {
  test(
    "costs lines, which are counted, and never blocks",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      const platform = await testPlatform();
      const { descriptors } = platform;
      const { read, write } = descriptors.pipe();
      const logger = new Logger(platform, {
        name: "web",
        format: "text",
        level: "info",
        open: () => write,
      });
      const filler = "x".repeat(1_000);
      const LINES = 200;
      for (let i = 0; i < LINES; i++) logger.info(`${i} ${filler}`);
      descriptors.setNonblocking(read);
      const readLines = () => {
        let text = "";
        for (;;) {
          const bytes = descriptors.read(read, new Uint8Array(65536));
          if (bytes === null || bytes.length === 0) return text.split("\n").slice(0, -1);
          text += new TextDecoder().decode(bytes);
        }
      };
      const kept = readLines().length;
      assert.ok(kept > 0 && kept < LINES);
      logger.info("after");
      const [note = "", after = ""] = readLines();
      assert.match(
        note,
        new RegExp(`warn: ${LINES - kept} log lines lost: the reader was too slow$`),
      );
      assert.match(after, /info: after$/);
      logger.info("and again");
      assert.equal(readLines().length, 1, "what was lost is told once");
      read.close();
      write.close();
    },
  );

  test("costs the end of a line that is longer than what there is room for", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { descriptors } = platform;
    const { read, write } = descriptors.pipe();
    using _read = read;
    using _write = write;
    const text = { name: "web", format: "text", level: "info" } as const;
    const logger = new Logger(platform, { ...text, open: () => write });
    const longest = descriptors.pipeCapacity(write) + 1;
    logger.info("x".repeat(longest));
    const buffer = new Uint8Array(2 * longest);
    const kept = descriptors.read(read, buffer)?.length ?? 0;
    assert.ok(kept > 4096 && kept < longest, `${kept} bytes`);
    logger.info("after");
    const lines = new TextDecoder().decode(descriptors.read(read, buffer) ?? buffer).split("\n");
    assert.match(lines.join("|"), /^\|[^|]*: 1 log line lost: [^|]*\|[^|]*: after\|$/);
  });

  test("may be gone for good", { timeout: TEST_TIMEOUT_MS }, async () => {
    const platform = await testPlatform();
    const { read, write } = platform.descriptors.pipe();
    const options = { name: "web", format: "text", level: "info", open: () => write } as const;
    const logger = new Logger(platform, options);
    read.close();
    assert.doesNotThrow(() => logger.info("nobody hears this"));
    assert.doesNotThrow(() => logger.error("nor this"));
    write.close();
  });
});
