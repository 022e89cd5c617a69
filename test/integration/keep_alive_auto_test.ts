/**
 * The promise of `--keep-alive auto`: in a generation that starts while the rate of new connections is high accept(2) is
 * not trapped, so it costs nothing; status says so, and no new connection is lost. A generation that may still get
 * connections of a draining one has it trapped at any rate.
 *
 * New connections are counted in the whole network namespace: other tests can make them many, never few.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { describe, test } from "node:test";
import { AUTO_RATE } from "../../src/migration/connection_rate.ts";
import { passiveOpens } from "../../src/platform/network/proc_net.ts";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { KeptConnection } from "../support/kept_connection.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { state } from "../support/proc.ts";
import { place, server } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS, skip: server("go").needs() ?? false };
/** A rate over less than a second is none. */
const RATE_MS = 1_050;
/** Some 300 new connections a second. */
const CROWD = { clients: 4, thinkTimeMs: 10 } as const;
/** How long an answer may take that comes at once, or never. */
const AT_ONCE_MS = 200;

/** Waits until there have been more new connections than `auto` pays for, since `before` at `startedAt`. */
async function manySince({ before, startedAt }: { before: number; startedAt: number }) {
  await waitUntil(() => {
    const ms = performance.now() - startedAt;
    return ms > RATE_MS && opens() - before > 1.5 * AUTO_RATE * ms / 1000;
  }, { what: "new connections are many" });
}

function opens(): number {
  return passiveOpens() ?? assert.fail("new connections cannot be counted here");
}

/** The serving generation. */
async function view(baton: Baton) {
  const { generations } = await baton.status();
  const serving = generations.find((each) => each.state === "serving");
  return serving ?? assert.fail(`no generation serves: ${JSON.stringify(generations)}`);
}

/** @returns the pid of the process that answered */
async function request(connection: KeptConnection, path = "/"): Promise<number> {
  connection.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  return Number(/pid=(\d+)/.exec((await connection.answer()).body.toString())?.[1]);
}

/** Whether a new connection is answered while baton is stopped: a trapped accept would wait. */
async function acceptsAlone(baton: Baton, port: number): Promise<boolean> {
  using connection = new KeptConnection(port);
  baton.signal("SIGSTOP");
  try {
    const threads = () => readdirSync(`/proc/${baton.pid}/task`).map(Number);
    await waitUntil(() => threads().every((tid) => state(tid) === "T"), { what: "baton sleeps" });
    using late = new KeptConnection(port);
    const answer = request(late).then(() => true, () => false);
    const never = waitUntil(() => false, { what: "an answer", deadlineMs: AT_ONCE_MS });
    return await Promise.race([answer, never.catch(() => false)]);
  } finally {
    baton.signal("SIGCONT");
    await request(connection);
  }
}

describe("--keep-alive auto", () => {
  test(
    "traps nothing in a generation that starts while new connections are many",
    TEST,
    async () => {
      using work = tempDir();
      const port = await freePort();
      await using baton = await startBaton({
        ...place(server("go"), { port, workDir: work.path }),
        flags: ["--keep-alive", "auto", "--drain-time", "500ms"],
      });
      const since = { before: opens(), startedAt: performance.now() };
      await using crowd = new Load({ port, ...CROWD }).start();
      assert.equal((await view(baton)).takesConnections, true, "the first: nothing is known");
      await using kept = new Load({ port, clients: 4, mode: "keep-alive", thinkTimeMs: 20 })
        .start();
      await manySince(since);
      assert.equal((await baton.reload()).result, "ok");
      const { lastReload } = await baton.settled();
      assert.equal(lastReload?.connectionsKept, null, "there was no generation to move them to");
      assert.equal((await view(baton)).takesConnections, false);
      assert.equal(await acceptsAlone(baton, port), true);
      const [fresh, old] = [await crowd.stop(), await kept.stop()];
      assert.equal(fresh.lost, 0, formatTally(fresh));
      // As with `leave`: what is on its way when the old process closes.
      assert.equal(old.lost - old.reset - old.short, 0, formatTally(old));
    },
  );

  test(
    "traps accept(2) while connections of another generation are still to be moved",
    TEST,
    async () => {
      using work = tempDir();
      const port = await freePort();
      await using baton = await startBaton({
        ...place(server("go"), { port, workDir: work.path }),
        flags: ["--keep-alive", "auto"],
      });
      const since = { before: opens(), startedAt: performance.now() };
      assert.equal(
        await acceptsAlone(baton, port),
        false,
        "a trapped accept waits for baton's answer",
      );
      using connection = new KeptConnection(port);
      const first = await request(connection);
      // It is moved when this is answered: then the next generation but one serves.
      const answer = request(connection, "/slow?ms=1500");
      assert.equal((await baton.reload()).result, "ok");
      const crowd = new Load({ port, ...CROWD }).start();
      await manySince(since);
      assert.equal((await baton.reload()).result, "ok");
      const tally = await crowd.stop();
      assert.equal(tally.lost, 0, formatTally(tally));
      const { pid, takesConnections } = await view(baton);
      assert.equal(takesConnections, true);
      assert.equal(await answer, first);
      await waitUntil(async () => await request(connection) === pid, { what: "it has moved" });
    },
  );
});
