/**
 * Fault: one of two batons is killed (SIGKILL) at each message of a takeover: just before it is said, just after it, or
 * before the other one hears it.
 *
 * Allowed outcome: whoever is left serves, alone, under all names; lost is what the killed one's server had in its
 * hands. If the old one dies before the new one has its listeners, the new one ends with 70 and nothing is left.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { createConnection } from "node:net";
import process from "node:process";
import { after, describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load, type Tally } from "../support/load.ts";
import { alive, children } from "../support/proc.ts";
import { fixtureCommand, place, type Runnable, server } from "../support/servers.ts";
import { type Fate, type Side, TakeoverRelay } from "../support/takeover_relay.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const DEADLINE_MS = 30_000;
const CLIENTS = 4;

/** Who serves in the end. */
type Outcome = Side | "nobody";
type Moment = "before it is said" | "when it is said" | "before it is heard";

interface Step {
  readonly from: Side;
  readonly kind: string;
  /** By who is killed, and when. */
  readonly outcomes: Readonly<Record<Moment, Outcome>>;
}

/** The new one lives as long as the old one serves; the other way round it needs the listeners. */
const EARLY: Step["outcomes"] = {
  "before it is said": "nobody",
  "when it is said": "nobody",
  "before it is heard": "old",
};
const ASKED: Step["outcomes"] = {
  "before it is said": "old",
  "when it is said": "old",
  "before it is heard": "nobody",
};

const STEPS: readonly Step[] = [
  { from: "new", kind: "hello", outcomes: ASKED },
  { from: "old", kind: "accepted", outcomes: EARLY },
  { from: "new", kind: "group", outcomes: ASKED },
  { from: "old", kind: "group", outcomes: EARLY },
  { from: "new", kind: "member", outcomes: ASKED },
  // From here on the new one has all it needs.
  { from: "old", kind: "member", outcomes: { ...EARLY, "when it is said": "new" } },
  { from: "new", kind: "switch", outcomes: { ...ASKED, "before it is heard": "new" } },
  {
    from: "old",
    kind: "switched",
    outcomes: {
      "before it is said": "new",
      "when it is said": "new",
      "before it is heard": "old",
    },
  },
  // It is told to stop, and does: there is no way back from that.
  {
    from: "new",
    kind: "terminate",
    outcomes: {
      "before it is said": "old",
      "when it is said": "nobody",
      "before it is heard": "new",
    },
  },
  { from: "new", kind: "failed", outcomes: ASKED },
];

