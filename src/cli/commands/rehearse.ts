/** `baton rehearse`: lets the service live once where nothing is real, and says whether it can be reloaded. */
import { longestStartMs, longestStopMs } from "../../config/config.ts";
import { presetForCommand } from "../../config/presets.ts";
import { shellLine } from "../../config/servers/shell_words.ts";
import { UserError } from "../../config/values/errors.ts";
import type { Platform } from "../../platform/platform.ts";
import { logicalDirectory, originalFileLimit } from "../../process/launch_plan.ts";
import { KEPT_DRAIN_TIME } from "../../rehearse/next_trial.ts";
import type { Attempt, Kept } from "../../rehearse/plan.ts";
import { RefusedError, rehearse, type Seen } from "../../rehearse/rehearsal.ts";
import { judge, type Verdict } from "../../rehearse/verdict.ts";
import {
  EXIT_NEEDS_CHANGE,
  EXIT_NEW_GENERATION_FAILED,
  EXIT_OK,
  EXIT_SYSTEM,
} from "../console/exit_status.ts";
import type { Printer } from "../console/printer.ts";
import type { RehearseCommand } from "../words/parse_run.ts";

const LABEL_WIDTH = 9;
const STATUS_OF: Readonly<Record<Verdict["verdict"], number>> = {
  "can be reloaded": EXIT_OK,
  "can be reloaded with a change": EXIT_NEEDS_CHANGE,
  "cannot be reloaded": EXIT_NEW_GENERATION_FAILED,
  "does not start": EXIT_NEW_GENERATION_FAILED,
};

export function commandRehearse(
  platform: Platform,
  { config, options, json }: RehearseCommand,
  print: Printer,
): number {
  if (config.front.length > 0) {
    throw new UserError(
      "Cannot rehearse a service behind --front: the clients of a rehearsal come by no Envoy",
      { remedy: "Rehearse it without --front: what is in the way of a second copy is the same" },
    );
  }
  const { runtime, files, processes } = platform;
  const seen = attempt(() =>
    rehearse(platform, {
      plan: {
        options: [...options],
        command: [...config.command],
        env: runtime.env(),
        directory: logicalDirectory(runtime.env(), files.directory()),
        startMs: longestStartMs(config),
        stopMs: longestStopMs(config),
        fileLimit: originalFileLimit(processes.parentPid(), processes.fileLimit()),
      },
      onStep: (text) => print.error(`... ${text}`),
    })
  );
  const verdict = judge(seen.attempts);
  const preset = presetForCommand(config.command, config.preset);
  const signal = config.stopSignal ?? preset.stopSignal;
  const stopSignal = `${signal} (${
    config.stopSignal === null ? `${preset.program}: ${preset.note}` : "as asked"
  })`;
  if (json) {
    print.out(
      JSON.stringify({ ...verdict, command: line(verdict.words), stopSignal, ...seen }, null, 2),
    );
  } else textLines(verdict, seen, stopSignal).forEach((text) => print.out(text));
  return STATUS_OF[verdict.verdict];
}

function attempt(run: () => Seen): Seen {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    throw new UserError(`Cannot rehearse here: ${error.message}`, {
      status: EXIT_SYSTEM,
      remedy: remedyOf(error),
      cause: error,
    });
  }
}

function remedyOf({ asRoot, remedy }: RefusedError): string {
  if (remedy !== null) return remedy;
  if (asRoot) {
    return "It needs namespaces, and overlayfs for what is written. In a container: --privileged, or " +
      "--cap-add SYS_ADMIN with seccomp and AppArmor unconfined";
  }
  return "Run it as root; or allow user namespaces: sysctl user.max_user_namespaces and " +
    "kernel.unprivileged_userns_clone must not be 0, kernel.apparmor_restrict_unprivileged_userns " +
    "(Ubuntu) must be 0, and the kernel 5.12 or newer";
}

function textLines(verdict: Verdict, seen: Seen, stopSignal: string): string[] {
  const { attempts, kept, readOnly, spaceRanOut } = seen;
  const shown =
    attempts.find(({ options, command }) =>
      line(verdict.words) === line(["run", ...options, "--", ...command])
    ) ?? attempts[0];
  // The reason of a reload that failed was printed above.
  const output = (attempts[0]?.reload?.ok ? [] : attempts[0]?.output ?? [])
    .filter((text) => !/^generation \d+ failed: /.test(text));
  const life = shown === undefined ? [] : lifeLines(shown, stopSignal);
  return [
    verdict.verdict,
    ...verdict.reasons.map((text) => `  ${text}`),
    "",
    `  ${line(verdict.words)}`,
    ...life.length === 0 ? [] : ["", ...life, ...keptLines(kept)],
    ...verdict.notes.map((text) => labelled("note", text)),
    ...readOnly.map((path) => labelled("note", `${path} could only be read here`)),
    ...spaceRanOut
      ? [labelled("note", "the space for what is written (half of the free memory) ran out")]
      : [],
    ...output.length === 0 ? [] : ["", "its last output:", ...output.map((text) => `  ${text}`)],
  ];
}

function lifeLines({ start, reload, stop }: Attempt, stopSignal: string): string[] {
  const lines = [];
  if (start.ok) {
    lines.push(
      labelled(
        "start",
        `${start.durationMs} ms; listens at ${[...start.listeners, ...start.late].join(", ")}`,
      ),
    );
  }
  if (reload !== null) {
    const lost = reload.lost.reduce((sum, { count }) => sum + count, 0);
    const clients = reload.exchanges === 0
      ? "no connection could be made"
      : `lost ${lost} of ${reload.exchanges} connections, the slowest took ${reload.slowestMs} ms`;
    lines.push(
      labelled("reload", `${reload.ok ? `${reload.durationMs} ms` : "failed"}; ${clients}`),
    );
    if (reload.waitedMs !== null) {
      lines.push(
        labelled("", `clients waited ${reload.waitedMs} ms at most, while no copy served`),
      );
    }
    if (reload.phases.length > 0) lines.push(labelled("", reload.phases.join(", ")));
  }
  if (stop !== null) {
    const status = stop.status === null ? "it did not end" : `ended with ${stop.status}`;
    lines.push(labelled("stop", `${stop.durationMs} ms by ${stopSignal}; ${status}`));
  }
  return lines;
}

/** Lines about clients with a request outstanding all the time, as behind a busy proxy. */
function keptLines([asGiven, moved]: readonly Kept[]): string[] {
  if (asGiven === undefined) return [];
  const lost = ({ lost, requests }: Kept) => `${lost} of ${requests} requests`;
  return [
    labelled(
      "kept",
      `lost ${
        lost(asGiven)
      } of clients that keep their connections in use for longer than the drain ` +
        `time (here ${KEPT_DRAIN_TIME})`,
    ),
    ...moved === undefined
      ? []
      : [labelled("", `with --keep-alive migrate: ${lost(moved)} (see docs/keep-alive.md)`)],
  ];
}

function labelled(label: string, text: string): string {
  return `${label.padEnd(LABEL_WIDTH)}${text}`;
}

const line = (words: readonly string[]) => shellLine(["baton", ...words]);
