/** The promise: what happens to a service can be scraped, in the forms that scrapers read. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type Baton, runCommand, startBaton } from "../support/baton.ts";
import { server } from "../support/controlled.ts";
import { freePort } from "../support/free_port.ts";
import { dashboardExpressions } from "../support/grafana_dashboard.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { REPOSITORY, which } from "../support/programs.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const OPENMETRICS = { accept: "application/openmetrics-text;version=1.0.0,text/plain;q=0.5" };
const PROMTOOL = which("promtool");
const WITH_PROMTOOL = {
  ...TEST,
  skip: PROMTOOL === null && "needs promtool (Debian package prometheus)",
};
const EXAMPLES = join(REPOSITORY, "examples");

interface Service extends AsyncDisposable {
  readonly baton: Baton;
  /** URL of the admin API. */
  readonly url: string;
}

async function startService(...flags: string[]): Promise<Service> {
  const url = `127.0.0.1:${await freePort()}`;
  const baton = await startBaton({
    ...server(await freePort()),
    flags: ["--admin", url, ...flags],
  });
  return {
    baton,
    url: `http://${url}`,
    [Symbol.asyncDispose]: () => baton[Symbol.asyncDispose](),
  };
}

async function scrape(url: string, headers: Record<string, string> = {}): Promise<string> {
  const response = await fetch(url, { headers });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return text;
}

describe("metrics", () => {
  test("say what a reload was, and which generations there are", TEST, async () => {
    await using service = await startService();
    const before = await scrape(`${service.url}/metrics`);
    assert.match(before, /^baton_reloads_total\{result="ok"\} 0$/m);
    assert.match(before, /^baton_epoch 0$/m);
    assert.equal((await service.baton.reload()).result, "ok");
    const after = await waitUntil(async () => {
      const text = await scrape(`${service.url}/metrics`);
      return text.includes('baton_generations{state="serving"} 1\n') &&
        !text.includes('{generation="0"') && text;
    }, { what: "only generation 1 has metrics" });
    assert.match(after, /^baton_reloads_total\{result="ok"\} 1$/m);
    assert.match(after, /^baton_epoch 1$/m);
    assert.match(after, /^baton_generation_share_ratio\{generation="1"\} 1$/m);
    assert.match(after, /^baton_connections\{generation="1",state="busy"\} 0$/m);
    assert.match(after, /^baton_build_info\{version="[^"]+"\} 1$/m);
    assert.match(after, /^process_resident_memory_bytes [1-9]\d{6,}$/m);
  });

  test("have the form that is asked for, at Envoy's path, too", TEST, async () => {
    await using service = await startService();
    const open = await fetch(`${service.url}/metrics`, { headers: OPENMETRICS });
    assert.equal(
      open.headers.get("content-type"),
      "application/openmetrics-text; version=1.0.0; charset=utf-8",
    );
    assert.match(await open.text(), /^# TYPE baton_reloads counter$[^]*\n# EOF\n$/m);
    const plain = await fetch(`${service.url}/stats/prometheus?usedonly&filter=^baton_epoch$`);
    assert.equal(plain.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    // Its value is 0.
    assert.equal((await plain.text()).trim(), "");
    const stats = await scrape(`${service.url}/stats?filter=^server.live$`);
    assert.equal(stats, "server.live: 1\n");
    assert.equal((await fetch(`${service.url}/stats?filter=(`)).status, 400);
    assert.equal((await fetch(`${service.url}/metrics`, { method: "HEAD" })).status, 200);
  });

  test("pass the checks of promtool", WITH_PROMTOOL, async () => {
    await using service = await startService();
    using dir = tempDir("metrics");
    const text = await scrape(`${service.url}/metrics`);
    const file = dir.write("metrics.txt", text);
    const { code, stdout, stderr } = await runCommand([
      "sh",
      "-c",
      `"$1" check metrics < "$2"`,
      "sh",
      PROMTOOL!,
      file,
    ]);
    assert.equal(code, 0, stdout + stderr);
    assert.equal(stdout + stderr, "");
  });
});

describe("the examples for Prometheus and Grafana", () => {
  test("pass the checks of promtool, and the tests of the alerts", WITH_PROMTOOL, async () => {
    using dir = tempDir("rules");
    const rules = dashboardExpressions().map((expr, index) => ({
      record: `dashboard:${index}`,
      expr,
    }));
    const dashboard = dir.write(
      "dashboard.json",
      JSON.stringify({ groups: [{ name: "d", rules }] }),
    );
    const folder = join(EXAMPLES, "prometheus");
    const checks = [
      ["check", "rules", "rules.yml"],
      ["test", "rules", "rules_test.yml"],
      ["check", "config", "prometheus.yml"],
      ["check", "rules", dashboard],
    ];
    for (const words of checks) {
      const { code, stdout, stderr } = await runCommand([PROMTOOL!, ...words], { cwd: folder });
      assert.equal(code, 0, `promtool ${words.join(" ")}: ${stdout}${stderr}`);
    }
  });
});
