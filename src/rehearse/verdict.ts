/** From what was seen in a rehearsal to a verdict: can the service be reloaded, and with which command line. Pure. */
import { EXIT_DRAIN_TIMED_OUT } from "../lifecycle/status.ts";
import { datagramsOf, isGood, lostPidFile, pidfileOption } from "./next_trial.ts";
import type { Attempt } from "./plan.ts";

export interface Verdict {
  readonly verdict:
    | "can be reloaded"
    | "can be reloaded with a change"
    | "cannot be reloaded"
    | "does not start";
  /** The words behind `baton`: those that were tried with success, else those of the user. */
  readonly words: readonly string[];
  /** What it needs, or why not. */
  readonly reasons: readonly string[];
  /** What does not stand in the way, but should be known. */
  readonly notes: readonly string[];
}

/** @param attempts the user's own words first, then the changes that were tried */
export function judge(attempts: readonly Attempt[]): Verdict {
  const [first] = attempts;
  if (first === undefined) return cannot([], ["nothing was seen"], []);
  const best = attempts.find(isGood);
  const notes = [...notesOf(best ?? first), ...pidFileNotes(attempts)];
  if (best === first) {
    return { verdict: "can be reloaded", words: wordsOf(first), reasons: [], notes };
  }
  if (best !== undefined) {
    const datagrams = first.start.ok ? null : datagramsOf(first);
    const reasons = datagrams === null
      ? [...obstacles(first), ...changeTexts(first, best)]
      : [`needs --udp switch: it is reached at ${datagrams} (tried, without clients)`];
    return { verdict: "can be reloaded with a change", words: wordsOf(best), reasons, notes };
  }
  const { blocker, reload, start } = first;
  if (!start.ok) {
    return {
      verdict: "does not start",
      words: wordsOf(first),
      reasons: [startText(first)],
      notes,
    };
  }
  if (blocker !== null && !blocker.isData) {
    const reasons = [...obstacles(first), remedyOf(blocker.kind)];
    return { verdict: "can be reloaded with a change", words: wordsOf(first), reasons, notes };
  }
  if (reload?.ok && reload.lost.length === 0) {
    const reasons = obstacles(first);
    return { verdict: "can be reloaded with a change", words: wordsOf(first), reasons, notes };
  }
  return cannot(wordsOf(first), obstacles(first), notes);
}

function cannot(
  words: readonly string[],
  reasons: readonly string[],
  notes: readonly string[],
): Verdict {
  return { verdict: "cannot be reloaded", words, reasons, notes };
}

function wordsOf({ options, command }: Attempt): string[] {
  return ["run", ...options, "--", ...command];
}

function startText({ start, output }: Attempt): string {
  const said = output.join("\n");
  const reason = /^generation 0 failed: (.*)/m.exec(said)?.[1];
  const how = start.status === null
    ? "it does not serve in time"
    : reason ?? `baton run ends with status ${start.status}`;
  const isNetwork =
    /ENETUNREACH|Network is unreachable|EAI_AGAIN|getaddrinfo|name resolution|ECONNREFUSED|Connection refused/i
      .test(said);
  // The copy may wait for an answer that never comes, and say nothing.
  const isWaiting = /^not ready within .*it does not listen/.test(how);
  const network = isNetwork || isWaiting
    ? "; it may want to reach another service, and a rehearsal has no network but its own loopback"
    : "";
  return how + network;
}

/** What stands in the way of a reload with the user's own words. */
function obstacles({ reload, blocker, rewritten, holds }: Attempt): string[] {
  const found: string[] = [];
  if (reload !== null && !reload.ok) {
    found.push(`the second copy does not start: ${reload.reason ?? "no reason is known"}`);
    if (blocker?.isData) {
      found.push(`the first copy holds its data: ${blocker.kind} ${blocker.path}`);
    } else if (blocker !== null) {
      found.push(
        `${blocker.kind} ${blocker.path} is in the way: without it, the second copy starts (tried)`,
      );
    } else if (holds.length > 0) {
      found.push(`the first copy holds: ${holds.join(", ")}`);
    }
  }
  if (reload !== null && reload.ok && reload.lost.length > 0) {
    const lost = reload.lost.map(({ how, count }) => `${count} at ${how}`).join(", ");
    found.push(`connections are lost: ${lost}`);
  }
  if (rewritten.length > 0) {
    found.push(
      `both copies write ${
        rewritten.join(", ")
      }, and the second one starts before the first has written ` +
        "it for the last time: what it keeps there is lost",
    );
  }
  return found;
}

function changeTexts({ options, blocker }: Attempt, best: Attempt): string[] {
  if (best.options.length === options.length) {
    return [`needs a ${blocker?.kind ?? "path"} for each generation (tried)`];
  }
  const stopFirst =
    "--order stop-first: clients wait while one copy ends and the next one starts (tried)";
  return blocker === null || blocker.isData
    ? [`needs ${stopFirst}`]
    : [remedyOf(blocker.kind), `or ${stopFirst}`];
}

function remedyOf(kind: string): string {
  return `needs a ${kind} for each generation, or none: in its configuration, with ` +
    "the number of the generation ($RESTART_EPOCH in its environment, {epoch} in its command line)";
}

function notesOf({ options, start, stop, reload }: Attempt): string[] {
  const notes: string[] = [];
  const isAsked = options.some((word) => word.startsWith("--order"));
  if (start.orderReason !== null && start.order === "stop-first" && !isAsked) {
    notes.push(`the order is stop-first: ${start.orderReason}`);
  }
  if (start.shell !== null) {
    const { name, server, pid } = start.shell;
    notes.push(
      `the shell stays in front of the server (${name}, pid ${pid} here, before ${server}): write exec ` +
        "before the server's command, so that signals and what baton knows about it reach the server",
    );
  }
  for (const address of start.late) {
    const port = /:(\d+)$/.exec(address)?.[1];
    notes.push(
      `it opens ${address} when baton has taken it for ready already` +
        (port === undefined ? "" : `: --ready=tcp:${port} waits for that`),
    );
  }
  for (const path of reload?.sharedFiles ?? []) {
    notes.push(
      `both copies had ${path} open for writing: see --shared-files, and --order stop-first`,
    );
  }
  if (reload?.doubt) notes.push(reload.doubt);
  if (stop !== null && stop.killed.length > 0) {
    notes.push(
      `it had to be killed at the stop, after ${stop.durationMs} ms: ${stop.killed.join(", ")}; ` +
        "see --stop-signal and --stop-time",
    );
  }
  const status = stop?.status ?? 0;
  if (start.ok && status !== 0 && status !== EXIT_DRAIN_TIMED_OUT && stop?.killed.length === 0) {
    notes.push(
      `it ends with ${status} at its stop signal, and so does baton run, which service managers take for ` +
        `a failure: --clean-exit ${status} makes that 0`,
    );
  }
  return notes;
}

/** Notes on the user's own words, when they are fine but for the pid file. */
function pidFileNotes([first, second]: readonly Attempt[]): string[] {
  if (first === undefined || !isGood(first)) return [];
  const path = lostPidFile(first);
  if (path === null) return [];
  const isGone = first.pidFiles.some((each) => each.path === path && each.fate === "gone");
  const isTried = second !== undefined && isGood(second) &&
    second.pidFiles.every(({ fate }) => fate === "kept");
  return [
    `pid file ${path} ${isGone ? "is gone" : "names no running copy"} after a reload: ` +
    `${pidfileOption(path)} keeps it right${isTried ? " (tried)" : ""}`,
  ];
}
