/**
 * Promise: clients of a real Envoy notice nothing of a reload behind it: no request is lost, and none of their connections
 * ends. A canary gets its share of the requests.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { H2Load } from "../../scripts/bench/peers/h2_load.ts";
import { type Baton, startBaton } from "../support/baton.ts";
import { ENVOY_VERSIONS, envoyProgram, type EnvoyVersion } from "../support/envoy.ts";
import { freePort } from "../support/free_port.ts";
import { hostsIn } from "../support/front/fake_envoy.ts";
import { FrontTrial } from "../support/front/front_trial.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { IS_FULL, repeats } from "../support/repeats.ts";
import { place, server as serverOf, type ServerId } from "../support/servers.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const RELOADS = repeats({ full: 10, quick: 3 });
const SERVERS: readonly ServerId[] = IS_FULL ? ["node", "go", "python"] : ["node"];
const VERSIONS: readonly EnvoyVersion[] = IS_FULL ? ENVOY_VERSIONS : ["1.40.0"];
/** For each kind of client. */
const CLIENTS = 3;
const STREAMS = 3;
const CANARY_REQUESTS = 2_000;

/** An Envoy, and a service behind it. */
class Fronted implements AsyncDisposable {
  readonly dir: TempDir = tempDir("front");
  readonly trial: FrontTrial;
  readonly file: string;
  port = 0;
  #baton: Baton | null = null;

  constructor(program: string) {
    this.trial = new FrontTrial(this.dir, program);
    this.file = this.dir.join("web.yaml");
  }

  /** @param lines of [front] */
  async start(id: ServerId, flags: readonly string[] = [], lines = ""): Promise<Baton> {
    await this.trial.add({ name: "web", lines, servers: 0 });
    await this.trial.start();
    ({ port: this.port } = await this.trial.place("web"));
    const server = place(serverOf(id), { port: await freePort(), workDir: this.dir.path });
    // Its admin socket is beside the file.
    const all = [`--front=eds:${this.file}`, ...flags];
    const baton = this.#baton = await startBaton({ ...server, flags: all });
    await waitUntil(() => hostsIn(readFileSync(this.file, "utf8")).length > 0, {
      what: "the first generation is in the file",
    });
    return baton;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#baton?.[Symbol.asyncDispose]();
    await this.trial[Symbol.asyncDispose]();
    this.dir[Symbol.dispose]();
  }
}

for (const version of VERSIONS) {
  const { path, skip } = envoyProgram(version);
  describe(`behind Envoy ${version}`, { skip }, () => {
    for (const id of SERVERS) {
      const needs = serverOf(id).needs() ?? false;
      const what = `${id}: ${RELOADS} reloads, and no client loses a request or a connection`;
      test(what, { ...TEST, skip: needs }, async () => {
        await using front = new Fronted(path ?? "");
        const baton = await front.start(id);
        const { port } = front;
        const limits = { port, clients: CLIENTS, sources: [] };
        const fresh = new Load({ ...limits, thinkTimeMs: 1 }).start();
        const kept = new Load({ ...limits, mode: "keep-alive" }).start();
        const slow = new Load({ ...limits, mode: "keep-alive", thinkTimeMs: 20 }).start();
        const streams = new H2Load({
          port,
          connections: CLIENTS,
          streams: STREAMS,
          thinkTimeMs: 5,
          timeoutMs: TEST_TIMEOUT_MS,
          onAnswer: () => {},
        });
        for (let reload = 0; reload < RELOADS; reload++) {
          await kept.answersMore(50);
          const { result, reason } = await baton.reload();
          assert.equal(result, "ok", `${reason}\n${baton.stderr}`);
        }
        await baton.settled();
        await kept.answersMore(50);
        const tallies = await Promise.all([fresh, kept, slow, streams].map((load) => load.stop()));
        const counts = await front.trial.admin("/stats?filter=cluster.web.(lb|outlier|upstream_)");
        const all = tallies.map(formatTally).join("\n");
        for (const [index, tally] of tallies.entries()) {
          const text = `${all}\n${baton.stderr}\n${counts}`;
          assert.equal(tally.lost, 0, text);
          assert.ok(tally.ok > RELOADS, text);
          if (index > 0) assert.equal(tally.connections, CLIENTS, text);
        }
        assert.equal(streams.repeated, 0);
      });
    }
  });
}

const { path, skip } = envoyProgram();

test(
  "behind an Envoy that checks the servers itself no request is lost",
  { ...TEST, skip: skip || !IS_FULL && "BATON_TEST_FULL=1" },
  async () => {
    await using front = new Fronted(path ?? "");
    const baton = await front.start("node", [], 'check = "http:/"\ncheck_interval = "1s"');
    const load = new Load({ port: front.port, clients: CLIENTS, sources: [] }).start();
    for (let reload = 0; reload < RELOADS; reload++) {
      await load.answersMore(50);
      const { result, reason } = await baton.reload();
      assert.equal(result, "ok", `${reason}\n${baton.stderr}`);
    }
    await baton.settled();
    const tally = await load.stop();
    assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
  },
);

const LONG = !IS_FULL && "it takes a while: BATON_TEST_FULL=1";

describe("a canary behind Envoy", { skip: skip || LONG }, () => {
  for (const policy of ["round-robin", "ring-hash", "maglev"]) {
    test(`of 10 % gets a tenth of ${CANARY_REQUESTS} requests with ${policy}`, TEST, async () => {
      await using front = new Fronted(path ?? "");
      const baton = await front.start("node", [], `load_balancing = "${policy}"`);
      assert.equal((await baton.cli("reload", "--canary", "10%")).code, 0, baton.stderr);
      const { generations } = await baton.status();
      const pid = generations.find(({ epoch }) => epoch === 1)!.pid!;
      const load = new Load({
        port: front.port,
        clients: CLIENTS,
        sources: [],
        maxRequests: CANARY_REQUESTS,
      }).start();
      const tally = await load.finished();
      assert.equal(tally.lost, 0, formatTally(tally));
      const percent = (tally.byBody.get(pid) ?? 0) / tally.ok * 100;
      assert.ok(percent >= 9 && percent <= 11, `${percent} % of ${tally.ok}`);
      const { trial } = await baton.status();
      assert.ok(Math.abs((trial?.seen?.percent ?? 0) - percent) < 2, JSON.stringify(trial));
    });
  }
});
