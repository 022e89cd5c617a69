/** What a front costs against the server alone, in one process's requests one after the other, and how exact a canary is. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { certificate } from "../../../../test/support/certificate.ts";
import { killTree } from "../../../../test/support/proc.ts";
import { tempDir } from "../../../../test/support/temp_dir.ts";
import { withMarker } from "../../peers/footprint.ts";
import { spread } from "../../spread.ts";
import { type App, World } from "./world.ts";

const MARK = "BATON_BENCH_FRONT_COST";
const WARM = 200;
const ONE_BY_ONE = 1_000;
const LANES = 8;
const THROUGHPUT_MS = 2_000;
const CANARY_PERCENT = 10;
const CANARY_REQUESTS = 2_000;
const PERCENT = 100;
const MS_PER_SECOND = 1_000;

export interface FrontCost {
  readonly directMs: number;
  /** With TLS, by the same client. */
  readonly frontMs: number;
  readonly directPerSecond: number;
  readonly frontPerSecond: number;
  /** Percentage of all requests that the candidate got, with --canary 10%. */
  readonly canaryPercent: number;
  readonly canaryRequests: number;
}

export async function measureCost(
  app: App,
  envoy: string,
  status: (text: string) => void,
): Promise<FrontCost> {
  using folder = tempDir("bench-front");
  const keys = certificate(folder);
  const mark = { [MARK]: String(process.pid) };
  try {
    status("starting");
    const world = await World.start({ dir: folder.path, app, envoy, certificate: keys, mark });
    using client = Deno.createHttpClient({ caCerts: [readFileSync(keys.TLS_CERT, "utf8")] });
    const front = `https://localhost:${world.port}/`;
    const direct = privateUrl(world);
    const ask = async (url: string) => await (await fetch(url, { client })).text();
    status("one request after the other");
    const [directMs, frontMs] = [await latency(ask, direct), await latency(ask, front)];
    status("as many as can be");
    const [directPerSecond, frontPerSecond] = [await rate(ask, direct), await rate(ask, front)];
    status(`a canary of ${CANARY_PERCENT} %`);
    world.deploy("canary");
    await world.reload("--canary", `${CANARY_PERCENT}%`);
    let canaries = 0;
    for (let i = 0; i < CANARY_REQUESTS; i++) {
      if ((await ask(front)).includes("version=canary")) canaries++;
    }
    await world.promote();
    await world.stop();
    return {
      directMs,
      frontMs,
      directPerSecond,
      frontPerSecond,
      canaryPercent: canaries / CANARY_REQUESTS * PERCENT,
      canaryRequests: CANARY_REQUESTS,
    };
  } finally {
    for (const pid of withMarker(`${MARK}=${mark[MARK]}`)) killTree(pid);
  }
}

type Ask = (url: string) => Promise<string>;

async function latency(ask: Ask, url: string): Promise<number> {
  for (let i = 0; i < WARM; i++) await ask(url);
  const times: number[] = [];
  for (let i = 0; i < ONE_BY_ONE; i++) {
    const startedAt = performance.now();
    await ask(url);
    times.push(performance.now() - startedAt);
  }
  return spread(times).median;
}

async function rate(ask: Ask, url: string): Promise<number> {
  const untilMs = performance.now() + THROUGHPUT_MS;
  let count = 0;
  const lane = async () => {
    for (; performance.now() < untilMs; count++) await ask(url);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return count / THROUGHPUT_MS * MS_PER_SECOND;
}

/** Where Envoy dials it. */
function privateUrl({ frontDir }: World): string {
  const text = readFileSync(join(frontDir, "eds.yaml"), "utf8");
  const [, address] = /"address":\s*"([0-9.]+)"/.exec(text) ?? [];
  const [, port] = /"port_value":\s*(\d+)/.exec(text) ?? [];
  return `http://${address}:${port}/`;
}
