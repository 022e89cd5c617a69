/** One endpoint file over time: what is written again, when Envoys are asked, and when they have left a generation. */
import assert from "node:assert/strict";
import { mkdirSync, rmSync } from "node:fs";
import { describe, test } from "node:test";
import type { AssignedEndpoint } from "../../../src/front/assignment.ts";
import type { Verdict } from "../../../src/front/envoys.ts";
import { FrontFile } from "../../../src/front/front_file.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { endpointsIn } from "../../support/fake_front.ts";
import { tempDir } from "../../support/temp_dir.ts";
import { testPlatform } from "../../support/test_platform.ts";

const TIMEOUT_MS = 5_000;

function endpoint(epoch: number, isHealthy: boolean, worker = 0): AssignedEndpoint {
  const address = { host: `127.66.${epoch}.${worker + 1}`, port: 3000 };
  return { epoch, worker, address, isHealthy, weight: 1 };
}

const OLD = [endpoint(3, true)];
const ADDED = [endpoint(3, false), endpoint(4, true)];
const STATES = [endpoint(3, true), endpoint(4, false)];

/** @param verdicts what the Envoys make of it, the last one again and again; null: none is asked */
async function scene(verdicts: readonly Verdict["kind"][] | null = null) {
  const clock = new FakeClock();
  const platform = await testPlatform(clock);
  const dir = tempDir();
  mkdirSync(dir.join("d"));
  const path = dir.join("d/eds.yaml");
  const said: string[] = [];
  const say = (level: string) => (text: string) => void said.push(`${level}: ${text}`);
  const file = new FrontFile(platform, {
    file: path,
    cluster: "web",
    owner: { service: "web", host: "here" },
    admins: verdicts === null ? [] : [{ family: "unix", path: dir.join("a.sock") }],
    acks: verdicts === null ? 0 : null,
    timeoutMs: TIMEOUT_MS,
    log: say("log"),
    warn: say("warning"),
    logError: say("error"),
  });
  let looks = 0;
  const left = [...verdicts ?? ["none" as const]];
  file.envoys.look = () => {
    looks++;
    const kind = (left.length > 1 ? left.shift() : left[0])!;
    const verdict: Verdict = kind === "none"
      ? { kind }
      : kind === "acknowledged"
      ? { kind, isByAll: true }
      : { kind, text: "so" };
    return Promise.resolve({ verdict, views: [] });
  };
  file.envoys.ageText = () => Promise.resolve("");
  const shown = () => endpointsIn(path).map(({ host, health }) => `${host} ${health}`).join(", ");
  const lock = () => {
    const held = platform.descriptors.open(
      dir.join("d/.eds.yaml.lock"),
      C.O_RDONLY | C.O_CREAT,
      0o600,
    );
    assert.ok(platform.processes.tryLock(held));
    return held;
  };
  /** @returns its failure, or "not yet" */
  const settled = () => {
    const outcome: { failure: string | null } = { failure: "not yet" };
    file.whenSettled((failure) => outcome.failure = failure);
    return outcome;
  };
  const end = async () => {
    file.close();
    await platform.close();
    dir[Symbol.dispose]();
  };
  return { clock, dir, path, file, said, shown, lock, settled, looks: () => looks, end };
}

