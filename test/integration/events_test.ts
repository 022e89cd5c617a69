/** The promise: whoever follows a service learns each thing once, in order, and no reload waits for that. */
import assert from "node:assert/strict";
import process from "node:process";
import { existsSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { server } from "../support/controlled.ts";
import { Follower, openStream, receiver, type SeenEvent } from "../support/event_reader.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { IS_FULL } from "../support/repeats.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const MOST_CLIENTS = 100;
const RELOADS_UNDER_LOAD = 10;
const TICKS_PER_S = 100;

/** User and system time so far. proc_pid_stat(5) */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}

function assertInOrder(events: readonly SeenEvent[]): void {
  const ids = events.map(({ id }) => id);
  assert.deepEqual(ids, [...new Set(ids)].sort((a, b) => a - b), "each once, in order");
}

function namesIn(text: string): string[] {
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line).event);
}

describe("events", () => {
  test("a follower misses nothing across upgrades, and ends with the service", TEST, async () => {
    await using baton = await startBaton(server(await freePort()));
    await using follower = new Follower(baton, "--all", "--since", "1h");
    await waitUntil(() => follower.seen.length > 0, { what: "it follows" });
    await baton.reload();
    await baton.settled();
    const { code, stderr } = await baton.cli("upgrade", "web", "--in-place");
    assert.equal(code, 0, stderr);
    await baton.reload();
    await baton.settled();
    const kept = namesIn((await baton.cli("events", "web", "--all")).stdout);
    await waitUntil(() => follower.seen.length >= kept.length, {
      what: "it has found the new one",
    });
    await baton.stop();
    assert.equal(await follower.ended, 0);
    assertInOrder(follower.seen);
    assert.deepEqual(follower.names.slice(0, kept.length), kept);
    const outcomes = follower.names.filter((name) => /^(?:service|reload|upgrade)\.\w/.test(name));
    assert.deepEqual(outcomes, [
      "service.started",
      "reload.requested",
      "reload.succeeded",
      "upgrade.started",
      "upgrade.succeeded",
      "reload.requested",
      "reload.succeeded",
      "service.stopping",
      "service.stopped",
    ]);
    assert.ok(!existsSync(baton.dir.join("web.events")), "nothing is left of them");
  });

  test("an upgrade by a new process continues the order, and its streams end", TEST, async () => {
    await using baton = await startBaton(server(await freePort()));
    const stream = await openStream(baton, "?since=0&events=*");
    let text = "";
    let isClosed = false;
    stream.response.setEncoding("utf8").on("data", (part) => text += part);
    stream.response.on("close", () => isClosed = true);
    await waitUntil(() => text.includes("generation.serving"), { what: "the stream is read" });
    try {
      const { code, stderr } = await baton.cli("upgrade", "web");
      assert.equal(code, 0, stderr);
      await waitUntil(() => isClosed, { what: "the old baton ends its streams" });
      const { stdout } = await baton.cli("events", "web", "--all");
      const names = namesIn(stdout);
      const upgraded = names.indexOf("upgrade.succeeded");
      assert.equal(names[0], "service.started");
      assert.ok(names.indexOf("upgrade.started") < upgraded, names.join());
      assert.ok(names.lastIndexOf("reload.succeeded") > names.indexOf("upgrade.started"));
      assertInOrder(stdout.trim().split("\n").map((line) => JSON.parse(line)));
    } finally {
      await baton.cli("stop", "web");
    }
  });

  test("a command and a webhook get the outcomes, also of what fails", TEST, async () => {
    await using hook = await receiver((count) => count === 1 ? 503 : 200);
    using dir = tempDir();
    const port = await freePort();
    await using baton = await startBaton({
      ...server(port),
      flags: [
        "--webhook",
        hook.url,
        "--on-event",
        'grep -q "\\"event\\":\\"$BATON_EVENT\\"" && echo "$BATON_EVENT" >>"$OUT"',
        "--pre-flight",
        'test "$BATON_EPOCH" != 1',
      ],
      env: { PORT: String(port), OUT: dir.join("out") },
    });
    await baton.cli("reload", "web");
    await baton.cli("reload", "web");
    const names = ["service.started", "generation.failed", "reload.failed", "reload.succeeded"];
    const hooked = () => hook.got.map(({ event }) => event);
    const written = () => readFileSync(dir.join("out"), "utf8").trim().split("\n");
    // At the end what waits has a few seconds only.
    for (const got of [hooked, written]) {
      await waitUntil(() => got().length >= names.length, { what: "those four are got" });
    }
    await baton.stop();
    names.push("service.stopping", "service.stopped");
    assert.deepEqual(hooked(), names, baton.stderr);
    assert.deepEqual(written(), names);
    assert.match(hook.got[2]?.reason ?? "", /pre-flight/);
    assert.match(baton.stderr, /--webhook: service\.started is not delivered yet: .* 503/);
    assert.doesNotMatch(baton.stderr, /\/hook/, "the address is not told");
  });

  test(
    "a receiver that never answers delays no reload, and the end by seconds only",
    TEST,
    async () => {
      await using hook = await receiver(() => null);
      const flags = ["--webhook", hook.url, "--on-event", "sleep 1000", "--hook-timeout", "1h"];
      await using baton = await startBaton({ ...server(await freePort()), flags });
      const { result } = await baton.reload();
      assert.equal(result, "ok");
      assert.deepEqual(await baton.stop(), { code: 0, signal: null });
    },
  );

  test(
    "a hundred clients, and slow ones, lose no request at reloads under load",
    { ...TEST, skip: IS_FULL ? false : "in full runs" },
    async () => {
      const port = await freePort();
      await using baton = await startBaton(server(port));
      const streams: Awaited<ReturnType<typeof openStream>>[] = [];
      // Not all at once: the control socket answers some 30 requests at a time.
      while (streams.length < MOST_CLIENTS) streams.push(await openStream(baton, "?events=*"));
      const refused = await openStream(baton);
      assert.equal(refused.response.statusCode, 503);
      const texts = streams.map(() => "");
      // Every other one does not read.
      streams.forEach(({ response }, i) => {
        if (i % 2 === 0) response.on("data", (part) => texts[i] += part);
      });
      const before = cpuSeconds(baton.pid);
      await using load = new Load({ port }).start();
      for (let i = 0; i < RELOADS_UNDER_LOAD; i++) {
        assert.equal((await baton.reload()).result, "ok");
        await baton.settled();
      }
      const tally = await load.stop();
      const spent = cpuSeconds(baton.pid) - before;
      assert.equal(tally.lost, 0, formatTally(tally));
      await waitUntil(
        () =>
          texts.every((text, i) =>
            i % 2 === 1 || text.split("reload.succeeded").length === RELOADS_UNDER_LOAD + 1
          ),
        { what: "each reader has seen each reload" },
      );
      process.stderr.write(
        `  ${formatTally(tally)}; baton: ${spent.toFixed(2)} s of a processor\n`,
      );
      for (const { close } of streams) close();
    },
  );
});
