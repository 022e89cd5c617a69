/** A reload, for people: one line, and one for each address that the new generation opens late. Pure. */
import { describePhases } from "../../report/timelines.ts";
import type { ReloadReply } from "../../admin/replies.ts";

/** @returns `pre-flight 31 ms, starting 402 ms; generation 0: draining still`; "" before the first phase */
export function storyLine(
  { replaced, phases, connections }: Pick<ReloadReply, "replaced" | "phases" | "connections">,
): string {
  const arrival = describePhases(phases.filter(({ epoch }) => epoch !== replaced));
  const departure = describePhases(phases.filter(({ epoch }) => epoch === replaced));
  const parts = [arrival, departure === "" ? "" : `generation ${replaced}: ${departure}`];
  if (connections !== null) {
    const { finished, cut, undecided, moved } = connections;
    parts.push(
      `connections: ${finished} finished, ${cut} cut, ${undecided} undecided, ${moved} moved`,
    );
  }
  return parts.filter((part) => part !== "").join("; ");
}

/** @returns with --order stop-first: `12 clients waited, at most 707 ms`; empty where none had to */
export function heldLines({ held }: Pick<ReloadReply, "held">): string[] {
  if (held === null) return [];
  const { clients, longestWaitMs, overflows } = held;
  const lines = [`${clients} clients waited, at most ${longestWaitMs} ms`];
  if (overflows > 0) {
    lines.push(
      `a queue was full ${overflows} times, so some had to try again: raise --backlog, and ` +
        "net.core.somaxconn, which caps it",
    );
  }
  return lines;
}

/** @returns `127.0.0.1:9000: generation 0 answers there until generation 1 does, or --ready-timeout is over` */
export function lateLines({ late, epoch }: Pick<ReloadReply, "late" | "epoch">): string[] {
  return late.filter(({ state }) => state !== "opened")
    .map((view) => lateLine(view, `generation ${epoch}`));
}

/** @returns `/var/lib/db is written by both: generation 0 (db, pid 7) and generation 1 (db, pid 9)` */
export function sharedLines({ sharedFiles }: Pick<ReloadReply, "sharedFiles">): string[] {
  const lines = sharedFiles.map(({ path, holders }) => {
    const names = holders.map(({ epoch, pid, name }) =>
      `generation ${epoch} (${name}, pid ${pid})`
    );
    return `${path} is written by both: ${names.join(" and ")}`;
  });
  return lines.length === 0 ? [] : [
    ...lines,
    "what one writes the other may overwrite: use --order stop-first, or --shared-files allow",
  ];
}

/** What speaks against the last reload, for `baton status`; the answer to a reload has `survivorLine`. */
export function doubtLines({ doubt }: Pick<ReloadReply, "doubt">): string[] {
  return doubt === null ? [] : [`the generation before it may not be as it was: ${doubt}`];
}

/** What has become of the generation before, after a failure. */
export function survivorLine(
  { serving, restored, doubt, phases }: Pick<
    ReloadReply,
    "serving" | "restored" | "doubt" | "phases"
  >,
): string {
  if (restored !== null) return `generation ${restored} runs the version before it again`;
  if (serving === null) {
    return "no generation serves: connections wait while the server is restarted";
  }
  if (doubt === null && phases.some(({ phase }) => phase === "baking")) {
    return "the old generation gets all new connections again";
  }
  return doubt === null
    ? "the old generation keeps serving; nothing was lost"
    : `generation ${serving} serves, but perhaps not as before: ${doubt}`;
}

/** The last lines that a failed generation printed, and where the rest is. */
export function outputLines(
  { output, outputIsDirect, outputSince }: Pick<
    ReloadReply,
    "output" | "outputIsDirect" | "outputSince"
  >,
): string[] {
  const part = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)];
  if (!outputIsDirect && output.length === 0) return ["it printed nothing"];
  const first = outputIsDirect ? "its last output before it listened:" : "its last output:";
  if (outputIsDirect && outputSince.length === 0) {
    const rest = output.length === 0 ? "its output" : "what it printed since then";
    return [...part(first, output), `${rest} is in the output of baton`];
  }
  return [...part(first, output), ...part("since then, its own and that of others:", outputSince)];
}

function lateLine({ address, servedBy, state }: ReloadReply["late"][number], newest: string) {
  if (state === "given up") {
    return `${address}: ${newest} did not open it within --ready-timeout, as the one before it had`;
  }
  const meanwhile = servedBy === null
    ? `connections wait until ${newest} listens there`
    : `generation ${servedBy} answers there until ${newest} does`;
  return `${address}: ${meanwhile}, or --ready-timeout is over`;
}
