/** Pure: what was measured, as tables. */
import { markdownTable } from "../peers/result.ts";
import type { FrontCost } from "./front/cost.ts";
import type { FrontOutcome } from "./front/measure.ts";
import { costLines, frontTable } from "./front/result.ts";
import type { LaneEnd } from "./lanes.ts";
import { type SideName, SIDES } from "./side.ts";

export interface Outcome {
  readonly row: string;
  readonly envoy: string;
  readonly side: SideName;
  readonly lanes: readonly LaneEnd[];
  /** Requests that a process was answering when it was killed, which nothing can save: not in `lanes`. */
  readonly killed: number;
  /** What else is to be said. */
  readonly note: string | null;
  /** Exit status or signal of the restarter, if it has ended before it was stopped. */
  readonly ended: number | string | null;
  readonly leftovers: readonly string[];
}

export interface EnvoyRun {
  /** UTC, "2026-11-29". */
  readonly date: string;
  readonly machine: string;
  /** Load of the machine when the run began: 0 when it had nothing else to do. */
  readonly load: number;
  readonly commit: string;
  readonly outcomes: readonly Outcome[];
  readonly fronts: readonly FrontOutcome[];
  /** Null: it was not asked for. */
  readonly cost: FrontCost | null;
  /** Why what is not there is not there. */
  readonly skipped: readonly string[];
}

const MOST_LOSSES = 3;

export function lostOf({ lanes }: Pick<Outcome, "lanes">): number {
  return lanes.reduce((sum, { lost }) => sum + lost, 0);
}

/** With a request on its way to a process, a reset within this time is of its death. */
const DEATH_MS = 50;

/** @returns the lanes without what the killed processes were answering, and how much that was */
export function withoutKilled(
  lanes: readonly LaneEnd[],
  killsMs: readonly number[],
): { readonly lanes: readonly LaneEnd[]; readonly killed: number } {
  const isKilled = ({ cause, wallMs }: LaneEnd["errors"][number]) =>
    (cause === "reset" || cause === "short") &&
    killsMs.some((atMs) => Math.abs(wallMs - atMs) < DEATH_MS);
  let killed = 0;
  const others = lanes.map((lane) => {
    const errors = lane.errors.filter((error) => !isKilled(error));
    const count = lane.errors.length - errors.length;
    killed += count;
    return { ...lane, lost: lane.lost - count, errors };
  });
  return { lanes: others, killed };
}

/** Header first: a line for each row and version, the two sides beside each other. */
export function resultTable(outcomes: readonly Outcome[]): string[][] {
  const keys = [...new Set(outcomes.map(keyOf))];
  return [
    ["", "Envoy", ...SIDES],
    ...keys.map((key) => {
      const [row = "", envoy = ""] = key.split("\0");
      const cells = SIDES.map((side) => {
        const found = outcomes.find((each) => keyOf(each) === key && each.side === side);
        return found === undefined ? "-" : cell(found);
      });
      return [row, envoy, ...cells];
    }),
  ];
}

function keyOf({ row, envoy }: Outcome): string {
  return `${row}\0${envoy}`;
}

/** Lanes that have lost something are named. */
function cell(outcome: Outcome): string {
  const { lanes, killed, note, ended } = outcome;
  const lost = lostOf(outcome);
  const all = lanes.reduce((sum, lane) => sum + lane.ok + lane.lost, 0);
  const which = lanes.length < 2
    ? []
    : lanes.filter((lane) => lane.lost > 0).map((lane) => `${lane.name} ${lane.lost}`);
  const more = [
    ...which,
    ...killed === 0 ? [] : [`${killed} in the killed process`],
    ...note === null ? [] : [note],
    ...ended === null ? [] : [`it ended with ${ended}`],
  ];
  const shown = lost === 0 ? `0 of ${number(all)}` : `**${number(lost)}** of ${number(all)}`;
  return more.length === 0 ? shown : `${shown} (${more.join(", ")})`;
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}

/** The first of what was lost. */
export function lossLines(outcomes: readonly Outcome[], side: SideName): string[] {
  return outcomes.filter((each) => each.side === side).flatMap(({ row, envoy, lanes }) =>
    lanes.flatMap(({ name, errors }) =>
      errors.slice(0, MOST_LOSSES).map(({ cause, detail, wallMs }) =>
        `${row}, ${envoy}, ${name}: ${cause} at ${new Date(wallMs).toISOString()}: ${detail}`
      )
    )
  );
}

const BEGIN = "<!-- generated: bench-envoy -->";
const END = "<!-- end of generated -->";

/** @throws {Error} when the page has no such marks */
export function fillPage(page: string, run: EnvoyRun): string {
  const start = page.indexOf(BEGIN);
  const end = page.indexOf(END, start);
  if (start < 0 || end < 0) throw new Error(`Cannot fill in the table: ${BEGIN} is missing`);
  return `${page.slice(0, start + BEGIN.length)}\n\n${pageText(run)}\n\n${page.slice(end)}`;
}

function pageText(run: EnvoyRun): string {
  const { date, machine, load, commit, outcomes, fronts, cost, skipped } = run;
  const began = `load ${load.toFixed(1)} when it began`;
  return [
    `${date}, commit ${commit}, ${machine}, ${began}; lost requests:`,
    "",
    markdownTable(resultTable(outcomes)),
    ...fronts.length === 0 ? [] : [
      "",
      "Services behind a front, all clients with TLS: new and kept connections, HTTP/2, WebSockets,",
      "gRPC streams. Half of the reloads are alone, the others have a reload of Envoy at the same time. The first",
      "request to a new server is that of `--ready http:/`, where the row does not say otherwise:",
      "",
      markdownTable(frontTable(fronts)),
    ],
    ...cost === null ? [] : ["", ...costLines(cost).map((line) => `- ${line}`)],
    ...skipped.length === 0 ? [] : ["", "Left out:", "", ...skipped.map((each) => `- ${each}`)],
  ].join("\n");
}
