/** How far a reload, a drain or a stop is: one line. Pure. */
import { shareText } from "../../admin/page/texts.ts";
import { formatDuration } from "../../config/values/duration.ts";

/** What a summary and a status have in common. */
interface Course {
  readonly generations: readonly {
    readonly epoch: number;
    readonly state: string;
    readonly stateMs: number | null;
    readonly leftMs: number | null;
    readonly drain: { readonly first: number; readonly left: number } | null;
  }[];
  readonly trial: {
    readonly epoch: number;
    readonly phase: string;
    readonly percent: number;
  } | null;
  readonly isQueued?: boolean;
}

type Generation = Course["generations"][number];

/** Longer times are read better with their minutes. */
const MOST_SECONDS = 120;
const MS_PER_SECOND = 1000;

/** @returns `generation 1: gate 3 s, 57 s left; generation 0: draining 12 of 40, 18 s left`; "" while nothing is on its way */
export function progressLine(course: Course): string {
  const parts = [...course.generations].reverse()
    .flatMap((generation) => {
      const text = textOf(generation, course);
      return text === null ? [] : `generation ${generation.epoch}: ${text}`;
    });
  if (course.isQueued === true) parts.push("one more reload waits");
  return parts.join("; ");
}

function textOf(generation: Generation, { trial }: Course): string | null {
  const { epoch, state, stateMs, leftMs, drain } = generation;
  const since = stateMs === null ? "" : ` ${secondsText(stateMs, Math.floor)}`;
  const left = leftMs === null ? "" : `, ${secondsText(leftMs, Math.ceil)} left`;
  switch (state) {
    case "waiting":
      return "waits";
    case "starting":
      return `starting${since}${left}`;
    case "probing":
      return `gate${since}${left}`;
    case "baking":
      return trial?.epoch === epoch
        ? `${trial.phase}, ${shareText(trial)}${left}`
        : `on trial${since}${left}`;
    case "draining":
      return drain === null || drain.first === 0
        ? `draining${since}${left}`
        : `draining ${drain.left} of ${drain.first}${left}`;
    case "stopping":
      return `stopping${since}${left}`;
    default:
      return null;
  }
}

/** @param round a time that is left is never shown as over */
export function secondsText(ms: number, round: (seconds: number) => number): string {
  const seconds = round(ms / MS_PER_SECOND);
  return seconds < MOST_SECONDS ? `${seconds} s` : formatDuration(seconds * MS_PER_SECOND);
}
