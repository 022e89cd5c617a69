/** What `baton top` shows: a summary and the lanes -> the lines of a screen. Pure. */
import { formatDuration } from "../../../config/values/duration.ts";
import type { SummaryReply } from "../../../admin/replies.ts";
import { type Span, STATE_STYLES, type Style } from "../../console/color.ts";
import { progressLine, secondsText } from "../../console/progress.ts";
import { clip, columnsOf, harmless } from "../../console/text_width.ts";
import { storyLine } from "../reload_text.ts";
import { laneOf, type Lanes, MARKS } from "./lanes.ts";

export type Line = readonly Span[];

interface View {
  readonly summary: SummaryReply;
  readonly lanes: Lanes;
  readonly rows: number;
  readonly columns: number;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  readonly intervalMs: number;
  /** Why the summary is an old one; null: it is of this moment. */
  readonly trouble: string | null;
}

type Generation = SummaryReply["generations"][number];

/** How many generations that have exited are shown. */
const MOST_ENDED = 3;
/** Columns of the shortest lane that is worth its room. */
const LEAST_LANE = 10;
const GAP = "  ";
const MS_PER_SECOND = 1000;

interface Column {
  readonly title: string;
  readonly text: (generation: Generation) => string;
  /** Columns of the highest rank are left out first where there is no room. */
  readonly rank: number;
  readonly isLeft?: true;
}

const COLUMNS: readonly Column[] = [
  { title: "GEN", rank: 0, text: ({ epoch }) => String(epoch) },
  { title: "STATE", rank: 0, text: stateText, isLeft: true },
  { title: "SHARE", rank: 1, text: ({ percent, state }) => alive(state, `${percent} %`) },
  { title: "BUSY", rank: 1, text: ({ connections, state }) => alive(state, connections.busy) },
  { title: "IDLE", rank: 3, text: ({ connections, state }) => alive(state, connections.idle) },
  {
    title: "UNDEC",
    rank: 5,
    text: ({ connections, state }) => alive(state, connections.undecided),
  },
  {
    title: "QUEUE",
    rank: 2,
    text: ({ queue, state }) => queue > 0 ? String(queue) : alive(state, queue),
  },
  {
    title: "FOR",
    rank: 4,
    text: ({ stateMs }) => stateMs === null ? "" : secondsText(stateMs, Math.floor),
  },
];

function alive(state: string, value: string | number): string {
  return state === "exited" ? "" : String(value);
}

function stateText({ state, outcome, workers: { serving, total } }: Generation): string {
  if (state === "exited") return outcome ?? state;
  return total > 1 ? `${state} ${serving}/${total}` : state;
}

/** @returns at most `rows` lines of at most `columns` */
export function frame(view: View): Line[] {
  const { rows, columns } = view;
  const head = [...headLines(view), [], ...tableLines(view)];
  const tail = [legend()];
  const room = rows - tail.length;
  const body = [...head, ...reloadLines(view)].slice(0, Math.max(0, room));
  const empty = Array.from({ length: Math.max(0, room - body.length) }, (): Line => []);
  return [...body, ...empty, ...tail].slice(0, rows).map((line) => fitted(line, columns));
}

function headLines({ summary, nowMs, trouble }: View): Line[] {
  const { name, version, pid, epoch, restarts, trial, startedAt, order } = summary;
  const serving: Span = epoch === null
    ? ["red", "no generation serves"]
    : [null, `generation ${epoch} serves`];
  const upMs = Math.max(0, Math.floor((nowMs - Date.parse(startedAt)) / MS_PER_SECOND));
  const first: Line = [
    ["bold", name],
    [null, ": "],
    serving,
    ["dim", `, up ${formatDuration(upMs * MS_PER_SECOND)} (baton ${version}, pid ${pid})`],
  ];
  const counts: Span[] = [
    [null, `reloads: ${restarts.ok} ok, `],
    [restarts.failed > 0 ? "red" : null, `${restarts.failed} failed`],
    [null, "; crashes: "],
    [restarts.crashes > 0 ? "red" : null, String(restarts.crashes)],
    [null, order === "stop-first" ? "; a reload stops the server first" : ""],
  ];
  const share: Line[] = trial === null
    ? []
    : [[["blue", `on trial: generation ${trial.epoch}, ${trial.percent} %, ${trial.phase}`]]];
  const note: Line[] = trouble === null ? [] : [[["red", trouble]]];
  return [first, counts, ...share, ...note];
}

