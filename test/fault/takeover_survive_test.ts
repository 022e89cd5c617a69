/**
 * Fault: one of two batons with --survive is killed (SIGKILL) in the middle of a takeover.
 *
 * Allowed outcome: nothing is lost, and one baton serves: the other one if it has taken over, else the next one of
 * the same name, which continues with the server.
 */
import assert from "node:assert/strict";
import { createConnection } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { alive, children, commandLine } from "../support/proc.ts";
import { place, server } from "../support/servers.ts";
import { type Fate, type Side, TakeoverRelay } from "../support/takeover_relay.ts";
import { SeenProcesses } from "../support/seen_processes.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const OPTIONS = { timeout: TEST_TIMEOUT_MS };
const CLIENTS = 4;
const SLOW_MS = 1500;
/** Of no message: when the new one's server has answered for a while. */
const AFTERWARDS = "afterwards";

/** Two batons, a relay between them, and a kill at one message; `next` starts one more in a role. */
class Story implements AsyncDisposable {
  readonly #work = tempDir();
  readonly #dirs = { old: tempDir("baton"), new: tempDir("baton") };
  readonly #all: Baton[] = [];
  readonly #seen = new SeenProcesses();
  readonly #batons = new SeenProcesses();
  readonly socket = this.#work.join("handoff");

  constructor(readonly port: number, readonly oneName: boolean) {}

  async start(side: Side, version: string, waits = side === "old"): Promise<Baton> {
    const takeover = side === "new" ? ["--takeover", this.socket] : [];
    const baton = await startBaton({
      ...place(server("node"), { port: this.port, workDir: this.#work.path, version }),
      flags: ["--survive", ...takeover, "--handoff-socket", this.socket],
      dir: this.oneName ? this.#dirs.old : this.#dirs[side],
      expectFailure: !waits,
    });
    this.#all.push(baton);
    this.#batons.add(baton.pid);
    return baton;
  }

  look(): void {
    for (const pid of this.#batons.alive) {
      children(pid).forEach((child) => this.#seen.add(child));
    }
  }

  async kill({ pid }: Baton): Promise<void> {
    this.look();
    process.kill(pid, "SIGKILL");
    await waitUntil(() => !alive(pid), { what: "it is dead" });
  }

  /** What is there of all that was seen, but for what `baton` runs. */
  leftBeside(baton: Baton): string[] {
    const own = [baton.pid, ...children(baton.pid)];
    const others = this.#seen.alive.filter((pid) => !own.includes(pid));
    return others.map((pid) => commandLine(pid).join(" "));
  }

  get log(): string {
    return this.#all.map(({ stderr }, i) => `${i}: ${stderr}`).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.look();
    this.#batons.kill();
    this.#seen.kill();
    for (const baton of this.#all) await baton[Symbol.asyncDispose]();
    for (const dir of [this.#work, this.#dirs.old, this.#dirs.new]) dir[Symbol.dispose]();
  }
}

interface Case {
  readonly title: string;
  readonly victim: Side;
  readonly at: string;
  readonly fate: Fate;
  readonly oneName: boolean;
  /** Who serves afterwards; `next old` and `next new`: when it was started again. */
  readonly serves: Side | "next old" | "next new";
  /** Whose server gets TERM: its one slow request is cut. */
  readonly cuts?: boolean;
}

const CASES: readonly Case[] = [
  {
    title: "the old one, while the new generation starts: its next one goes on",
    victim: "old",
    at: "old: member",
    fate: "cut_after",
    oneName: false,
    serves: "next old",
  },
  {
    title: "the old one, asked to switch, under one name: the new one adopts its server",
    victim: "old",
    at: "new: switch",
    fate: "cut",
    oneName: true,
    serves: "new",
  },
  {
    title: "the old one, while it drains, under one name: the new one adopts its server",
    victim: "old",
    at: "old: switched",
    fate: "cut_after",
    oneName: true,
    serves: "new",
  },
  {
    title: "the old one, while it drains, under two names: its server is told to stop",
    victim: "old",
    at: "old: switched",
    fate: "cut_after",
    oneName: false,
    serves: "new",
    cuts: true,
  },
  {
    title: "the new one, while its generation starts: the old one serves on",
    victim: "new",
    at: "new: switch",
    fate: "cut",
    oneName: false,
    serves: "old",
  },
  {
    title: "the new one, while the old one drains: its server serves on, and its next one goes on",
    victim: "new",
    at: AFTERWARDS,
    fate: "cut",
    oneName: false,
    serves: "next new",
  },
];

describe("takeover with --survive: kill -9 of", () => {
  for (const { title, victim, at, fate, oneName, serves, cuts } of CASES) {
    test(title, OPTIONS, async () => {
      await using story = new Story(await freePort(), oneName);
      await using platform = await testPlatform();
      const old = await story.start("old", "1");
      let answer = "";
      const slow = createConnection({ port: story.port, host: "127.0.0.1" });
      slow.on("data", (bytes) => answer += String(bytes));
      slow.on("error", () => {});
      slow.write(`GET /slow?ms=${SLOW_MS} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
      const ended = new Promise((resolve) => slow.once("close", resolve));
      await waitUntil(async () => (await old.status()).generations[0]!.connections.busy > 0, {
        what: "the slow request is in",
      });
      await using load = new Load({ port: story.port, clients: CLIENTS }).start();
      const killed = Promise.withResolvers<void>();
      let next: Baton | null = null;
      {
        using _relay = new TakeoverRelay(platform, story.socket, async (side, kind) => {
          if (`${side}: ${kind}` !== at) return "pass";
          await story.kill(victim === "old" ? old : next!);
          killed.resolve();
          return fate;
        });
        next = await story.start("new", "2");
        if (at === AFTERWARDS) {
          // It says so to the old one in the same moment as to its log.
          await waitUntil(() => next!.stderr.includes("generation 0 drains"), {
            what: "it serves",
          });
          await waitUntil(() => (load.tally.byVersion.get("2") ?? 0) > 20, { what: "it answers" });
          await story.kill(next);
          killed.resolve();
        }
        await killed.promise;
        if (serves === "next old") {
          assert.equal((await next.exited).code, 70, story.log);
          assert.match(next.stderr, /its server serves on/);
        }
      }
      const left = serves === "old"
        ? old
        : serves === "new"
        ? next
        : await story.start(serves === "next old" ? "old" : "new", "3", true);
      story.look();
      await waitUntil(async () => {
        const { pid, epoch, generations } = await left.status();
        return pid === left.pid && epoch !== null &&
          generations.filter(({ state }) => state !== "exited").length === 1;
      }, { what: `one generation is left\n${story.log}`, deadlineMs: 30_000 }).catch((error) => {
        throw new Error(`${error.message}\n${story.log}`);
      });
      await ended;
      if (cuts !== true) assert.match(answer, /version=1/, story.log);
      for (let i = 0; i < 2; i++) assert.equal((await left.reload()).result, "ok", story.log);
      await left.settled();
      const tally = await load.stop();
      process.stderr.write(`  ${title}: ${formatTally(tally)}\n`);
      assert.ok(tally.lost <= (cuts === true ? CLIENTS : 0), `${formatTally(tally)}\n${story.log}`);
      assert.equal(tally.refused + tally.timedOut, 0, formatTally(tally));
      await waitUntil(() => story.leftBeside(left).length === 0, {
        what: "nothing is left beside it",
      }).catch(() => assert.fail(`${story.leftBeside(left).join("\n")}\n${story.log}`));
      assert.equal((await left.stop()).code, 0);
    });
  }
});
