/**
 * The exec of `upgrade --in-place`: this process becomes the new program, with its process id, its
 * children and the descriptors that are named, and finds its state by one variable.
 *
 * Until `execve` succeeds nothing is changed for good: when it fails the process is as before. Signals
 * are held back from just before the exec until the new program listens to them, as far as the runtime
 * allows.
 */
import type { Resumption } from "../state/resumption.ts";
import { readFileSync, statSync } from "node:fs";
import { Fd, FIRST_PASSED_DESCRIPTOR } from "../../platform/fd.ts";
import { hide } from "../../platform/process/hidden_environment.ts";
import type { Platform } from "../../platform/platform.ts";
import { NamedDescriptors } from "../state/named_descriptors.ts";
import { parseResumeState, RESUME_LIMIT, type ResumeState } from "../state/resume_state.ts";

/** The variable with the number of the descriptor that the state is behind. */
export const IN_PLACE_ENV = "BATON_IN_PLACE";

/** HUP, INT, QUIT, USR1, USR2, TERM, CHLD: the same numbers on x64 and arm64. */
const HELD_SIGNALS: readonly number[] = [1, 2, 3, 10, 12, 15, 17];
/**
 * HUP, USR1, USR2. Bun begins by letting all signals through [measured, 1.4.5], some milliseconds
 * before any of our code runs: what would end the new program then must be ignored. A stop signal
 * ends it, and the servers too (--orphan die): that is what was asked for.
 */
const HARMLESS_SIGNALS: readonly number[] = [1, 10, 12];
const SIGNAL_NAMES = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGTERM"] as const;

/** What is behind the descriptor: the state, and the numbers of the descriptors beside it. */
interface InPlaceFile {
  readonly descriptors: Readonly<Record<string, number>>;
  readonly state: unknown;
}

interface InPlaceExec {
  readonly path: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly state: ResumeState;
  /** By name; they keep their numbers. */
  readonly descriptors: ReadonlyMap<string, Fd>;
}

/** THE POINT OF NO RETURN of an upgrade in place. @throws {SystemCallError} when nothing was changed */
export function execInPlace(platform: Platform, options: InPlaceExec): never {
  const { descriptors, processes } = platform;
  const numbers = [...options.descriptors].map(([name, fd]) => [name, fd.number] as const);
  const file: InPlaceFile = { descriptors: Object.fromEntries(numbers), state: options.state };
  using memory = descriptors.sealedMemfd(
    "baton-state",
    new TextEncoder().encode(JSON.stringify(file)),
  );
  const kept = [memory.number, ...numbers.map(([, number]) => number)];
  const env = { ...hide(platform.runtime, options.env), [IN_PLACE_ENV]: String(memory.number) };
  processes.closeOnExecFrom(FIRST_PASSED_DESCRIPTOR);
  for (const number of kept) processes.keepOnExec(number, 1);
  processes.blockSignals(HELD_SIGNALS);
  const listenAgain = processes.ignoreSignals(HARMLESS_SIGNALS);
  try {
    return processes.exec(options.path, options.argv, env);
  } finally {
    listenAgain();
    processes.unblockSignals(HELD_SIGNALS);
    processes.closeOnExecFrom(FIRST_PASSED_DESCRIPTOR);
  }
}

/** @returns what this process was when it was another program; null = it was none */
export function findInPlace(platform: Platform): Resumption | null {
  const number = platform.runtime.env()[IN_PLACE_ENV];
  if (number === undefined || !/^\d{1,9}$/.test(number)) return null;
  // From here on they are told to whoever listens in the next turn of the event loop.
  const stopCatching = SIGNAL_NAMES.map((name) => platform.runtime.onSignal(name, () => {}));
  const file = readInPlaceFile(Number(number));
  new Fd(platform.libc, Number(number)).close();
  const kept = new NamedDescriptors(
    Object.entries(file.descriptors).map(([name, fd]) => [name, new Fd(platform.libc, fd)]),
  );
  platform.processes.closeOnExecFrom(FIRST_PASSED_DESCRIPTOR);
  return {
    kind: "in_place",
    state: parseResumeState(JSON.stringify(file.state)),
    kept,
    listensNow: () => {
      stopCatching.forEach((stop) => stop());
      platform.processes.unblockSignals(HELD_SIGNALS);
    },
  };
}

/** @throws {Error} when the file is too long, or none of ours */
function readInPlaceFile(number: number): InPlaceFile {
  const path = `/proc/self/fd/${number}`;
  const { size } = statSync(path);
  if (size > RESUME_LIMIT) throw new Error(`Cannot go on: the state has ${size} bytes`);
  return JSON.parse(readFileSync(path, "utf8")) as InPlaceFile;
}
