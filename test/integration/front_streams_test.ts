/**
 * Promise: what Envoy has led to a server is finished there, however silent it is meanwhile; and a service that ends while
 * others have endpoints of the same cluster leaves it first: no request is lost.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { envoyProgram } from "../support/envoy.ts";
import { freePort } from "../support/free_port.ts";
import { hostsIn } from "../support/front/fake_envoy.ts";
import { ask } from "../support/front/front_client.ts";
import { FrontTrial } from "../support/front/front_trial.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { IS_FULL } from "../support/repeats.ts";
import { fixtureCommand } from "../support/servers.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
/** Nothing is said for so long, many times --quiet: without Envoy's count both are cut long before. */
const PAUSE_MS = 1_500;

const LONG = !IS_FULL && "it takes a while: BATON_TEST_FULL=1";
const { path, skip } = envoyProgram();

describe("behind one Envoy", { skip }, () => {
  let dir: TempDir;
  let envoy: FrontTrial;
  before(async () => {
    dir = tempDir("front");
    envoy = new FrontTrial(dir, path ?? "");
    for (const name of ["web", "alone", "pair"]) await envoy.add({ name, lines: "", servers: 0 });
    await envoy.start();
  }, TEST);
  after(async () => {
    await envoy[Symbol.asyncDispose]();
    dir[Symbol.dispose]();
  });

  async function start(cluster: string, name: string, fixture: string) {
    const file = dir.join(`${cluster}.yaml`);
    const baton = await startBaton({
      name,
      command: fixtureCommand(fixture),
      env: { PORT: String(await freePort()) },
      flags: [`--front=eds:${file},cluster=${cluster}`, "--quiet=100ms"],
    });
    const { port } = await envoy.place(cluster);
    return { baton, port, hosts: () => hostsIn(readFileSync(file, "utf8")) };
  }

  async function active(cluster: string): Promise<number> {
    const [, count] = /upstream_rq_active: (\d+)/.exec(
      await envoy.admin(`/stats?filter=cluster.${cluster}.upstream_rq_active`),
    ) ?? [];
    return Number(count);
  }

  test(
    "an answer with a pause, and a WebSocket on which nothing is said, stay whole",
    TEST,
    async () => {
      const { baton: started, port, hosts } = await start("web", "web", "streams.js");
      await using baton = started;
      await waitUntil(() => hosts().length === 1, { what: "the first generation is in the file" });
      let heard = "";
      let isOpen = true;
      const socket = connect(port, "127.0.0.1")
        .on("data", (bytes) => heard += bytes.toString("latin1"))
        .on("close", () => isOpen = false)
        .on("error", () => {});
      const lines = [
        "Host: x",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
      ];
      socket.write(`GET /push?every=${PAUSE_MS} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
      const answer = ask(port, `/drip?first=1&every=${PAUSE_MS}`);
      await waitUntil(() => heard.includes("101"), { what: `the WebSocket is open: ${heard}` });
      await waitUntil(async () => (await active("web")) === 2, {
        what: "both are with the server",
      });
      const { result, reason } = await baton.reload();
      assert.equal(result, "ok", `${reason}\n${baton.stderr}`);
      const before = heard.length;
      const { status, body } = await answer;
      assert.deepEqual([status, body.length], [200, 20], baton.stderr);
      await waitUntil(() => !isOpen || heard.length > before, { what: "something is said" });
      assert.ok(isOpen, `the WebSocket was cut\n${baton.stderr}`);
      assert.equal(hosts().length, 2, "the old generation lives");
      socket.destroy();
      await baton.settled();
      await waitUntil(() => hosts().length === 1, { what: "the old one is removed" });
      assert.match(baton.stderr, /generation 0 exited cut=0/);
    },
  );

  test("a stop ends no answer that has a pause", { ...TEST, skip: LONG }, async () => {
    const { baton: started, port, hosts } = await start("alone", "alone", "streams.js");
    await using baton = started;
    await waitUntil(() => hosts().length === 1, { what: "the first generation is in the file" });
    const answer = ask(port, `/drip?first=1&every=${PAUSE_MS}`);
    await waitUntil(async () => (await active("alone")) === 1, { what: "it is with the server" });
    assert.equal((await baton.cli("stop")).code, 0, baton.stderr);
    const { status, body } = await answer;
    assert.deepEqual([status, body.length], [200, 20], baton.stderr);
  });

  test("one of two services in one file ends, and no request is lost", TEST, async () => {
    const { baton: one, port, hosts } = await start("pair", "one", "node_http.js");
    await using _ = one;
    const { baton: other } = await start("pair", "other", "node_http.js");
    await using __ = other;
    await waitUntil(() => hosts().length === 2, { what: "both are in the file" });
    await waitUntil(async () => (await ask(port)).status === 200, { what: "Envoy follows" });
    const limits = { port, clients: 3, sources: [] };
    const loads = [
      new Load(limits).start(),
      new Load({ ...limits, mode: "keep-alive" }).start(),
    ];
    for (const load of loads) await load.answersMore(50);
    assert.equal((await other.cli("stop")).code, 0, other.stderr);
    for (const load of loads) await load.answersMore(20);
    for (const load of loads) {
      const tally = await load.stop();
      assert.equal(tally.lost, 0, `${formatTally(tally)}\n${other.stderr}`);
    }
    assert.equal(hosts().length, 1);
  });
});