describe("a write of an endpoint file", () => {
  test("that fails is tried again until there is room, and said once", async () => {
    const { clock, dir, file, said, shown, settled, end } = await scene();
    rmSync(dir.join("d"), { recursive: true });
    file.set(OLD);
    const outcome = settled();
    assert.match(outcome.failure ?? "", /cannot write .*eds\.yaml: .*ENOENT/);
    await clock.advance(1_200);
    assert.equal(said.length, 1, said.join("\n"));
    assert.match(said[0]!, /^error: cannot write .*; it is tried again$/);
    mkdirSync(dir.join("d"));
    await clock.advance(500);
    assert.equal(shown(), "127.66.3.1 HEALTHY");
    assert.match(said[1]!, /^log: .*eds\.yaml says what it should again$/);
    assert.equal(settled().failure, "not yet");
    await clock.advance(1);
    assert.equal(said.length, 2);
    await end();
  });

  test("waits for another baton's lock, and not for good", async () => {
    const { clock, file, shown, lock, path, end } = await scene();
    file.set(OLD);
    for (const forMs of [10, 5_000]) {
      const held = lock();
      file.set(ADDED);
      assert.equal(shown(), "127.66.3.1 HEALTHY");
      await clock.advance(forMs);
      const isBroken = forMs > 1_000;
      assert.equal(shown() === "127.66.3.1 HEALTHY", !isBroken, "its baton may be stopped");
      held.close();
      await clock.advance(4);
      assert.equal(shown(), "127.66.3.1 DRAINING, 127.66.4.1 HEALTHY", path);
      file.set(OLD);
    }
    await end();
  });

  test("is not made where nothing has changed", async () => {
    const { clock, file, looks, end } = await scene(["acknowledged"]);
    file.set(OLD);
    await clock.advance(1);
    file.set([endpoint(3, true)]);
    await clock.advance(1);
    assert.equal(looks(), 1);
    await end();
  });

  test("is not answered where another baton has the file", async () => {
    const { file, end } = await scene(["waiting"]);
    let failure: string | null = "not yet";
    file.whenSettled((given) => failure = given);
    assert.equal(failure, null);
    await end();
  });

  test("at the end of the service is made once, and says what is left where it fails", async () => {
    const { clock, dir, file, said, shown, end } = await scene();
    file.set(OLD);
    file.end();
    assert.equal(shown(), "");
    file.set(ADDED);
    rmSync(dir.join("d"), { recursive: true });
    file.end();
    file.close();
    await clock.advance(2_000);
    assert.deepEqual(said.length, 1);
    assert.match(
      said[0]!,
      /^error: cannot write .*; it names servers that have ended, until web is/,
    );
    await end();
  });
});

describe("the acknowledgement of an endpoint file", () => {
  test("is asked for until it comes", async () => {
    const { clock, file, looks, settled, end } = await scene(["absent", "waiting", "acknowledged"]);
    file.set(OLD);
    const outcome = settled();
    await clock.advance(3);
    assert.deepEqual([outcome.failure, looks()], ["not yet", 1]);
    await clock.advance(20);
    assert.deepEqual([outcome.failure, looks()], [null, 3]);
    await end();
  });

  for (
    const [kind, failsAtMs, late] of [
      ["waiting", TIMEOUT_MS, " (after 5 s)"],
      ["absent", TIMEOUT_MS, " (after 5 s)"],
      ["rejected", 0, ""],
    ] as const
  ) {
    test(`that does not come (${kind}) is a failure`, async () => {
      const { clock, file, path, said, settled, end } = await scene([kind]);
      file.set(OLD);
      const outcome = settled();
      await clock.advance(Math.max(0, failsAtMs - 300));
      if (failsAtMs > 0) assert.equal(outcome.failure, "not yet");
      await clock.advance(600);
      assert.equal(outcome.failure, `the front does not follow ${path}: so${late}`);
      assert.deepEqual(said, [], "who waits says it");
      file.set(ADDED);
      await clock.advance(TIMEOUT_MS + 300);
      assert.deepEqual(said, [`warning: ${outcome.failure}`], "and where none waits, the log");
      await end();
    });
  }

  test("is asked for again by who comes later", async () => {
    const { clock, file, settled, end } = await scene(["rejected", "acknowledged"]);
    file.set(OLD);
    const first = settled();
    await clock.advance(1);
    assert.match(first.failure ?? "", /does not follow/);
    const second = settled();
    await clock.advance(1);
    assert.equal(second.failure, null);
    await end();
  });

  test("of an older content is of no use", async () => {
    const { clock, file, settled, end } = await scene(["waiting", "acknowledged"]);
    file.set(OLD);
    file.set(ADDED);
    const outcome = settled();
    await clock.advance(20);
    assert.equal(outcome.failure, null);
    await end();
  });
});

