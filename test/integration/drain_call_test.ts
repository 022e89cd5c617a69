/**
 * The promise: a drain call reaches the generation that drains, and no other, also where both have one control address;
 * whatever becomes of it, the reload succeeds and the drain works as without it.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { type Baton, type BatonOptions, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { KeptConnection } from "../support/kept_connection.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { alive, killTree } from "../support/proc.ts";
import { fixtureCommand } from "../support/servers.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const REQUEST = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
const SLOW = "GET /?ms=60000 HTTP/1.1\r\nHost: test\r\n\r\n";

class World {
  readonly calls: string;

  constructor(readonly dir: TempDir, readonly port: number, readonly control: string) {
    this.calls = dir.join("calls");
  }

  static async at(dir: TempDir, control?: string): Promise<World> {
    return new World(dir, await freePort(), control ?? String(await freePort()));
  }

  options(...flags: string[]): BatonOptions {
    const env = { PORT: String(this.port), CONTROL: this.control, CALLS: this.calls };
    return { command: fixtureCommand("says_goodbye.js"), env, flags };
  }

  /** Who was called, and how. */
  get made(): readonly string[] {
    if (!existsSync(this.calls)) return [];
    // A line that is being written is none yet.
    return readFileSync(this.calls, "utf8").split("\n").slice(0, -1);
  }

  async until(...expected: string[]): Promise<void> {
    const isThere = () => this.made.length >= expected.length;
    await waitUntil(isThere, { what: `${expected} in ${this.calls}` });
    assert.deepEqual(this.made.toSorted(), expected);
  }
}

/** A client whose answer does not come: its generation drains until the client leaves. */
async function slowClient(baton: Baton, port: number): Promise<Disposable> {
  const client = new KeptConnection(port);
  client.send(SLOW);
  const isBusy = async () => (await baton.status()).generations[0]?.connections.busy === 1;
  await waitUntil(isBusy, { what: "a client waits for its answer" });
  return client;
}

async function reload(baton: Baton): Promise<void> {
  const { result, reason } = await baton.reload();
  assert.equal(result, "ok", `${reason}\n${baton.stderr}`);
}

const FAIL = (place: string) => `POST:${place}/fail`;

async function serves(port: number): Promise<void> {
  await waitUntil(async () => {
    using client = new KeptConnection(port);
    client.send(REQUEST);
    return (await client.answer()).status === 200;
  }, { what: "it serves" });
}

