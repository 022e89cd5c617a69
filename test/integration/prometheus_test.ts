/** The promise: a real Prometheus scrapes through reloads under load, misses none of them, and no request is lost. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { server } from "../support/controlled.ts";
import { freePort } from "../support/free_port.ts";
import { dashboardExpressions } from "../support/grafana_dashboard.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { which } from "../support/programs.ts";
import { IS_FULL } from "../support/repeats.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const RELOADS = 10;
const PROMETHEUS = which("prometheus");
const SKIP = !IS_FULL
  ? "make test-all has it"
  : PROMETHEUS === null && "needs prometheus (Debian package)";

interface Prometheus extends AsyncDisposable {
  /** @returns the value of each series, by its labels without those of the scrape */
  query(expression: string): Promise<Map<string, number>>;
  targets(): Promise<readonly { readonly health: string; readonly lastError: string }[]>;
}

async function startPrometheus(dir: TempDir, target: string): Promise<Prometheus> {
  const address = `127.0.0.1:${await freePort()}`;
  const config = dir.write(
    "prometheus.yml",
    `scrape_configs: [{job_name: baton, scrape_interval: 3s, scrape_timeout: 3s, static_configs: [{targets: ["${target}"]}]}]\n`,
  );
  const child = spawn(PROMETHEUS!, [
    `--config.file=${config}`,
    `--storage.tsdb.path=${dir.join("data")}`,
    `--web.listen-address=${address}`,
    "--log.level=error",
  ], { stdio: ["ignore", "ignore", "inherit"] });
  const get = async (path: string) => {
    const response = await fetch(`http://${address}/api/v1/${path}`);
    const { status, data, error } = await response.json();
    assert.equal(status, "success", `${path}: ${error}`);
    return data;
  };
  await waitUntil(() => get("targets").then(() => true), { what: "Prometheus answers" });
  return {
    query: async (expression) => {
      const { result } = await get(`query?query=${encodeURIComponent(expression)}`);
      return new Map(result.map(({ metric, value }: {
        metric: Record<string, string>;
        value: [number, string];
      }) => {
        const { __name__: _, job: _job, instance: _instance, ...labels } = metric;
        return [Object.values(labels).join(" "), Number(value[1])];
      }));
    },
    targets: async () => (await get("targets")).activeTargets,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    },
  };
}

describe("a real Prometheus", () => {
  test(
    `scrapes through ${RELOADS} reloads under load, and nothing is lost`,
    { timeout: 2 * TEST_TIMEOUT_MS, skip: SKIP },
    async () => {
      using dir = tempDir("prometheus");
      const port = await freePort();
      const target = `127.0.0.1:${await freePort()}`;
      await using baton = await startBaton({ ...server(port), flags: ["--admin", target] });
      await using prometheus = await startPrometheus(dir, target);
      const value = async (expression: string) =>
        (await prometheus.query(expression)).values().next().value;
      await waitUntil(async () => await value("baton_epoch") === 0, { what: "it was scraped" });
      const load = new Load({ port, clients: 4 }).start();
      for (let epoch = 1; epoch <= RELOADS; epoch++) {
        assert.equal((await baton.reload()).result, "ok");
        await waitUntil(async () => await value("baton_epoch") === epoch, {
          what: `generation ${epoch} was scraped`,
        });
      }
      await baton.settled();
      const tally = await load.stop();
      assert.equal(tally.lost, 0, formatTally(tally));
      await waitUntil(
        async () => await value('baton_generations_ended_total{outcome="superseded"}') === RELOADS,
        { what: "the end of each generation was scraped" },
      );
      assert.equal(await value('baton_reloads_total{result="ok"}'), RELOADS);
      assert.equal(await value("changes(baton_epoch[10m])"), RELOADS);
      // No scrape has failed, no counter has gone back.
      assert.equal(await value("min_over_time(up[10m])"), 1);
      assert.equal(await value('resets(baton_reloads_total{result="ok"}[10m])'), 0);
      assert.equal(await value("baton_gate_seconds_count"), RELOADS + 1);
      const [state] = await prometheus.targets();
      assert.deepEqual([state?.health, state?.lastError], ["up", ""]);
      const generations = [...(await prometheus.query("baton_connections")).keys()];
      assert.ok(generations.every((labels) => labels.startsWith(`${RELOADS} `)), `${generations}`);
      for (const expression of dashboardExpressions()) await prometheus.query(expression);
      const cpu = await value("process_cpu_seconds_total");
      const scrapes = await value("count_over_time(up[10m])");
      const seen = `${scrapes} scrapes, ${tally.ok} requests, ${RELOADS} reloads`;
      process.stderr.write(`${seen}: ${cpu} s of CPU\n`);
    },
  );
});
