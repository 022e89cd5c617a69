/** Writes what was measured between the marks of README.md and docs/peers.md. The pages' other words are people's. */
import { markdownTable, type PeerResult, peerTable, quotedTable, wayTable } from "./result.ts";

export interface PeerRun {
  /** UTC, "2026-11-29". */
  readonly date: string;
  readonly machine: string;
  /** Load of the machine when the run began: 0 when it had nothing else to do. */
  readonly load: number;
  readonly commit: string;
  readonly results: readonly PeerResult[];
  /** Why what is not there is not there. */
  readonly skipped: readonly string[];
}

const BEGIN = "<!-- generated: peers -->";
const END = "<!-- end of generated -->";
const MAX_LINE_LENGTH = 130;

/** @throws {Error} when the page has no such marks */
export function fillPeers(page: string, text: string): string {
  const start = page.indexOf(BEGIN);
  const end = page.indexOf(END, start);
  if (start < 0 || end < 0) throw new Error(`Cannot fill in the peers' table: ${BEGIN} is missing`);
  return `${page.slice(0, start + BEGIN.length)}\n\n${text}\n\n${page.slice(end)}`;
}

/** For README.md: when, on what, and what the clients saw, for a few programs. */
export function readmeText(run: PeerRun): string {
  return `${caption(run)}\n\n${markdownTable(quotedTable(run.results))}`;
}

function caption({ date, machine, load, commit, results }: PeerRun): string {
  const reloads = results[0]?.reloads ?? 0;
  const began = `load ${load.toFixed(1)} when it began`;
  return `${date}, commit ${commit}, ${machine}, ${began}, ${reloads} reloads each:`;
}

/** For docs/peers.md: also what it cost, and what was run. */
export function pageText(run: PeerRun): string {
  const { results, skipped } = run;
  const lost = results.flatMap(({ program, name, losses }) =>
    losses.length === 0 ? [] : [item(`${program}: ${name}: ${losses[0]}`)]
  );
  return [
    caption(run),
    "",
    markdownTable(peerTable(results)),
    "",
    markdownTable(wayTable(results)),
    ...(lost.length === 0 ? [] : ["", "The first of what was lost:", "", ...lost]),
    ...(skipped.length === 0 ? [] : ["", "Left out:", "", ...skipped.map(item)]),
  ].join("\n");
}

/** One line, which can be read in a terminal. */
function item(text: string): string {
  return `- ${text.split("\n")[0]}`.slice(0, MAX_LINE_LENGTH);
}
