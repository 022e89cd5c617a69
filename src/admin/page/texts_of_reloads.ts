/** What the page says about a reload, and about a generation on trial. Pure. */
import { formatDuration } from "../../config/values/duration.ts";
import type { SummaryReply } from "../replies.ts";
import { counted, roughly, shareText } from "./texts.ts";

type Reload = NonNullable<SummaryReply["lastReload"]>;
type Trial = NonNullable<SummaryReply["trial"]>;

/** A phase with its place in the whole. */
export interface PhaseRow {
  readonly key: string;
  readonly name: string;
  /** Null: it lasts. */
  readonly durationMs: number | null;
  readonly leftPercent: number;
  readonly widthPercent: number;
}

/** Each phase begins where the one before ends. */
export function phaseRows({ phases }: Pick<Reload, "phases">): PhaseRow[] {
  const totalMs = phases.reduce((sum, { durationMs }) => sum + (durationMs ?? 0), 0);
  const percent = (ms: number) => totalMs === 0 ? 0 : 100 * ms / totalMs;
  let spentMs = 0;
  return phases.map(({ phase, epoch, durationMs }, index) => {
    const leftPercent = percent(spentMs);
    spentMs += durationMs ?? 0;
    return {
      key: `${epoch} ${phase} ${index}`,
      name: `${phase}, generation ${epoch}`,
      durationMs,
      leftPercent,
      widthPercent: durationMs === null ? 100 - leftPercent : percent(durationMs),
    };
  });
}

export function trialText(trial: Trial, leftMs: number | null): string {
  const left = leftMs === null ? "" : `, ${roughly(leftMs)} left`;
  return `Generation ${trial.epoch} gets ${shareText(trial)} (${trial.phase}${left}).`;
}

export function reloadText(
  { epoch, replaced, durationMs, failedIn, result }: Reload,
  trial: Trial | null,
): string {
  const took = formatDuration(durationMs);
  const who = epoch === null ? "It" : `Generation ${epoch}`;
  if (result === "refused") return "It was refused, and nothing has changed.";
  if (result === "failed") {
    return `${who} failed${failedIn === null ? "" : ` while ${failedIn}`}, after ${took}.`;
  }
  if (trial !== null && trial.epoch === epoch) {
    return `${who} has passed its gate, after ${took}, and is on trial.`;
  }
  return replaced === null
    ? `${who} serves, after ${took}.`
    : `${who} replaced generation ${replaced} in ${took}.`;
}

/** What became of connections, late listeners and shared files. */
export function reloadFacts(reload: Reload): string[] {
  const { connections, connectionsKept, held, restored, late, sharedFiles, doubt } = reload;
  const facts: string[] = [];
  if (connections !== null) {
    const { finished, cut, undecided, moved } = connections;
    const fates = `${finished} finished, ${moved} moved, ${cut} cut, ${undecided} undecided`;
    facts.push(`Connections of the generation before: ${fates}`);
  }
  if (connectionsKept !== null) {
    const { moved, finished, left } = connectionsKept;
    facts.push(`Kept open by clients: ${moved} moved, ${finished} finished, ${left} left`);
  }
  if (held !== null) {
    const { clients, longestWaitMs, overflows } = held;
    facts.push(`${counted(clients, "client")} waited, at most ${formatDuration(longestWaitMs)}`);
    if (overflows > 0) {
      facts.push(`A queue was full ${counted(overflows, "time")}: raise --backlog`);
    }
  }
  if (restored !== null) facts.push(`Generation ${restored} runs the version before it again`);
  facts.push(...late.map((each) => `${each.address}: ${lateText(each)}`));
  for (const { path, holders } of sharedFiles) {
    const names = holders.map((each) => `generation ${each.epoch} (${each.name}, pid ${each.pid})`);
    facts.push(`${path} is written by both: ${names.join(" and ")}`);
  }
  if (doubt !== null) facts.push(`The generation before may not be as it was: ${doubt}`);
  return facts;
}

function lateText({ servedBy, state }: Reload["late"][number]): string {
  if (state === "opened") return "opened later";
  if (state === "given up") return "was not opened in time";
  return servedBy === null
    ? "connections wait until it is open"
    : `generation ${servedBy} answers there meanwhile`;
}