describe("takeover: kill -9 at each message", async () => {
  const dir = tempDir("baton");
  const work = tempDir();
  const port = await freePort();
  const socket = work.join("handoff");
  const counts = { cases: 0, ok: 0, reset: 0, short: 0, refusedWhenNobodyServes: 0 };
  /** Who has survived the case before is the old one of the next. */
  let survivor: Baton | null = null;
  const all = new Set<Baton>();

  async function start(side: Side, runnable: Runnable, more: string[] = []): Promise<Baton> {
    const takeover = side === "new" ? ["--takeover", socket] : [];
    const flags = [...takeover, "--handoff-socket", socket, ...more];
    const baton = await startBaton({ ...runnable, flags, dir, expectFailure: side === "new" });
    all.add(baton);
    return baton;
  }

  async function endAllBut(kept: Baton | null): Promise<void> {
    for (const baton of all) {
      if (baton === kept) continue;
      await baton[Symbol.asyncDispose]();
      all.delete(baton);
    }
  }

  after(async () => {
    await endAllBut(null);
    process.stderr.write(`  ${JSON.stringify(counts)}\n`);
    assert.equal(existsSync(`${socket}.real`), false);
    work[Symbol.dispose]();
    dir[Symbol.dispose]();
  });

  for (const { from, kind, outcomes } of STEPS) {
    for (const [moment, outcome] of Object.entries(outcomes) as [Moment, Outcome][]) {
      const victim = (from === "new") === (moment !== "before it is heard") ? "new" : "old";
      test(`"${kind}": the ${victim} one, ${moment}: ${outcome} serves`, {
        timeout: TEST_TIMEOUT_MS,
      }, async () => {
        const good = place(server("node"), { port, workDir: work.path });
        await endAllBut(survivor);
        const old: Baton = survivor ?? await start("old", good);
        survivor = null;
        const oldServer = (await old.status()).generations.at(-1)!.pid!;
        await using platform = await testPlatform();
        // What drains can be taken back; and an old one that waits must be told to stop.
        const slow = createConnection({ port, host: "127.0.0.1" });
        slow.on("error", () => {});
        slow.write("GET /slow?ms=8000 HTTP/1.1\r\nHost: a\r\n\r\n");
        const isBusy = async () => (await old.status()).generations.at(-1)!.connections.busy > 0;
        await waitUntil(isBusy, { what: "the slow request is in" });
        await using load = new Load({ port, clients: CLIENTS })
          .start();
        await waitUntil(() => load.tally.ok > 20, { what: "the old one answers" });
        const killed = Promise.withResolvers<void>();
        let next: Baton | null = null;
        using relay = new TakeoverRelay(platform, socket, async (side, said): Promise<Fate> => {
          if (side !== from || said !== kind) return "pass";
          const target = victim === "old" ? old : next!;
          // Who says that it has failed may have ended already.
          if (target.exit === null && alive(target.pid)) process.kill(target.pid, "SIGKILL");
          await waitUntil(() => !alive(target.pid), { what: "it is dead" });
          killed.resolve();
          return moment === "when it is said" ? "cut_after" : "cut";
        });
        next = kind === "failed"
          ? await start("new", { command: fixtureCommand("exits_at_once.js"), env: {} })
          : await start("new", good, ["--parent-shutdown-time", "100ms"]);
        const text = () => `${relay.said.join(", ")}\nold: ${old.stderr}\nnew: ${next?.stderr}`;
        await Promise.race([killed.promise, failsAfter(DEADLINE_MS, text)]);
        // Until the old one has taken back, it must still have something to drain.
        if (outcome !== "old") slow.destroy();

        const left = outcome === "old" ? old : outcome === "new" ? next : null;
        if (left === null) {
          const { code } = await next.exited;
          // A server that fails by itself gives its own status.
          if (victim === "old") assert.equal(code, kind === "failed" ? 3 : 70, text());
          else assert.equal((await old.exited).code, 0, text());
          await waitUntil(() => !alive(oldServer), { what: "the old server has ended" });
          const tally = await load.stop();
          onlyRefusedOrInFlight(tally, text);
          counts.refusedWhenNobodyServes += tally.refused;
        } else {
          await servesAlone(left, left === old ? next : old, text);
          slow.destroy();
          const before = load.tally.ok;
          await waitUntil(() => load.tally.ok > before + 20, { what: `it answers\n${text()}` });
          // Where nothing was steered yet, the next takeover shows that it steers as ever.
          if (["member", "switch", "switched", "terminate"].includes(kind)) {
            assert.equal((await left.reload()).result, "ok", text());
          }
          const tally = await load.stop();
          // The killed one's server had connections in its hands, if it was the one that served.
          const served = victim === "old" || kind === "switched" || kind === "terminate" ||
            (kind === "switch" && moment === "when it is said");
          if (served) onlyInFlight(tally, text);
          else assert.equal(tally.lost, 0, `${formatTally(tally)}\n${text()}`);
          survivor = left;
        }
        counts.cases++;
        counts.ok += load.tally.ok;
        counts.reset += load.tally.reset;
        counts.short += load.tally.short;
      });
    }
  }

  /** Asserts that one baton alone is there, and answers under the name. */
  async function servesAlone(left: Baton, dead: Baton, text: () => string): Promise<void> {
    await dead.exited;
    try {
      await waitUntil(async () => {
        const { pid, epoch, generations } = await left.status();
        return pid === left.pid && epoch !== null &&
          generations.filter(({ state }) => state !== "exited").length === 1;
      }, { what: "the one that is left serves alone", deadlineMs: DEADLINE_MS });
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}\n${text()}`);
    }
    const servers = children(left.pid).filter(alive);
    assert.equal(servers.length, 1, `one server: ${servers}\n${text()}`);
  }
});

/**
 * Each client loses at most the request that the dead server had accepted; and then, if it comes back before the other
 * baton knows, the one that waits in the dead server's queue until that is closed.
 */
function onlyInFlight(tally: Tally, text: () => string): void {
  const inFlight = tally.reset + tally.short;
  assert.equal(tally.lost, inFlight, `${formatTally(tally)}\n${text()}`);
  assert.ok(inFlight <= 2 * CLIENTS, `${formatTally(tally)}\n${text()}`);
}

/** Where nobody serves in the end; a client may be cut off more than once on the way there. */
function onlyRefusedOrInFlight(tally: Tally, text: () => string): void {
  const { refused, reset, short, lost } = tally;
  assert.equal(lost, refused + reset + short, `${formatTally(tally)}\n${text()}`);
}

function failsAfter(delayMs: number, text: () => string): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`the message was never said: ${text()}`)), delayMs).unref();
  });
}