function tableLines(view: View): Line[] {
  const { summary: { generations }, lanes, columns, intervalMs } = view;
  const ended = generations.filter(({ state }) => state === "exited").slice(-MOST_ENDED);
  const shown = generations.filter((each) => each.state !== "exited" || ended.includes(each));
  const chosen = columnsFor(columns, shown);
  const widths = chosen.map((column) => widthOf(column, shown));
  const taken = widths.reduce((sum, width) => sum + width + GAP.length, 0);
  const laneWidth = columns - taken >= LEAST_LANE ? columns - taken : 0;
  const cell = (text: string, i: number) =>
    chosen[i]?.isLeft ? text.padEnd(widths[i]!) : text.padStart(widths[i]!);
  const spanMs = laneWidth * intervalMs;
  const titles = chosen.map(({ title }, i) => cell(title, i));
  const laneTitle = laneWidth === 0 ? "" : `THE LAST ${secondsText(spanMs, Math.round)}`;
  const rows = shown.map((generation): Line => {
    const { epoch, state, outcome } = generation;
    const style = state === "exited" ? (outcome === "failed" ? "red" : "dim") : STATE_STYLES[state];
    const lane = laneWidth === 0 ? [] : laneSpans(laneOf(lanes, epoch, laneWidth));
    const cells = chosen.map(({ text }, i) => cell(harmless(text(generation)), i));
    return [[style ?? null, cells.join(GAP) + GAP], ...lane];
  });
  return [[["bold", [...titles, laneTitle].join(GAP)]], ...rows];
}

/** Each mark in the color of its state. */
function laneSpans(lane: string): Span[] {
  const runs = lane.match(/(.)\1*/gs) ?? [];
  return runs.map((run) => [styleOfMark(run[0]!), run]);
}

function styleOfMark(mark: string): Style | null {
  const state = Object.keys(MARKS).find((each) => MARKS[each] === mark);
  return state === undefined ? null : STATE_STYLES[state] ?? null;
}

function widthOf({ title, text }: Column, shown: readonly Generation[]): number {
  return Math.max(title.length, ...shown.map((generation) => text(generation).length));
}

/** As many columns as fit beside the shortest lane, and at least those of rank 1. */
function columnsFor(columns: number, shown: readonly Generation[]): readonly Column[] {
  for (let rank = 5; rank > 0; rank--) {
    const chosen = COLUMNS.filter((column) => column.rank <= rank);
    const width = chosen.reduce((sum, each) => sum + widthOf(each, shown) + GAP.length, 0);
    if (width + LEAST_LANE <= columns) return chosen;
  }
  return COLUMNS.filter(({ rank }) => rank <= 1);
}

function reloadLines({ summary }: View): Line[] {
  const { lastReload, lastWords } = summary;
  const progress = progressLine(summary);
  const lines: Line[] = progress === "" ? [] : [[], [["yellow", progress]]];
  if (lastReload === null) return lines;
  const { result, durationMs, reason } = lastReload;
  const why = reason === null ? "" : `: ${reason}`;
  const style = result === "ok" ? null : "red";
  lines.push([], [[style, harmless(`last reload: ${result} in ${durationMs} ms${why}`)]]);
  const story = storyLine(lastReload);
  for (const part of story === "" ? [] : story.split("; ")) {
    lines.push([["dim", `  ${harmless(part)}`]]);
  }
  if (lastWords === null || lastWords.lines.length === 0) return lines;
  lines.push([["bold", `last output of generation ${lastWords.epoch}:`]]);
  for (const text of lastWords.lines) lines.push([[null, `  ${harmless(text)}`]]);
  return lines;
}

/** Short words: all of them fit into 80 columns. */
const MEANINGS: Readonly<Record<string, string>> = {
  waiting: "waits",
  starting: "starts",
  probing: "gate",
  baking: "trial",
  serving: "serves",
  draining: "drains",
  stopping: "stops",
};

function legend(): Line {
  const spans = Object.entries(MARKS).flatMap(([state, mark]): Span[] => [
    [STATE_STYLES[state] ?? null, mark],
    ["dim", ` ${MEANINGS[state]}${GAP}`],
  ]);
  return [["bold", "q"], ["dim", ` quits${GAP}`], ...spans];
}

function fitted(line: Line, columns: number): Line {
  let room = columns;
  return line.flatMap(([style, text]): Span[] => {
    const shown = clip(text, room);
    room -= columnsOf(shown);
    return shown === "" ? [] : [[style, shown]];
  });
}

/** One line for each look, where the output is not a terminal. */
export function lineOf({ name, generations, isQueued }: SummaryReply, nowMs: number): string {
  const parts = generations.filter(({ state }) => state !== "exited").map((generation) => {
    const { epoch, state, percent, connections: { busy, idle, undecided }, drain, leftMs, queue } =
      generation;
    const left = leftMs === null ? "" : `, ${secondsText(leftMs, Math.ceil)} left`;
    const course = drain === null || drain.first === 0 ? "" : ` ${drain.left} of ${drain.first}`;
    const share = percent > 0 ? ` ${percent} %` : "";
    return `generation ${epoch} ${state}${share}${course}${left}, ${busy} busy, ${idle} idle, ` +
      `${undecided} undecided, ${queue} queued`;
  });
  if (parts.length === 0) parts.push("no generation");
  if (isQueued) parts.push("one more reload waits");
  return `${new Date(nowMs).toISOString()} ${harmless(name)}: ${parts.join("; ")}`;
}
