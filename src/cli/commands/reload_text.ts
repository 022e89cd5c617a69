/** A reload, for people: one line, and one for each address that the new generation opens late. Pure. */
import { describePhases } from "../../report/timelines.ts";
import type { StoryReply } from "../console/replies.ts";

/** @returns `pre-flight 31 ms, starting 402 ms; generation 0: draining still`; "" before the first phase */
export function storyLine({ replaced, phases, connections }: Omit<StoryReply, "late">): string {
  const arrival = describePhases(phases.filter(({ epoch }) => epoch !== replaced));
  const departure = describePhases(phases.filter(({ epoch }) => epoch === replaced));
  const parts = [arrival];
  if (departure !== "") parts.push(`generation ${replaced}: ${departure}`);
  if (connections !== null) {
    const { finished, cut, undecided, moved } = connections;
    parts.push(
      `connections: ${finished} finished, ${cut} cut, ${undecided} undecided, ${moved} moved`,
    );
  }
  return parts.filter((part) => part !== "").join("; ");
}

/**
 * @param epoch of the new generation
 * @returns `127.0.0.1:9000: generation 0 answers there until generation 1 does, or --ready-timeout is over`
 */
export function lateLines({ late }: Pick<StoryReply, "late">, epoch: number | null): string[] {
  return late.filter(({ state }) => state !== "opened").map((view) => lateLine(view, epoch));
}

function lateLine(
  { address, servedBy, state }: StoryReply["late"][number],
  epoch: number | null,
): string {
  const newest = `generation ${epoch}`;
  if (state === "given up") {
    return `${address}: ${newest} did not open it within --ready-timeout, as the one before it had`;
  }
  const meanwhile = servedBy === null
    ? `connections wait until ${newest} listens there`
    : `generation ${servedBy} answers there until ${newest} does`;
  return `${address}: ${meanwhile}, or --ready-timeout is over`;
}
