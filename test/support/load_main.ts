/**
 * The load generator as a program of its own: `bun test/support/load_main.ts --port 8080 --live`.
 *
 * Ends at its bounds, or on SIGTERM or SIGINT; then it prints the tally on stdout as one line of JSON, and exits 0
 * if no request was lost, 1 if one was. Usage errors exit 64. `--live` shows the tally on stderr, twice a second.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { formatTally, Load, type LoadOptions } from "./load.ts";

const LIVE_INTERVAL_MS = 500;
/** For one that is forgotten. */
const MAX_DURATION_MS = 60_000;
const EXIT_LOST = 1;
const EXIT_USAGE = 64;
const USAGE = `usage: load_main.ts --port N | --unix PATH
  [--host H] [--path P] [--clients N] [--keep-alive] [--sources A,B,...] [--timeout-ms N]
  [--think-time-ms N] [--max-requests N] [--max-duration-ms N] [--live]
`;

interface Command {
  readonly live: boolean;
  readonly load: LoadOptions;
}

function parse(argv: readonly string[]): Command {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      port: { type: "string" },
      unix: { type: "string" },
      host: { type: "string" },
      path: { type: "string" },
      clients: { type: "string" },
      "keep-alive": { type: "boolean" },
      sources: { type: "string" },
      "timeout-ms": { type: "string" },
      "think-time-ms": { type: "string" },
      "max-requests": { type: "string" },
      "max-duration-ms": { type: "string" },
      live: { type: "boolean" },
    },
  });
  if (values.port === undefined && values.unix === undefined) {
    throw new TypeError("--port or --unix is missing");
  }
  return {
    live: values.live ?? false,
    load: {
      maxDurationMs: MAX_DURATION_MS,
      ...values.unix === undefined ? {} : { unixPath: values.unix },
      ...values.host === undefined ? {} : { host: values.host },
      ...values.path === undefined ? {} : { path: values.path },
      ...values["keep-alive"] ? { mode: "keep-alive" } : {},
      ...values.sources === undefined ? {} : { sources: values.sources.split(",") },
      ...number("port", values.port),
      ...number("clients", values.clients),
      ...number("timeoutMs", values["timeout-ms"]),
      ...number("thinkTimeMs", values["think-time-ms"]),
      ...number("maxRequests", values["max-requests"]),
      ...number("maxDurationMs", values["max-duration-ms"]),
    },
  };
}

function number(name: keyof LoadOptions, text: string | undefined): Record<string, number> {
  if (text === undefined) return {};
  if (!/^\d+$/.test(text)) throw new TypeError(`${name}: ${JSON.stringify(text)} is not a number`);
  return { [name]: Number(text) };
}

async function main(): Promise<void> {
  let command: Command;
  try {
    command = parse(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`load_main: ${error instanceof Error ? error.message : error}\n${USAGE}`);
    process.exitCode = EXIT_USAGE;
    return;
  }
  const load = new Load(command.load).start();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => load.stop());
  const live = command.live ? showLive(load) : null;
  const tally = await load.finished();
  if (live !== null) clearInterval(live);
  if (command.live) process.stderr.write(`\r\x1b[K${formatTally(tally)}\n`);
  process.stdout.write(JSON.stringify(tally) + "\n");
  process.exitCode = tally.lost > 0 ? EXIT_LOST : 0;
}

function showLive(load: Load): ReturnType<typeof setInterval> {
  const startedAt = performance.now();
  return setInterval(() => {
    load.tally.elapsedMs = performance.now() - startedAt;
    const [line = ""] = formatTally(load.tally).split("\n");
    process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
  }, LIVE_INTERVAL_MS);
}

main();