describe("--drain-call", () => {
  test(
    "reaches the old one at a port that both have; a stop calls the last one",
    TEST,
    async () => {
      using dir = tempDir();
      const world = await World.at(dir);
      await using baton = await startBaton(world.options("--drain-call", FAIL(world.control)));
      await reload(baton);
      await world.until("0.0 POST /fail");
      await baton.settled();
      assert.equal((await baton.stop()).code, 0, baton.stderr);
      await world.until("0.0 POST /fail", "1.0 POST /fail");
    },
  );

  test("at a Unix socket, whose name the new one has by then", TEST, async () => {
    using dir = tempDir();
    const world = await World.at(dir, dir.join("control"));
    const call = `unix:${world.control}:POST:/fail`;
    await using baton = await startBaton(world.options("--drain-call", call));
    await reload(baton);
    await world.until("0.0 POST /fail");
    const line = /generation 0 has been asked to say goodbye to its clients: unix:.*: status 200/;
    await waitUntil(() => line.test(baton.stderr), { what: "the log says so" });
  });

  test("each worker, and one that ends alone", TEST, async () => {
    using dir = tempDir();
    const world = await World.at(dir);
    const call = `POST:${world.control}/e{epoch}w{worker}`;
    await using baton = await startBaton(world.options("--drain-call", call, "--workers", "3"));
    assert.equal((await baton.cli("scale", "2")).code, 0, baton.stderr);
    await world.until("0.2 POST /e0w2");
    await reload(baton);
    await world.until("0.0 POST /e0w0", "0.1 POST /e0w1", "0.2 POST /e0w2");
  });

  test("that of a baton that another one replaces", TEST, async () => {
    using dir = tempDir();
    const world = await World.at(dir);
    const unix = `unix:${dir.join("other")}:POST:/x`;
    const flags = ["--drain-call", FAIL(world.control), "--drain-call", unix];
    await using baton = await startBaton(world.options(...flags));
    const upgraded = await baton.cli("upgrade", "--json");
    assert.equal(upgraded.code, 0, `${upgraded.stderr}\n${baton.stderr}`);
    const { pid } = JSON.parse(upgraded.stdout);
    try {
      await world.until("0.0 POST /fail");
      assert.equal((await baton.cli("stop")).code, 0, baton.stderr);
    } finally {
      if (alive(pid)) killTree(pid);
    }
    // The new one has asked the old generation, and its own at the end.
    assert.deepEqual(world.made, ["0.0 POST /fail", "1.0 POST /fail"], baton.stderr);
  });

  test("the only one of --shutdown-only, before its stop signal", TEST, async () => {
    using dir = tempDir();
    const world = await World.at(dir);
    const flags = ["--shutdown-only", "--drain-call", FAIL(world.control)];
    await using baton = await startBaton(world.options(...flags));
    await serves(world.port);
    assert.equal((await baton.stop()).code, 0, baton.stderr);
    await world.until("0.0 POST /fail");
  });

  test(
    "the only one of --shutdown-only, whose file of a baton that was killed is gone",
    TEST,
    async () => {
      using dir = tempDir();
      const world = await World.at(dir);
      const mark = dir.write("bye", "");
      const flags = ["--shutdown-only", "--drain-call", `file:${mark}`];
      await using baton = await startBaton(world.options(...flags));
      await serves(world.port);
      assert.equal(existsSync(mark), false, "it would say goodbye from its first answer on");
      assert.equal((await baton.stop()).code, 0, baton.stderr);
      assert.match(baton.stderr, /asked to say goodbye to its clients: file:/);
      assert.equal(existsSync(mark), false);
    },
  );

  test("the new one, where that is rolled back", TEST, async () => {
    using dir = tempDir();
    const world = await World.at(dir);
    const options = world.options("--drain-call", FAIL(world.control), "--hold");
    await using baton = await startBaton(options);
    await reload(baton);
    assert.deepEqual(world.made, [], "both may still be needed");
    assert.equal((await baton.cli("rollback")).code, 0, baton.stderr);
    await world.until("1.0 POST /fail");
  });

  test("is taken back where the old one serves again", TEST, async () => {
    using dir = tempDir();
    const world = await World.at(dir);
    const undo = ["--drain-undo", `POST:${world.control}/ok`];
    const sick = dir.join("sick");
    const live = ["--live", `exec:test ! -e ${sick}`, "--unhealthy-threshold", "1"];
    const file = `file:${dir.join("bye.{epoch}")}`;
    const calls = ["--drain-call", FAIL(world.control), "--drain-call", file];
    const options = world.options(...calls, ...undo, ...live);
    await using baton = await startBaton(options);
    using _ = await slowClient(baton, world.port);
    await reload(baton);
    await world.until("0.0 POST /fail");
    const bye = dir.join("bye.0");
    const views = await waitUntil(async () => {
      const { generations: [old] } = await baton.status();
      return old?.drainCalls.every(({ result }) => result !== "pending") && old.drainCalls;
    }, { what: "the calls are answered" });
    assert.deepEqual(views, [
      { call: FAIL(world.control), worker: 0, result: "ok", detail: "status 200" },
      { call: `file:${bye}`, worker: 0, result: "ok", detail: "made" },
    ]);
    assert.ok(existsSync(bye));
    writeFileSync(sick, "");
    await world.until("0.0 POST /fail", "0.0 POST /ok", "1.0 POST /fail");
    // It needs no --drain-undo.
    await waitUntil(() => !existsSync(bye), { what: `${bye} is removed` });
    using client = new KeptConnection(world.port);
    client.send(REQUEST);
    const { head, body } = await client.answer();
    assert.match(`${head}${body}`, /keep-alive[^]*0\.0$/i);
  });

  test("that fails is reported, and changes nothing else", TEST, async () => {
    using dir = tempDir();
    const world = await World.at(dir);
    const calls = [
      [`POST:${world.control}/no`, "status 503: answered"],
      [`POST:${world.control}/hang`, "no answer within 0.1 s"],
      [`POST:${await freePort()}/x`, "refused"],
      [`unix:${dir.join("none")}:POST:/x`, "ENOENT"],
      ["exec:echo wrong >&2; exit 3", "exit status 3: wrong"],
    ] as const;
    const flags = calls.flatMap(([call]) => ["--drain-call", call]);
    const options = world.options(...flags, "--drain-call-timeout", "100ms");
    await using baton = await startBaton(options);
    using busy = await slowClient(baton, world.port);
    await reload(baton);
    const views = await waitUntil(async () => {
      const { generations: [old] } = await baton.status();
      return old?.drainCalls.length === calls.length &&
        old.drainCalls.every(({ result }) => result !== "pending") && old.drainCalls;
    }, { what: "all have failed" });
    for (const [index, [call, detail]] of calls.entries()) {
      const view = views[index]!;
      assert.deepEqual([view.call, view.result], [call, "failed"]);
      assert.ok(view.detail?.includes(detail), `${view.detail} for ${detail}`);
      assert.ok(baton.stderr.includes(`cannot be asked to say goodbye to its clients: ${call}`));
    }
    const events = await baton.cli("events");
    assert.equal(events.stdout.match(/generation\.drain_call_failed/g)?.length, calls.length);
    const { drainCalls: { ok, failed, lastFailure } } = await baton.status();
    assert.deepEqual([ok, failed], [0, calls.length]);
    assert.deepEqual(lastFailure, {
      call: calls.at(-1)![0],
      epoch: 0,
      worker: 0,
      reason: views.at(-1)!.detail,
      at: lastFailure?.at,
    });
    const { stdout } = await baton.cli("status");
    assert.match(
      stdout,
      /^drain calls: 0 ok, 5 failed; \d+s? ago, generation 0: exec:echo .*exit status 3/m,
    );
    busy[Symbol.dispose]();
    const { generations } = await baton.settled();
    assert.equal(generations.at(-1)?.epoch, 1);
  });

  test("by a command, a signal and a file that is there until the end", TEST, async () => {
    using dir = tempDir();
    const world = await World.at(dir);
    const variables = "$BATON_HOOK $BATON_NAME $BATON_OLD_EPOCH.$BATON_OLD_WORKER $BATON_OLD_PID";
    const file = dir.join("draining.0");
    const calls = [
      `exec:echo "${variables}" >> ${dir.join("calls")}`,
      "signal:USR2",
      `file:${dir.join("draining.{epoch}")}`,
    ];
    const flags = calls.flatMap((call) => ["--drain-call", call]);
    await using baton = await startBaton(world.options(...flags));
    using busy = await slowClient(baton, world.port);
    const { generations: [only] } = await baton.status();
    await reload(baton);
    await world.until("0.0 SIGUSR2", `drain-call web 0.0 ${only?.pid}`);
    await waitUntil(() => existsSync(file), { what: "the file is there" });
    busy[Symbol.dispose]();
    await baton.settled();
    assert.equal(existsSync(file), false);
  });
});
