/** Which change of the command is tried next, after what was seen. Pure. */
import { presetForCommand } from "../config/presets.ts";
import type { Attempt, Kept } from "./plan.ts";

const ORDER = "order";
const UDP = "--udp";
const PIDFILE = "--server-pidfile";
const PRESET = "--preset=";
const DRAIN_TIME = "--drain-time";
const KEEP_ALIVE = "--keep-alive";
const MIGRATE = `${KEEP_ALIVE}=migrate`;
/** Drain time of a trial: connections that never fall silent are waited for so long. */
export const KEPT_DRAIN_TIME = "2s";
const STOP_FIRST = `--${ORDER}=stop-first`;

interface Trial {
  readonly options: readonly string[];
  readonly command: readonly string[];
}

/** @param seen the attempts so far, the user's own words first @returns null: nothing is left to try */
export function nextTrial(seen: readonly Attempt[]): Trial | null {
  const [first] = seen;
  if (first === undefined) return null;
  if (!first.start.ok) {
    return seen.length === 1 && datagramsOf(first) !== null ? withUdp(first) : null;
  }
  if (first.reload === null) return null;
  if (isGood(first)) return seen.length === 1 ? withPidfile(first) : null;
  return isGood(seen.at(-1)!) ? null : trials(first)[seen.length - 1] ?? null;
}

/**
 * @param seen what became of connections that clients keep, so far
 * @returns the options with which that is tried next; null: nothing is left to try
 */
export function nextKeptTrial(
  { options, start, keeps }: Attempt,
  seen: readonly Kept[],
): readonly string[] | null {
  // Without a second copy, connections end with the only one that there is.
  if (keeps === null || start.order === "stop-first") return null;
  const others = options.filter((word) => !word.startsWith(DRAIN_TIME));
  const short = [...others, `${DRAIN_TIME}=${KEPT_DRAIN_TIME}`];
  if (seen.length === 0) return short;
  const isGiven = options.some((word) => word.startsWith(KEEP_ALIVE));
  return seen.length === 1 && seen[0]!.lost > 0 && !isGiven ? [...short, MIGRATE] : null;
}

/**
 * The address of a service that is reached by datagrams alone, which are handed over by `--udp switch` only, if that is
 * why it does not start; else null.
 */
export function datagramsOf(
  { options, output }: Pick<Attempt, "options" | "output">,
): string | null {
  if (options.some((word) => word.startsWith(UDP))) return null;
  return /it binds (udp:\S+), and UDP is not handed over/.exec(output.join("\n"))?.[1] ?? null;
}

function withUdp({ options, command }: Attempt): Trial {
  return { options: [...options, `${UDP}=switch`], command };
}

/** The pid file that names no running copy after a reload, if there is one. */
export function lostPidFile({ options, pidFiles }: Attempt): string | null {
  const isGiven = options.some((word) => word.startsWith(PIDFILE));
  const lost = pidFiles.filter(({ fate }) => fate !== "kept");
  return isGiven || lost.length !== 1 ? null : lost[0]!.path;
}

export function pidfileOption(path: string): string {
  return `${PIDFILE}=${path}`;
}

function withPidfile(attempt: Attempt): Trial | null {
  const path = lostPidFile(attempt);
  const { options, command } = attempt;
  return path === null ? null : { options: [...options, pidfileOption(path)], command };
}

/** Whether the service reloads as it is, and loses neither connections nor what the first copy wrote last. */
export function isGood({ start, reload, rewritten }: Attempt): boolean {
  return start.ok && reload !== null && reload.ok && reload.lost.length === 0 &&
    rewritten.length === 0;
}

function trials(first: Attempt): Trial[] {
  const { options, blocker, start } = first;
  const command = blocker?.isData === false ? perGenerationCommand(first, blocker) : null;
  const perGeneration = command === null ? [] : [{ options, command }];
  const isGiven = options.some((word) => word.startsWith(`--${ORDER}`)) ||
    start.order === "stop-first";
  const stopFirst = !isGiven ? [{ options: [...options, STOP_FIRST], command: first.command }] : [];
  return [...perGeneration, ...stopFirst];
}

/** @returns the command with a path of its own for each generation; null: no option of the server is known for it */
function perGenerationCommand(
  { options, command }: Attempt,
  { path, kind }: NonNullable<Attempt["blocker"]>,
): readonly string[] | null {
  if (command.some((word) => word.includes(path))) {
    return command.map((word) => word.replace(path, ofGeneration(path)));
  }
  const program = options.find((word) => word.startsWith(PRESET))?.slice(PRESET.length) ?? null;
  const { line, pidfile } = presetForCommand(command, program);
  const isLast = line.argv.every((word, at) => word === command.at(at - line.argv.length));
  if (kind !== "pid file" || pidfile?.habit !== "checks" || !isLast) return null;
  const { names, pattern } = pidfile.option ?? { names: "", pattern: null };
  const [option = ""] = names.split(" ");
  return option === "" || pattern !== null ? null : [...command, option, ofGeneration(path)];
}

/** A path for each generation: "/run/web.pid" -> "/run/web.{epoch}.pid" */
function ofGeneration(path: string): string {
  const dot = path.lastIndexOf(".");
  return dot <= path.lastIndexOf("/")
    ? `${path}.{epoch}`
    : `${path.slice(0, dot)}.{epoch}${path.slice(dot)}`;
}
