/**
 * The exec of `upgrade --in-place`: this process becomes the new program, with its process id, its children and the
 * named descriptors, and finds its state through one variable.
 *
 * Until `execve` succeeds nothing is changed for good: when it fails the process is as before. Signals are blocked from
 * just before the exec until the new program listens to them, as far as the runtime allows.
 */
import * as v from "valibot";
import { jsonBytes } from "../../platform/bytes.ts";
import { Fd, FIRST_PASSED_DESCRIPTOR } from "../../platform/fd.ts";
import type { HelperProgram } from "../../platform/process/helper_process.ts";
import { hide } from "../../platform/process/hidden_environment.ts";
import type { Platform } from "../../platform/platform.ts";
import * as f from "../state/fields.ts";
import { checkResumeState } from "../state/resume_state.ts";
import {
  NamedDescriptors,
  readState,
  type ResumePayload,
  type Resumption,
} from "../state/resumption.ts";

/** The variable with the number of the state's descriptor. */
export const IN_PLACE_ENV = "BATON_IN_PLACE";

/** HUP, INT, QUIT, USR1, USR2, TERM, CHLD: the same numbers on x64 and arm64. */
const HELD_SIGNALS: readonly number[] = [1, 2, 3, 10, 12, 15, 17];
/**
 * HUP, USR1, USR2. Bun unblocks all signals when it starts [measured, 1.4.5], some milliseconds before any of baton's
 * code runs: those that would terminate the new program by accident must be ignored. A stop signal terminates it, and
 * its servers with it (--orphan die), as requested.
 */
const HARMLESS_SIGNALS: readonly number[] = [1, 10, 12];
const SIGNAL_NAMES = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGTERM"] as const;

/** Behind that descriptor: the state, and the numbers of the descriptors beside it. */
const IN_PLACE_FILE = f.lazyObject(() => ({
  descriptors: v.record(f.name, f.int(0, 2 ** 31 - 1)),
  state: v.unknown(),
}));

/**
 * THE POINT OF NO RETURN of an upgrade in place. Descriptors keep their numbers.
 * @throws {SystemCallError} when nothing was changed
 */
export function execInPlace(
  platform: Platform,
  program: Pick<HelperProgram, "path" | "argv" | "env">,
  { state, descriptors }: ResumePayload,
): never {
  const { processes } = platform;
  const numbers = Object.fromEntries([...descriptors].map(([name, fd]) => [name, fd.number]));
  const file: v.InferInput<typeof IN_PLACE_FILE> = { descriptors: numbers, state };
  using memory = platform.descriptors.sealedMemfd("baton-state", jsonBytes(file));
  const kept = [memory.number, ...Object.values(numbers)];
  const env = { ...hide(platform.runtime, program.env), [IN_PLACE_ENV]: String(memory.number) };
  processes.closeOnExecFrom(FIRST_PASSED_DESCRIPTOR);
  for (const number of kept) processes.keepOnExec(number, 1);
  processes.blockSignals(HELD_SIGNALS);
  const listenAgain = processes.ignoreSignals(HARMLESS_SIGNALS);
  try {
    return processes.exec(program.path, program.argv, env);
  } finally {
    listenAgain();
    processes.unblockSignals(HELD_SIGNALS);
    processes.closeOnExecFrom(FIRST_PASSED_DESCRIPTOR);
  }
}

/** @returns what this process was before it became this program; null: it started as this program */
export function findInPlace(platform: Platform): Resumption | null {
  const number = platform.runtime.env()[IN_PLACE_ENV];
  if (number === undefined || !/^\d{1,9}$/.test(number)) return null;
  // A signal that arrives from here on reaches the handlers that exist in the next turn of the event loop.
  const stopCatching = SIGNAL_NAMES.map((name) => platform.runtime.onSignal(name, () => {}));
  const file = f.parseJson(IN_PLACE_FILE, readState(Number(number)));
  new Fd(platform.libc, Number(number)).close();
  const kept = new NamedDescriptors(
    Object.entries(file.descriptors).map(([name, fd]) => [name, new Fd(platform.libc, fd)]),
  );
  platform.processes.closeOnExecFrom(FIRST_PASSED_DESCRIPTOR);
  return {
    kind: "in_place",
    state: checkResumeState(() => file.state),
    kept,
    releaseSignals: () => {
      stopCatching.forEach((stop) => stop());
      platform.processes.unblockSignals(HELD_SIGNALS);
    },
  };
}
