/**
 * Promise: a real Envoy that is killed at any moment of a reload loses what it has just been answering, and nothing else: the
 * reload says what became of it, the file says what is true, and the service serves on.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { ENVOY_VERSIONS, envoyProgram } from "../support/envoy.ts";
import { freePort } from "../support/free_port.ts";
import { AdminBetween } from "../support/front/admin_between.ts";
import { hostsIn } from "../support/front/fake_envoy.ts";
import { askAtOnce, statuses } from "../support/front/front_client.ts";
import { FrontedApp } from "../support/front/fronted_app.ts";
import { FrontTrial } from "../support/front/front_trial.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { IS_FULL } from "../support/repeats.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const CLIENTS = 4;
const LONG = !IS_FULL && "it takes a while: BATON_TEST_FULL=1";

/** @returns as "127.64.0.1:3000 HEALTHY 1" */
function hostsOf(file: string): string[] {
  return hostsIn(readFileSync(file, "utf8"));
}

/** @returns what is done at the first question of a kind, which comes before a rename ("/stats") or after it ("/clusters") */
function once(
  file: string,
  question: "/stats" | "/clusters",
  then: () => Promise<void>,
): AdminBetween["before"] {
  let isDone = false;
  return async (path) => {
    const isRenamed = readFileSync(file, "utf8").includes("DRAINING");
    const isMoment = path.startsWith(question) && isRenamed === (question === "/clusters");
    if (isDone || !isMoment) return;
    isDone = true;
    await then();
  };
}

for (const version of ENVOY_VERSIONS.slice(0, IS_FULL ? ENVOY_VERSIONS.length : 1)) {
  const { path, skip } = envoyProgram(version);
  test(
    `Envoy ${version}, killed between rename and acknowledgement, and not started again`,
    { ...TEST, skip },
    async () => {
      using dir = tempDir("front");
      await using trial = new FrontTrial(dir, path ?? "");
      await trial.add({ name: "web", lines: "", servers: 0 });
      await trial.start();
      const file = dir.join("web.yaml");
      const between = new AdminBetween(dir.join("between.sock"), dir.join("admin.sock"));
      await using _ = await between.start();
      await using baton = await startBaton({
        command: fixtureCommand("node_http.js"),
        env: { PORT: String(await freePort()) },
        flags: [`--front=eds:${file},admin=unix:${between.socket},timeout=1s`],
      });
      await waitUntil(() => hostsOf(file).length === 1, { what: "the first one is in the file" });
      const { port } = await trial.place("web");
      await waitUntil(async () => statuses(await askAtOnce(1, port)) === "200", { what: "served" });
      await waitUntil(async () => (await baton.status()).fronts[0]?.state === "followed", {
        what: "acknowledged",
      });
      const before = readFileSync(file, "utf8");
      between.before = once(file, "/clusters", () => trial.kill());
      const { result, reason, serving } = await baton.reload();
      assert.equal(result, "failed");
      assert.match(reason ?? "", /does not follow \S+web\.yaml: Envoy at unix:.*\(after 1 s\)/);
      assert.equal(serving, 0);
      await waitUntil(() => readFileSync(file, "utf8") === before, {
        what: "the file is as before",
      });
      if (IS_FULL) {
        const gone = await baton.reload();
        assert.match(gone.reason ?? "", /the front does not answer: Envoy at unix:/);
      }
      await trial.startAgain();
      const { port: again } = await trial.place("web");
      await waitUntil(async () => statuses(await askAtOnce(1, again)) === "200", { what: "again" });
      const next = await baton.reload();
      assert.equal(next.result, "ok", `${next.reason}\n${baton.stderr}`);
      assert.equal(statuses(await askAtOnce(8, again)), Array(8).fill("200").join(" "));
    },
  );
}

async function envoyOf({ front }: FrontedApp): Promise<number> {
  const { generations, epoch } = await front.status();
  return generations.find((each) => each.epoch === epoch)!.pid!;
}

const MOMENTS: readonly (readonly [when: string, question: "/stats" | "/clusters" | null])[] = [
  ["before the rename", "/stats"],
  ["between rename and acknowledgement", "/clusters"],
  ["while the old one drains", null],
];

describe("an Envoy that its own baton starts again", { skip: envoyProgram().skip || LONG }, () => {
  for (const [when, question] of MOMENTS) {
    test(`killed ${when}: the reload is done, and loses nothing itself`, TEST, async () => {
      using dir = tempDir();
      const [file, socket] = [dir.join("f/eds.yaml"), dir.join("between.sock")];
      await using between = await new AdminBetween(socket, dir.join("f/admin.sock")).start();
      const flags = [`--front=eds:${file},admin=unix:${socket},timeout=20s`];
      await using both = await FrontedApp.start(dir, "", flags);
      const { app, port } = both;
      const loads = (["close", "keep-alive"] as const).map((mode) =>
        new Load({ port, mode, clients: CLIENTS, sources: [], thinkTimeMs: 2 }).start()
      );
      for (const load of loads) await load.answersMore(50);
      const kill = async () => void process.kill(await envoyOf(both), "SIGKILL");
      if (question !== null) between.before = once(file, question, kill);
      const { result, reason } = await app.reload();
      if (question === null) await kill();
      assert.equal(result, "ok", `${reason}\n${app.stderr}`);
      for (const load of loads) await load.answersMore(50);
      const lost = loads.map(({ tally }) => tally.lost);
      await app.settled();
      await waitUntil(() => hostsOf(file).length === 1, { what: "the old one is taken out" });
      assert.equal((await app.reload()).result, "ok", app.stderr);
      for (const load of loads) await load.answersMore(50);
      const tallies = await Promise.all(loads.map((load) => load.stop()));
      for (const [index, tally] of tallies.entries()) {
        const text = `${formatTally(tally)}\n${app.stderr}\n${both.front.stderr}`;
        // What it has just been answering.
        assert.ok(tally.lost <= CLIENTS, text);
        assert.equal(tally.lost, lost[index], text);
      }
      assert.equal((await both.front.status()).restarts.crashes, 1);
    });
  }
});
