/** What a reload consisted of, for people: one line, and one for each address that is opened late. Pure. */
import { describePhases } from "../../report/timelines.ts";
import { type LateView, NO_STORY, type ReloadStory } from "../../report/snapshot.ts";

/**
 * @param story may come from a baton that told less
 * @returns `pre-flight 31 ms, starting 402 ms; generation 0: draining still`;
 *   empty when nothing is known
 */
export function storyLine(story: Partial<ReloadStory>): string {
  const { replaced, phases, connections } = { ...NO_STORY, ...story };
  const arrival = describePhases(phases.filter(({ epoch }) => epoch !== replaced));
  const departure = describePhases(phases.filter(({ epoch }) => epoch === replaced));
  const parts = [arrival];
  if (departure !== "") parts.push(`generation ${replaced}: ${departure}`);
  if (connections !== null) {
    // A baton of an earlier build does not know of any.
    const { finished, cut, undecided = 0, moved } = connections;
    parts.push(
      `connections: ${finished} finished, ${cut} cut, ${undecided} undecided, ${moved} moved`,
    );
  }
  return parts.filter((part) => part !== "").join("; ");
}

/**
 * @param story of a reload to generation `epoch`; may come from a baton that told less
 * @returns `127.0.0.1:9000: generation 0 answers there until generation 1 does, or --ready-timeout is over`
 */
export function lateLines({ late = [] }: Partial<ReloadStory>, epoch: number | null): string[] {
  return late.filter(({ state }) => state !== "opened").map((view) => lateLine(view, epoch));
}

function lateLine({ address, servedBy, state }: LateView, epoch: number | null): string {
  const successor = `generation ${epoch}`;
  if (state === "given up") {
    return `${address}: not opened by ${successor} in --ready-timeout: the one before it had it open`;
  }
  const meanwhile = servedBy === null
    ? `connections wait until ${successor} listens there`
    : `generation ${servedBy} answers there until ${successor} does`;
  return `${address}: ${meanwhile}, or --ready-timeout is over`;
}
