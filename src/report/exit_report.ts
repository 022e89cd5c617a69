/** How a server exited, for the lifecycle and for people. Pure. */
import { signalName } from "../config/values/signals.ts";
import type { ExitReport } from "../lifecycle/vocabulary.ts";
import { type ExitStatus, shellStatus } from "../platform/process/wait_status.ts";

/** @returns "exit status 3", or "killed by SIGSEGV" */
export function describeExit(status: ExitStatus): string {
  if (status.kind === "unknown") return "it exited while no baton was its parent";
  if (status.kind === "exited") return `exit status ${status.code}`;
  return `killed by ${signalName(status.signal) ?? `signal ${status.signal}`}`;
}

interface ExitCircumstances {
  /** The stop signal that the server got; null: none. */
  readonly stopSignal: number | null;
  /** Statuses besides 0 that are no failure at the stop signal. */
  readonly cleanExit: readonly number[];
  /** Whether its leading process had exited with 0, and left the server in the background. */
  readonly daemonized: boolean;
  /** Possible reasons. */
  readonly hints: readonly string[];
}

export function reportExit(status: ExitStatus, circumstances: ExitCircumstances): ExitReport {
  const { stopSignal, cleanExit, daemonized, hints } = circumstances;
  // A background server that vanished has failed, whatever the status of its leader.
  if (daemonized && stopSignal === null) {
    return { status: 1, asRequested: false, text: "its background processes are gone" };
  }
  const code = shellStatus(status);
  const asRequested = stopSignal !== null &&
    (status.kind === "unknown" || [0, 128 + stopSignal, ...cleanExit].includes(code));
  const why = hints.length > 0 ? ` (${hints.join("; ")})` : "";
  return { status: code, asRequested, text: describeExit(status) + why };
}