describe("FrontFile.hasLeft()", () => {
  for (
    const [what, change, kind, afterMs] of [
      // Its other threads follow its main thread.
      ["an endpoint has come", ADDED, "acknowledged", 100],
      // Envoy 1.36 delays these.
      ["only states have changed", STATES, "acknowledged", 1_100],
      ["none is asked", ADDED, "none", 1_000],
    ] as const
  ) {
    test(`${what}: ${afterMs} ms later`, async () => {
      const { clock, file, end } = await scene([kind]);
      file.set(change === STATES ? [endpoint(3, false), endpoint(4, true)] : OLD);
      file.set(change);
      const gone = change === STATES ? 4 : 3;
      assert.equal(file.hasLeft(gone, null), false, "not asked yet");
      await clock.advance(0);
      await clock.advance(afterMs - 1);
      assert.equal(file.hasLeft(gone, null), false);
      await clock.advance(1);
      assert.equal(file.hasLeft(gone, null), true);
      assert.equal(file.hasLeft(change === STATES ? 3 : 4, null), false, "it is led to");
      await end();
    });
  }

  test("is not so as long as an Envoy lags: it is asked again", async () => {
    const { clock, file, looks, end } = await scene(["waiting"]);
    file.set(ADDED);
    await clock.advance(TIMEOUT_MS + 500);
    const before = looks();
    assert.equal(file.hasLeft(3, null), false);
    assert.equal(looks(), before, "it has just been asked");
    await clock.advance(1_000);
    assert.equal(file.hasLeft(3, null), false);
    assert.equal(looks(), before + 1);
    await end();
  });

  test("is so where no Envoy runs", async () => {
    const { clock, file, end } = await scene(["absent"]);
    file.set(ADDED);
    await clock.advance(TIMEOUT_MS + 500);
    assert.equal(file.hasLeft(3, null), false);
    await clock.advance(1_000);
    assert.equal(file.hasLeft(3, null), true);
    await end();
  });

  test("is asked about one worker, too", async () => {
    const { clock, file, end } = await scene(["acknowledged"]);
    file.set([endpoint(3, true)]);
    file.set([endpoint(3, false), endpoint(3, true, 1)]);
    await clock.advance(200);
    assert.deepEqual(
      [file.hasLeft(3, 0), file.hasLeft(3, 1), file.hasLeft(3, null)],
      [true, false, false],
    );
    await end();
  });

  test("is so by another baton's file, of a worker too, when Envoys have read it", async () => {
    const { clock, file, path, shown, end } = await scene();
    file.set([endpoint(3, true), endpoint(3, true, 1)]);
    const other = new FrontFile(file.platform, { ...file.options, file: path });
    other.set([endpoint(3, true), endpoint(3, false, 1)]);
    assert.equal(shown(), "127.66.3.1 HEALTHY, 127.66.3.2 DRAINING");
    const left = () => [1, null, 0].map((worker) => file.hasLeftByOther(3, worker));
    assert.deepEqual(left(), [false, false, false]);
    await clock.advance(1_099);
    assert.deepEqual(left(), [false, false, false]);
    await clock.advance(1);
    assert.deepEqual(left(), [true, false, false], "the first worker is led to");
    other.set([endpoint(3, true), endpoint(3, true, 1)]);
    assert.deepEqual(left(), [false, false, false], "again");
    other.set([]);
    assert.deepEqual(left(), [false, false, false]);
    await clock.advance(1_100);
    assert.deepEqual(left(), [true, true, true]);
    other.close();
    await end();
  });
});

describe("a front without an admin address", () => {
  for (const acks of [null, 0]) {
    test(`is said once, unless ${acks === 0 ? "" : "not "}asked for`, async () => {
      const { file, said, end } = await scene();
      const other = new FrontFile(file.platform, { ...file.options, acks });
      for (let times = 0; times < 2; times++) assert.equal((await other.prepare()).failure, null);
      assert.equal(said.length, acks === 0 ? 0 : 1, said.join("\n"));
      other.close();
      await end();
    });
  }
});
