/** What a reload consisted of, for people: one line. Pure. */
import { describePhases } from "../supervisor/report.ts";
import { NO_STORY } from "../supervisor/snapshot.ts";
import type { ReloadStory } from "../supervisor/snapshot.ts";

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
    const { finished, cut, moved } = connections;
    parts.push(`connections: ${finished} finished, ${cut} cut, ${moved} moved`);
  }
  return parts.filter((part) => part !== "").join("; ");
}
