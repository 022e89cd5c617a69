/** What is wrong with what a machine reports; and the cells of the table. Pure. */
import type { Result } from "./boot.ts";
import { type Machine, type Step, storyOf } from "./machine.ts";

interface Doctor {
  readonly works: string;
  readonly kernel: string;
  readonly capabilities: readonly { readonly id: string; readonly ok: boolean }[];
}

/** Name of a step that is to fail: what it takes away is what is tried. */
const REFUSED = "doctor without modprobe";
/** Below that connections cannot be moved. */
const KEEP_ALIVE_SINCE = [5, 14] as const;

export function doctorOf(result: Result | undefined): Doctor | null {
  return (result?.["doctor"] ?? null) as Doctor | null;
}

export function movesConnections(release: string): boolean {
  const [major = 0, minor = 0] = release.split(".").map(Number);
  const [wantedMajor, wantedMinor] = KEEP_ALIVE_SINCE;
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

function has(result: Result, field: string): number {
  return Number(result[field] ?? 0);
}

/** What is not as expected, in words; empty = all of it is. */
export function faultsOf(machine: Machine, results: readonly Result[]): string[] {
  const release = String(find(results, "kernel")?.["release"] ?? "");
  const faults = storyOf(machine).flatMap((step) =>
    faultsOfStep(step, find(results, step.id), release)
  );
  return find(results, "end") === undefined
    ? [...faults, "the story has not come to its end"]
    : faults;
}

export function find(results: readonly Result[], id: string): Result | undefined {
  return results.find((result) => result.id === id);
}

function faultsOfStep(step: Step, result: Result | undefined, release: string): string[] {
  const say = (text: string) => [`${step.id}: ${text}`];
  if (result === undefined) return say("nothing was reported");
  if (result["error"] !== undefined) return say(`${result["error"]} ${result["log"] ?? ""}`.trim());
  if (step.do === "write") return [];
  if (step.do === "doctor") {
    const works = doctorOf(result)?.works;
    const expected = step.id === REFUSED ? "nothing" : "everything";
    if (works !== expected) return say(`doctor says ${works}`);
    const notes = doctorOf(result)?.capabilities.filter(({ ok }) => !ok).map(({ id }) => id);
    return !step.id.startsWith("yama") || notes?.includes("yama") ? [] : say("no word of Yama");
  }
  const lost = has(result, "lost");
  if (lost > 0) return say(`${lost} lost: ${JSON.stringify(result["failures"])}`);
  const isMoving = step.do === "keep-alive";
  const servers = serversOf(step, movesConnections(release));
  if (has(result, "servers") !== servers) return say(`${result["servers"]} servers have answered`);
  if (isMoving && movesConnections(release) && has(result, "moved") === 0) {
    return say("no connection has moved");
  }
  return [];
}

/** How many generations the clients must have met. */
function serversOf({ do: what, reloads = 0 }: Step, canMove: boolean): number {
  // Its clients never fall silent: without a move they stay with the first.
  if (what === "keep-alive" && !canMove) return 1;
  return (what === "survive" ? 2 * reloads : reloads) + 1;
}
