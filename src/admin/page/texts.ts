/** What the page says about a service, in words: the same for those who see it and those who hear it. Pure. */
import { formatDuration } from "../../config/values/duration.ts";
import { type Segment, STATES } from "./lanes.ts";
import type { GenerationReply, SummaryReply } from "../replies.ts";

export type Tone = "good" | "warn" | "bad" | "none";

export interface Said {
  readonly text: string;
  readonly tone: Tone;
}

const S = 1_000;
const MINUTE = 60 * S;
const HOUR = 60 * MINUTE;
/** States in which something is under way. */
const ON_THE_WAY: readonly string[] = STATES.filter((state) => state !== "serving");
const ON_ITS_WAY_IN: readonly string[] = ["waiting", "starting", "probing"];

export function isBusy({ generations, trial }: SummaryReply): boolean {
  return trial !== null || generations.some(({ state }) => ON_THE_WAY.includes(state));
}

/** @returns `2h5m`, `1m30s`, `12s`, `0.4s`: as exact as a person needs it */
export function roughly(ms: number): string {
  const unit = ms >= HOUR ? MINUTE : ms >= 10 * S ? S : 100;
  return formatDuration(Math.max(0, Math.floor(ms / unit)) * unit);
}

/** The one line about the service. */
export function headline({ epoch, generations, trial, lastReload, isQueued }: SummaryReply): Said {
  const next = isQueued ? ", another reload waits" : "";
  const candidate = generations.find(({ state }) => ON_ITS_WAY_IN.includes(state));
  if (candidate !== undefined) {
    const text = `generation ${candidate.epoch} is ${candidate.state}${next}`;
    return { text, tone: epoch === null && candidate.epoch > 0 ? "bad" : "warn" };
  }
  if (trial !== null) return { text: `generation ${trial.epoch} is on trial${next}`, tone: "warn" };
  if (epoch === null) return { text: "nothing serves", tone: "bad" };
  if (lastReload?.result === "failed") {
    return { text: `generation ${epoch} serves, the last reload failed`, tone: "warn" };
  }
  return { text: `generation ${epoch} serves`, tone: "good" };
}

/** What a generation is doing: `draining 12 of 40, 18s left`. */
export function progress({ state, drain, leftMs, reason, outcome }: GenerationReply): string {
  const parts = [
    drain === null ? state : `${state} ${drain.left} of ${drain.first}`,
    state === "exited" && outcome !== null ? outcome : "",
    leftMs === null ? "" : `${roughly(leftMs)} left`,
    reason ?? "",
  ];
  return parts.filter((part) => part !== "").join(", ");
}

/** The course of a lane: `starting 0.4s, probing 1.2s, serving for 5m3s`. */
export function course(segments: readonly Segment[], nowMs: number): string {
  return segments.map(({ state, fromMs, toMs }) =>
    toMs === null ? `${state} for ${roughly(nowMs - fromMs)}` : `${state} ${roughly(toMs - fromMs)}`
  ).join(", ");
}

export function connectionsText({ busy, idle, undecided }: Counts): string {
  const parts = [`${busy} busy`, `${idle} idle`];
  if (undecided > 0) parts.push(`${undecided} undecided`);
  return parts.join(", ");
}

/** @returns `10 % of the new connections` */
export function shareText(
  { percent, shareOf }: { readonly percent: number; readonly shareOf?: "connections" | "requests" },
): string {
  return `${percent} % of the ${shareOf === "requests" ? "requests" : "new connections"}`;
}

/** @returns what to say aloud when this has become of that; empty: nothing of importance */
export function news(before: SummaryReply | null, after: SummaryReply): string[] {
  if (before === null) return [];
  const said: string[] = [];
  if (before.epoch !== after.epoch) {
    said.push(after.epoch === null ? "Nothing serves" : `Generation ${after.epoch} serves`);
  }
  const [old, trial] = [before.trial, after.trial];
  if (trial !== null && (old?.epoch !== trial.epoch || old.percent !== trial.percent)) {
    said.push(
      `Generation ${trial.epoch} is on trial with ${shareText(trial)}`,
    );
  }
  const [last, reload] = [before.lastReload, after.lastReload];
  const isNew = last?.epoch !== reload?.epoch || last?.result !== reload?.result;
  if (isNew && reload !== null && reload.result !== "ok") {
    said.push(`Reload ${reload.result}${reload.reason === null ? "" : `: ${reload.reason}`}`);
  }
  if (after.restarts.crashes > before.restarts.crashes) said.push("The server has crashed");
  const left = before.generations.filter(({ epoch, state }) =>
    state !== "exited" &&
    !after.generations.some((one) => one.epoch === epoch && one.state !== "exited")
  );
  for (const { epoch } of left) said.push(`Generation ${epoch} has ended`);
  return said;
}

/** @returns `09:05:07`, local time */
export function clockText(atMs: number): string {
  return new Date(atMs).toTimeString().slice(0, 8);
}

/** @returns `1 baton`, `2 batons` */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

export function sumOf(generations: readonly GenerationReply[]): Counts {
  const sum = { busy: 0, idle: 0, undecided: 0 };
  for (const { connections } of generations) {
    sum.busy += connections.busy;
    sum.idle += connections.idle;
    sum.undecided += connections.undecided;
  }
  return sum;
}

type Counts = Readonly<Record<"busy" | "idle" | "undecided", number>>;
