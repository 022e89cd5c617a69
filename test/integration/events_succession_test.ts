/** The promise: whoever follows a service learns each outcome once and in order, whichever baton has the service. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { server } from "../support/controlled.ts";
import { Follower, receiver, type SeenEvent } from "../support/event_reader.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { alive, children, killTree } from "../support/proc.ts";
import { Random, testSeed } from "../support/random.ts";
import { IS_FULL } from "../support/repeats.ts";
import { fixtureCommand } from "../support/servers.ts";
import { Succession } from "../support/succession.ts";
import { alone, Pair } from "../support/takeover_pair.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const KILLS = 20;
const LONGEST_LIFE_MS = 600;

/** What is in the file by now, without how far the receivers have got. */
function eventsIn(path: string): SeenEvent[] {
  return readFileSync(path, "utf8").split("\n").filter((line) => line.startsWith('{"id"'))
    .map((line) => JSON.parse(line));
}

function namesOf(events: readonly SeenEvent[]): string[] {
  return events.map(({ event }) => event);
}

function assertInOrder(events: readonly SeenEvent[]): void {
  const ids = events.map(({ id }) => id);
  assert.deepEqual(ids, [...new Set(ids)].sort((a, b) => a - b), namesOf(events).join());
}

/** Ends also a baton that is no child of the test. */
async function stopAll(baton: Baton): Promise<void> {
  const { pid } = await baton.status();
  await baton.cli("stop", "web");
  if (pid !== baton.pid && alive(pid)) killTree(pid);
}

