/**
 * Names and numbers of Linux signals, as users write them on the command line.
 *
 * Guarantees: the standard signals 1 to 31 with the numbers of this system. Real-time signals can only stop baton
 * (`--stop-on`); RTMIN is 34, as Docker, systemd and glibc count: the C library uses the two numbers before it.
 */
import { constants } from "node:os";
import { UserError } from "./errors.ts";
import { suggest } from "./suggest.ts";

/** Name of a signal, always with its prefix: "SIGTERM". */
export type SignalName = `SIG${string}`;

/** Other names of the same numbers; signal(7). */
const SYNONYMS: ReadonlyMap<string, SignalName> = new Map([
  ["SIGIOT", "SIGABRT"],
  ["SIGCLD", "SIGCHLD"],
  ["SIGPOLL", "SIGIO"],
  ["SIGUNUSED", "SIGSYS"],
]);

const NUMBERS: ReadonlyMap<string, number> = new Map(
  Object.entries(constants.signals).filter(([name]) => !SYNONYMS.has(name))
    .sort(([, a], [, b]) => a - b),
);

/** Every name that `parseSignalName` returns, in the order of the numbers. */
export const SIGNAL_NAMES: readonly SignalName[] = [...NUMBERS.keys()].filter(isSignalName);

const LAST_SIGNAL = 31;
const FIRST_REALTIME = 34;
const LAST_REALTIME = 64;

/** Signals that stop baton without --stop-on. */
export const STOP_SIGNALS = ["SIGTERM", "SIGINT", "SIGQUIT"] as const;
export type StopSignal = (typeof STOP_SIGNALS)[number];

export function isStopping(signal: string): signal is StopSignal {
  return (STOP_SIGNALS as readonly string[]).includes(signal);
}

/** Signals that --stop-on refuses, with the reason. */
const NEVER_STOPPING: readonly (readonly [names: string, why: string])[] = [
  ["SIGKILL SIGSTOP", "no program can handle it"],
  ["SIGCHLD", "it reports to baton that a process has exited"],
  ["SIGPIPE", "it reports that a reader has closed its end"],
  ["SIGILL SIGTRAP SIGBUS SIGFPE SIGSEGV SIGSYS", "it reports a fault in baton itself"],
  ["SIGPWR", "the runtime of baton uses it to manage memory"],
];

function isSignalName(text: string): text is SignalName {
  return NUMBERS.has(text);
}

/** @returns null for numbers that are not a standard signal */
export function signalName(number: number): SignalName | null {
  return SIGNAL_NAMES.find((name) => NUMBERS.get(name) === number) ?? null;
}

/** @throws {RangeError} when the name does not come from a parser in this file */
export function signalNumber(name: SignalName): number {
  const number = NUMBERS.get(name) ?? realtimeNumber(name);
  if (number === null) throw new RangeError(`Cannot find the number of signal "${name}"`);
  return number;
}

/**
 * Reads a signal as users write it: `TERM`, `SIGTERM`, `sigterm` or `15`.
 *
 * @throws {UserError} for an unknown signal or a real-time signal
 */
export function parseSignalName(text: string): SignalName {
  const upper = text.trim().toUpperCase();
  if (/^\d+$/.test(upper)) {
    const found = signalName(Number(upper));
    if (found !== null) return found;
    throw new UserError(`Cannot read signal "${text}": numbers go from 1 to ${LAST_SIGNAL}`, {
      remedy: "Write a name such as TERM, or its number",
    });
  }
  const full = upper.startsWith("SIG") ? upper : `SIG${upper}`;
  if (isSignalName(full)) return full;
  const synonym = SYNONYMS.get(full);
  if (synonym !== undefined) return synonym;
  if (full.startsWith("SIGRT")) {
    throw new UserError(`Cannot read signal "${text}": real-time signals are not supported`, {
      remedy: "Use a standard signal such as TERM, QUIT or USR2",
    });
  }
  const near = suggest(full, SIGNAL_NAMES);
  throw new UserError(`Cannot read signal "${text}": no signal has this name`, {
    remedy: near === null
      ? "Write a name such as TERM, or a number from 1 to 31"
      : `Did you mean ${near.slice("SIG".length)}?`,
  });
}

/** @returns the number of "SIGRTMIN+3", "SIGRTMAX-2"; null for any other text, or beyond the last */
function realtimeNumber(name: string): number | null {
  const match = /^SIGRT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (match === null) return null;
  const [, from, sign, offset = "0"] = match;
  if (sign !== undefined && (sign === "+") !== (from === "MIN")) return null;
  const number = from === "MIN" ? FIRST_REALTIME + Number(offset) : LAST_REALTIME - Number(offset);
  return number >= FIRST_REALTIME && number <= LAST_REALTIME ? number : null;
}

function parseStopSignal(text: string): SignalName {
  const upper = text.trim().toUpperCase();
  const full = upper.startsWith("SIG") ? upper : `SIG${upper}`;
  const isNumber = /^\d+$/.test(upper) && Number(upper) >= FIRST_REALTIME;
  const realtime = isNumber && Number(upper) <= LAST_REALTIME
    ? Number(upper)
    : realtimeNumber(full);
  if (realtime !== null) return `SIGRTMIN+${realtime - FIRST_REALTIME}`;
  if (full.startsWith("SIGRT") || isNumber) {
    throw new UserError(`Cannot read signal "${text}": there is no such real-time signal`, {
      remedy: `They are RTMIN+0 to RTMIN+${LAST_REALTIME - FIRST_REALTIME}, ` +
        `numbers ${FIRST_REALTIME} to ${LAST_REALTIME}`,
    });
  }
  const name = parseSignalName(text);
  const [, why] = NEVER_STOPPING.find(([names]) => names.split(" ").includes(name)) ?? [];
  if (why === undefined) return name;
  throw new UserError(`Cannot stop on ${name}: ${why}`, {
    remedy: "Name the signal that is sent to stop baton: the STOPSIGNAL of the image",
  });
}

/**
 * Reads the signals of `--stop-on`: `RTMIN+3,WINCH`, with or without SIG, or numbers.
 *
 * @returns each once, real-time signals as "SIGRTMIN+3"
 * @throws {UserError} for an unknown signal, or one that cannot stop baton
 */
export function parseStopSignals(texts: readonly string[]): SignalName[] {
  return [...new Set(texts.flatMap((text) => text.split(",")).map(parseStopSignal))];
}
