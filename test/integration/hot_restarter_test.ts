/** The promise: `baton hot-restarter` does what Envoy's hot-restarter.py does, bit for bit, in what others see of it. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { after, describe, test } from "node:test";
import { batonCommand } from "../support/baton.ts";
import {
  originalCommand,
  type Outcome,
  type Play,
  playLife,
  type PlayOptions,
} from "../support/hot_restarter.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { findPython, fixture } from "../support/programs.ts";
import { IS_FULL } from "../support/repeats.ts";

const LACK = "exiting due to lack of child processes";

interface Scenario extends PlayOptions {
  readonly does: string;
  readonly live: (play: Play) => Promise<void>;
  /** Exit status of both. */
  readonly status: number | null;
  readonly left?: number;
  /** Whether it waits for half a minute. */
  readonly isLong?: boolean;
  /** Standard output of the original alone is not lines. */
  readonly words?: readonly string[];
}

async function stop(play: Play): Promise<void> {
  await play.started(1);
  play.signal("SIGTERM");
}

const SCENARIOS: readonly Scenario[] = [
  { does: "TERM ends a child", live: stop, status: 0 },
  {
    does: "INT is TERM for the children",
    live: async (play) => {
      await play.started(1);
      play.signal("SIGINT");
    },
    status: 0,
  },
  {
    does:
      "HUP twice starts two more, USR1 goes to each, TERM ends all, and their statuses do not count",
    plans: ["term=5", "term=0", "term=7"],
    live: async (play) => {
      for (const count of [1, 2]) {
        await play.started(count);
        play.signal("SIGHUP");
      }
      await play.started(3);
      play.signal("SIGUSR1");
      for (const epoch of [0, 1, 2]) await play.noted(epoch, "USR1");
      play.signal("SIGTERM");
    },
    status: 0,
  },
  {
    does: "what a child inherits: descriptors, what is ignored, limits, names, no arguments",
    words: [fixture("hot_restarter/child.pl"), "ignored", "arguments"],
    shell: "umask 027; trap '' USR2 QUIT INT HUP; exec 4</dev/zero 9</etc/passwd 1021</etc/group",
    env: { RESTART_EPOCH: "7", FAKE_ENV: "1", A: "b c\nd", EMPTY: "", BATON_NAME: "x", TZ: "UTC" },
    live: stop,
    status: 0,
  },
  {
    does: "a child that fails takes the healthy one along",
    plans: ["", "now=3"],
    live: async (play) => {
      await play.started(1);
      play.signal("SIGHUP");
    },
    status: 1,
  },
  {
    does: "a child killed by a signal takes the healthy one along",
    live: async (play) => {
      await play.started(1);
      play.signal("SIGHUP");
      await play.started(2);
      play.signalChild(0, "SIGKILL");
    },
    status: 1,
  },
  {
    does: "a child that exits with 0 is fine, and the last one ends all with 0",
    live: async (play) => {
      await play.started(1);
      play.signal("SIGHUP");
      await play.started(2);
      play.signalChild(0, "SIGUSR2");
      await play.printed("exited with code=0");
      play.signalChild(1, "SIGUSR2");
    },
    status: 0,
  },
  {
    does: "a child that stops and goes on is only looked at",
    live: async (play) => {
      await play.started(1);
      play.signalChild(0, "SIGSTOP");
      await play.printed("got SIGCHLD");
      play.signalChild(0, "SIGCONT");
      await play.printed("got SIGCHLD", 2);
      play.signal("SIGTERM");
    },
    status: 0,
  },
  {
    does: "HUP during TERM starts a child that gets no TERM, and a second TERM reaches it",
    plans: ["term=ignore", "", ""],
    live: async (play) => {
      await play.started(1);
      play.signal("SIGTERM");
      await play.noted(0, "TERM");
      play.signal("SIGHUP");
      await play.started(2);
      play.signal("SIGUSR1");
      await play.noted(1, "USR1");
      play.signal("SIGTERM");
      await play.noted(1, "TERM");
      await play.noted(0, "TERM", 2);
      play.signalChild(0, "SIGKILL");
    },
    status: 0,
  },
  { does: "a target that is not there", words: ["/nonexistent/x"], live: ended, status: 1 },
  { does: "a target that is not executable", words: ["/etc/passwd"], live: ended, status: 1 },
  { does: "a name is not searched for in PATH", words: ["true"], live: ended, status: 1 },
  { does: "an empty name", words: [""], live: ended, status: 1 },
  { does: "a directory", words: ["/tmp"], live: ended, status: 1 },
  { does: "no target", words: [], live: async () => {}, status: 1 },
  {
    does: "a failing target after HUP takes the healthy one along",
    shell: `cp "${fixture("hot_restarter/child.pl")}" "./a target"`,
    words: ["./a target"],
    live: async (play) => {
      await play.started(1);
      rmSync(play.dir.join("a target"));
      play.signal("SIGHUP");
    },
    status: 1,
  },
  {
    does: "USR2 is deadly, and the child is left alone",
    live: async (play) => {
      await play.started(1);
      play.signal("SIGUSR2");
    },
    status: null,
    left: 1,
  },
  {
    does: "no standard input, and output that is lost",
    shell: "exec <&-",
    live: stop,
    status: 0,
  },
  {
    does: "a child that does not end is killed after 30 s",
    plans: ["term=ignore"],
    live: stop,
    status: 1,
    isLong: true,
  },
];

async function ended(play: Play): Promise<void> {
  await play.printed(LACK);
}

describe("baton hot-restarter", () => {
  const skip = findPython() === null ? "needs python3" : false;
  const played = new Map<Scenario, Promise<Outcome[]>>();
  /** All at once: most of the time is the original's second between two looks. */
  const playAll = (): void => {
    for (const scenario of SCENARIOS.filter(({ isLong }) => IS_FULL || !isLong)) {
      const commands = [originalCommand(), [...batonCommand(), "hot-restarter"]];
      const lives = commands.map((command) => playLife(command, scenario, scenario.live));
      const all = Promise.all(lives);
      all.catch(() => {});
      played.set(scenario, all);
    }
  };
  // Those of tests that are not chosen, too.
  after(async () => void await Promise.allSettled(played.values()));
  for (const scenario of SCENARIOS) {
    const { does, status, left = 0, isLong } = scenario;
    const reason = skip || (isLong && !IS_FULL && "takes 30 s (make test-all)");
    test(`${does}: as the original`, { timeout: TEST_TIMEOUT_MS, skip: reason }, async () => {
      if (played.size === 0) playAll();
      const [original, baton] = await played.get(scenario)!;
      assert.deepEqual(baton, original);
      assert.equal(baton?.status, status);
      assert.equal(baton?.left, left);
    });
  }
});