describe("events across batons", () => {
  test("the next baton says nothing before the one before it has finished", TEST, async () => {
    using dir = tempDir();
    const gate = dir.write("gate", "");
    await using baton = await startBaton({
      command: fixtureCommand("gated_http.js"),
      env: { PORT: String(await freePort()), GATE_FILE: gate },
    });
    rmSync(gate);
    const file = baton.dir.join("web.events");
    const upgrade = baton.cli("upgrade", "web");
    try {
      const next = await waitUntil(() => /new baton .* starts, pid (\d+)/.exec(baton.stderr)?.[1], {
        what: "the new baton is started",
      });
      await waitUntil(() => children(Number(next)).length > 0, { what: "it starts a server" });
      baton.signal("SIGSTOP");
      const before = readFileSync(file, "utf8");
      const { ino } = statSync(baton.socketPath);
      dir.write("gate", "");
      // The one that is stopped would never answer.
      await waitUntil(() => statSync(baton.socketPath).ino !== ino, {
        what: "the new baton has the control socket",
      });
      assert.equal((await baton.status()).pid, Number(next));
      const { stdout } = await baton.cli("events", "web", "--all");
      const shown = stdout.trim().split("\n").map((line) => JSON.parse(line));
      assert.deepEqual(namesOf(shown), namesOf(eventsIn(file)));
      assert.equal(readFileSync(file, "utf8"), before);
      baton.signal("SIGCONT");
      assert.equal((await upgrade).code, 0, baton.stderr);
      await waitUntil(() => namesOf(eventsIn(file)).includes("upgrade.succeeded"), {
        what: "the new baton says what has happened",
      });
      assertInOrder(eventsIn(file));
    } finally {
      baton.signal("SIGCONT");
      await stopAll(baton);
    }
  });

  test("what a receiver has not got at all, the next baton brings", TEST, async () => {
    await using hook = await receiver((count) => count === 1 ? null : 200);
    await using baton = await startBaton({
      ...server(await freePort()),
      flags: ["--webhook", hook.url],
    });
    assert.equal((await baton.reload()).result, "ok");
    try {
      const { code, stderr } = await baton.cli("upgrade", "web");
      assert.equal(code, 0, stderr);
      await waitUntil(() => namesOf(hook.got).includes("upgrade.succeeded"), {
        what: `it is delivered\n${baton.stderr}`,
      });
      assert.deepEqual(namesOf(hook.got), [
        "service.started",
        "reload.succeeded",
        "reload.succeeded",
        "upgrade.succeeded",
      ]);
      assertInOrder(hook.got);
    } finally {
      await stopAll(baton);
    }
  });

  test("a command that hangs is not left behind by an upgrade in place", TEST, async () => {
    using dir = tempDir();
    const [out, gate] = [dir.write("out", ""), dir.join("gate")];
    const port = await freePort();
    await using baton = await startBaton({
      command: server(port).command,
      env: { PORT: String(port), OUT: out, GATE: gate },
      flags: [
        "--on-event",
        'echo "$BATON_EVENT $$" >>"$OUT"; test -e "$GATE" || exec sleep 1000',
        "--hook-timeout",
        "1h",
      ],
    });
    const runs = () => readFileSync(out, "utf8").trim().split("\n").map((line) => line.split(" "));
    await waitUntil(() => runs().length === 1 && runs()[0]?.length === 2, { what: "it hangs" });
    dir.write("gate", "");
    const { code, stderr } = await baton.cli("upgrade", "web", "--in-place");
    assert.equal(code, 0, stderr);
    await waitUntil(() => runs().length === 3, { what: `all are delivered\n${baton.stderr}` });
    assert.deepEqual(runs().map(([event]) => event), [
      "service.started",
      "service.started",
      "upgrade.succeeded",
    ]);
    assert.ok(!alive(Number(runs()[0]?.[1])), "the first one was ended");
    assert.deepEqual(await baton.stop(), { code: 0, signal: null });
  });

  test("after a takeover under another name both tell their own story", TEST, async () => {
    using dir = tempDir("baton");
    using pair = await Pair.make();
    await using hook = await receiver(() => 200);
    await using old = await startBaton({
      ...pair.server("1"),
      flags: [...pair.old, "--webhook", hook.url],
      dir,
    });
    await using follower = new Follower(old, "--since", "1h");
    await waitUntil(() => follower.seen.length > 0, { what: "it follows" });
    await using next = await startBaton({
      ...pair.server("2"),
      flags: pair.new,
      dir,
      name: "green",
    });
    await alone(next, old);
    assert.equal(await follower.ended, 0);
    const story = ["service.started", "upgrade.handed_over", "service.stopped"];
    assert.deepEqual(follower.names, story);
    assert.deepEqual(namesOf(hook.got), story);
    const left = readdirSync(dir.path).filter((name) => name.startsWith("web."));
    assert.deepEqual(left, ["web.lock"]);
    const { stdout } = await next.cli("events", "green");
    assert.match(stdout, /"upgrade\.succeeded".*"name":"green"/);
  });

  test(
    "kills at random moments leave no outcome out, and no id twice",
    { ...TEST, skip: IS_FULL ? false : "in full runs" },
    async () => {
      const random = new Random(testSeed());
      await using hook = await receiver((count) => count % 5 === 0 ? 500 : 200);
      using dir = tempDir("baton");
      const flags = ["--survive", "--webhook", hook.url];
      await using batons = new Succession({ ...server(await freePort()), dir });
      for (let i = 0; i < KILLS; i++) {
        const baton = await batons.next(flags);
        void baton.reload().catch(() => {});
        await new Promise((resolve) => setTimeout(resolve, random.next() * LONGEST_LIFE_MS));
        await batons.kill();
      }
      const last = await batons.next(flags);
      assert.equal((await last.reload()).result, "ok");
      await last.settled();
      const told = eventsIn(dir.join("web.events")).filter((each) => each.level !== "debug");
      assertInOrder(told);
      assert.equal(namesOf(told).filter((name) => name === "service.recovered").length, KILLS);
      await waitUntil(() => hook.got.at(-1)?.id === told.at(-1)?.id, { what: "it is delivered" });
      const got = [...new Map(hook.got.map((each) => [each.id, each])).values()];
      assert.deepEqual(got.map(({ id }) => id), told.map(({ id }) => id));
    },
  );
});
