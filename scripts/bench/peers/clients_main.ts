/**
 * The clients of `make bench-peers`, a process of their own: `bun clients_main.ts PORT H2_PORT|none LIMIT_MS`. They end at
 * SIGTERM, or at the limit. What they print: clients.ts.
 */
import process from "node:process";
import { Load, type LoadOptions } from "../../../test/support/load.ts";
import type { Tally } from "../../../test/support/tally.ts";
import { type ClientLine, CLIENTS, type ClientTally } from "./clients.ts";
import { H2Load } from "./h2_load.ts";

const MAX_REQUESTS = 10_000_000;

const [portText = "", h2Text = "", limitText = ""] = process.argv.slice(2);
const seen = new Set<string>();

function print(line: ClientLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function onAnswer(body: string): string | null {
  const version = /\bversion=(\S+)/.exec(body)?.[1] ?? null;
  if (version === null || seen.has(version)) return version;
  seen.add(version);
  print({ kind: "version", version, atMs: nowMs() });
  return version;
}

/** As Date.now(), with fractions. */
function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

function sum(tallies: readonly Tally[]): ClientTally {
  const total = (of: (tally: Tally) => number) => tallies.reduce((all, each) => all + of(each), 0);
  return {
    ok: total(({ ok }) => ok),
    lost: total(({ lost }) => lost),
    refused: total(({ refused }) => refused),
    reset: total(({ reset }) => reset),
    short: total(({ short }) => short),
    timedOut: total(({ timedOut }) => timedOut),
    unexpected: total(({ unexpected }) => unexpected),
    other: total(({ other }) => other),
    maxLatencyMs: Math.max(...tallies.map(({ maxLatencyMs }) => maxLatencyMs)),
    errors: tallies.flatMap(({ errors }) => errors),
  };
}

async function main(): Promise<void> {
  const port = Number(portText);
  const { timeoutMs } = CLIENTS;
  const common = { port, timeoutMs, onAnswer, maxRequests: MAX_REQUESTS };
  const start = (options: LoadOptions) =>
    new Load({ ...common, ...options, maxDurationMs: Number(limitText) }).start();
  const lastMs: Record<string, number> = {};
  const noteLast = (body: string) => {
    const version = onAnswer(body);
    if (version !== null) lastMs[version] = nowMs();
  };
  const fresh = start({ ...CLIENTS.new, onAnswer: noteLast });
  const kept = [CLIENTS.keptBusy, CLIENTS.keptSlow].map((options) =>
    start({ ...options, mode: "keep-alive" })
  );
  const h2 = h2Text === "none"
    ? null
    : new H2Load({ ...CLIENTS.h2, port: Number(h2Text), timeoutMs, onAnswer });
  await new Promise<void>((resolve) => {
    process.once("SIGTERM", resolve);
    setTimeout(resolve, Number(limitText)).unref();
    fresh.finished().then(() => resolve());
  });
  const [newTally, h2Tally, ...keptTallies] = await Promise.all([
    fresh.stop(),
    h2?.stop() ?? null,
    ...kept.map((each) => each.stop()),
  ]);
  print({
    kind: "end",
    new: sum([newTally]),
    kept: sum(keptTallies.filter((tally) => tally !== null)),
    h2: h2Tally === null ? null : sum([h2Tally]),
    repeated: h2?.repeated ?? 0,
    lastMs,
  });
  process.exit(0);
}

main();
