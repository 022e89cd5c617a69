/**
 * `make bench-peers`: baton beside other ways to replace a running server by its next version, in one run, with the same
 * servers and the same clients. Peers are installed into .cache/peers, or left out with a reason. Loopback only, bounded in
 * load and time, and nothing stays: processes and files are looked for. The figures also go to dist/bench-peers.json.
 *
 *   deno run -A scripts/bench/peers/main.ts [--quick] [--only WORD,...] [--write-docs]
 *
 * `--only` keeps the rows with one of these words in "program: name". `--write-docs` fills in README.md and docs/peers.md.
 * Ends with 1 if something was left behind, or a row of baton has lost a request.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { REPOSITORY } from "../../../test/support/programs.ts";
import { commitText, machineText } from "../machine.ts";
import { EXIT_USAGE, parseChoice, runBench } from "../run.ts";
import { columnsOf, seconds, Terminal } from "../../terminal.ts";
import { type Contestant, Missing } from "./contestant.ts";
import { CONTESTANTS } from "./contestants.ts";
import { fillPeers, pageText, type PeerRun, readmeText } from "./docs.ts";
import { endRunning, measurePeer, type PeerPlan } from "./measure.ts";
import { lostOf, type PeerResult, peerTable, wayTable } from "./result.ts";

const OUTPUT = join(REPOSITORY, "dist", "bench-peers.json");
const FULL: PeerPlan = { reloads: 5, betweenMs: 3_000, boots: 5 };
const QUICK: PeerPlan = { reloads: 2, betweenMs: 2_000, boots: 2 };

const terminal = new Terminal();

async function main(argv: readonly string[]): Promise<number> {
  const choice = parseChoice(argv, { isQuickWhole: true });
  if (choice === null) {
    terminal.line("--write-docs needs all rows: leave out --only");
    return EXIT_USAGE;
  }
  const chosen = CONTESTANTS.filter((each) => choice.isChosen(nameOf(each)));
  const startedAt = performance.now();
  const load = Deno.loadavg()[0] ?? NaN;
  terminal.line(`${machineText()}, load ${load.toFixed(1)}`);
  const results: PeerResult[] = [];
  const skipped: string[] = [];
  for (const contestant of chosen) {
    const outcome = await measureOne(contestant, choice.isQuick ? QUICK : FULL);
    if (typeof outcome === "string") skipped.push(outcome);
    else results.push(outcome);
  }
  const date = new Date().toISOString().slice(0, 10);
  const machine = machineText();
  const run: PeerRun = { date, machine, load, commit: commitText(), results, skipped };
  show(run);
  terminal.line(`\nin ${seconds(performance.now() - startedAt)}`);
  writeFileSync(OUTPUT, `${JSON.stringify(run, null, 2)}\n`);
  if (choice.writesDocs) {
    fill("README.md", readmeText(run));
    fill("docs/peers.md", pageText(run));
  }
  const isBad = results.some((each) =>
    each.leftovers.length > 0 || each.name.startsWith("baton") && lostOf(each) > 0
  );
  return isBad ? 1 : 0;
}

function nameOf({ program, name }: Pick<Contestant, "program" | "name">): string {
  return `${program}: ${name}`;
}

/** @returns why it was left out, or what was measured */
async function measureOne(contestant: Contestant, plan: PeerPlan): Promise<PeerResult | string> {
  const name = nameOf(contestant);
  const status = (text: string) => terminal.status(`${name}: ${text}`);
  try {
    status("installing");
    const installed = await contestant.install();
    const result = await measurePeer(contestant, installed, plan, status);
    terminal.status("");
    terminal.line(`${name}: ${lostOf(result)} lost`);
    return result;
  } catch (error) {
    const reason = error instanceof Missing ? error.message : `it failed: ${error}`;
    terminal.status("");
    terminal.line(`${name}: left out: ${reason}`);
    return `${name}: ${reason}`;
  }
}

function show({ results, skipped }: PeerRun): void {
  for (const rows of [peerTable(results), wayTable(results)]) {
    terminal.line();
    for (const line of columnsOf(rows)) terminal.line(line);
  }
  for (const { program, name, losses, leftovers } of results) {
    for (const each of losses) terminal.line(`${program}: ${name}: ${each}`);
    for (const each of leftovers) terminal.line(`${program}: ${name}: LEFT BEHIND: ${each}`);
  }
  for (const reason of skipped) terminal.line(`left out: ${reason}`);
}

function fill(page: string, text: string): void {
  const path = join(REPOSITORY, page);
  writeFileSync(path, fillPeers(readFileSync(path, "utf8"), text));
}

await runBench(terminal, main, endRunning);
