/**
 * What baton knows about the server of a command: its stop signal and whether that is graceful, how long it may take, what
 * it exits with then, the meaning of SIGUSR1. baton drains an unlisted server from outside (quiesce), then sends SIGTERM,
 * and never sends SIGUSR1, whose default action is to kill. Options override everything here. Pure.
 */
import { type CommandLine, commandLine } from "./servers/command_line.ts";
import { interpreterOf, scriptIndex } from "./servers/interpreters.ts";
import { pidfilePath } from "./servers/pidfile_path.ts";
import {
  type Goodbye,
  type Pidfile,
  PRESET_ROWS,
  type Usr1Meaning,
} from "./servers/preset_table.ts";
import { isSpringBootJar, isSpringBootLoader, jarOf } from "./servers/spring_boot.ts";
import { baseName, has } from "./servers/wrappers.ts";
import { UserError } from "./values/errors.ts";
import type { SignalName } from "./values/signals.ts";
import { suggest } from "./values/suggest.ts";

/** `--server-pidfile none` */
export const NO_PIDFILE = "none";

const SPRING_BOOT = "spring-boot";

/** The entry of one program. */
interface Preset {
  /** Main name in the table, or the base name of a program that is not in it. */
  readonly program: string;
  /** All names in the table, the main name first. */
  readonly names: readonly string[];
  readonly stopSignal: SignalName;
  /** At `stopSignal` the server itself stops accepting and finishes its requests in flight. */
  readonly graceful: boolean;
  /** For `--usr1 auto`, which forwards the signal for "reopen" and "forward", not for "ignore". */
  readonly usr1: Usr1Meaning;
  /** One line for documentation and logs. */
  readonly note: string;
  /** The place in the server's documentation that says so; null: unlisted. */
  readonly source: string | null;
  /** From the stop signal to KILL; null: the default. */
  readonly stopTimeMs: number | null;
  /** Exit statuses besides 0 that are no failure at the stop signal. */
  readonly cleanExit: readonly number[];
  readonly pidfile: Pidfile | null;
  /** How it says goodbye to its clients; null: it has no way, or none is known. */
  readonly goodbye: Goodbye | null;
}

/** The preset of the server in a command, and what stands in front of it. */
export interface CommandPreset extends Preset {
  readonly line: CommandLine;
}

/** Every preset, in the order of the documentation. */
export const PRESETS: readonly Preset[] = PRESET_ROWS.map(
  ([words, stopSignal, end, usr1, note, source, extras = {}]): Preset => {
    const names = words.split(" ");
    const [habit, option, pattern = null] = extras.pidfile ?? [];
    const own = extras.ownPidfile ?? null;
    return {
      program: names[0]!,
      names,
      stopSignal,
      graceful: end === "graceful",
      usr1,
      note,
      source,
      stopTimeMs: extras.stopTimeMs ?? null,
      cleanExit: extras.cleanExit ?? [],
      goodbye: extras.goodbye ?? null,
      pidfile: habit === undefined
        ? null
        : { habit, option: option === undefined ? null : { names: option, pattern }, own },
    };
  },
);

const PRESET_BY_NAME: ReadonlyMap<string, Preset> = new Map(
  PRESETS.flatMap((preset) => preset.names.map((name) => [name, preset])),
);

/** Looks up the exact name, then the name without a version: `apache2` is a name, `python3.11` is not. */
function presetByName(name: string): Preset | null {
  const unversioned = name.replace(/[-_]?\d+(\.\d+)*$/, "");
  return PRESET_BY_NAME.get(name) ?? PRESET_BY_NAME.get(unversioned) ?? null;
}

/** The program that a command line runs in the end. */
interface CommandTarget {
  /** The program after wrappers such as `env`, and behind a shell: a path or a name. */
  readonly program: string;
  /** The script, module or archive that `program` interprets; null: it is not an interpreter. */
  readonly script: string | null;
}

/** @param argv program and arguments */
export function commandTarget(argv: readonly string[]): CommandTarget {
  return targetOf(commandLine(argv).argv);
}

function targetOf([program = "", ...words]: readonly string[]): CommandTarget {
  const interpreter = interpreterOf(presetByName(baseName(program))?.program ?? "");
  if (interpreter === null) return { program, script: null };
  return { program, script: words[scriptIndex(interpreter, words)] ?? null };
}

/**
 * @param program name or path, with or without a version: `python3.11`, `php-fpm8.2`, `node20`
 * @returns the preset, or a cautious one for an unlisted program
 */
export function presetFor(program: string): Preset {
  const name = baseName(program);
  return presetByName(name) ?? {
    program: name,
    names: [name],
    stopSignal: "SIGTERM",
    graceful: false,
    usr1: "ignore",
    note: "unlisted: drained from outside, then TERM",
    source: null,
    stopTimeMs: null,
    cleanExit: [],
    pidfile: null,
    goodbye: null,
  };
}

/**
 * Finds a known server behind its interpreter too: `python3 -m gunicorn`. What stays in front of it keeps signals that it
 * does not pass on: the server is stopped as an unlisted one then.
 *
 * @param program what it is in the end, where the command does not show that (--preset)
 */
export function presetForCommand(
  argv: readonly string[],
  program: string | null = null,
): CommandPreset {
  const line = commandLine(argv);
  if (program !== null) return { ...presetFor(program), line };
  const preset = presetOf(line.argv);
  const { front, behindShell } = line;
  const passes = (signal: SignalName) =>
    front === null || front.way === "relays" && (front.signals?.includes(signal) ?? true);
  const isReached = passes(preset.stopSignal);
  return {
    ...preset,
    ...isReached ? {} : { stopSignal: "SIGTERM", graceful: false },
    // A shell that is in front dies of SIGUSR1.
    usr1: passes("SIGUSR1") && behindShell === null ? preset.usr1 : "ignore",
    line,
  };
}

/**
 * @param readJar the first bytes of a jar
 * @returns what --preset would be for a command that does not show it; null: it shows it, or nothing is known
 */
export function presetByFile(
  argv: readonly string[],
  readJar: (path: string) => Uint8Array | null,
): string | null {
  const jar = jarOf(argv);
  return jar !== null && isSpringBootJar(readJar(jar)) ? SPRING_BOOT : null;
}

/** `--preset`: a program that the table has. */
export function parsePresetName(text: string): string {
  const preset = presetByName(text);
  if (preset !== null) return preset.program;
  const near = suggest(text, [...PRESET_BY_NAME.keys()]);
  throw new UserError(`Cannot use preset ${JSON.stringify(text)}: baton knows no such program`, {
    remedy: near === null ? "docs/presets.md lists them" : `Did you mean ${near}?`,
  });
}

/** @returns the server's pid file that baton keeps; null: none */
export function keptPidfile(
  { serverPidfile }: { readonly serverPidfile: string | null },
  { pidfile, line }: CommandPreset,
): string | null {
  if (serverPidfile === NO_PIDFILE) return null;
  return serverPidfile ?? pidfilePath(pidfile, line.argv.slice(1));
}

function presetOf(argv: readonly string[]): Preset {
  const { program, script } = targetOf(argv);
  const own = presetFor(program);
  if (script === null) return own;
  if (own.program === "java" && isSpringBootLoader(script)) return presetFor(SPRING_BOOT);
  // `-m gunicorn.app.wsgiapp` is gunicorn; a script "gunicorn.py" can be anything.
  const isPath = script.includes("/") || /\.(py|rb|pl)$/.test(script);
  const name = isPath ? baseName(script) : script.split(".")[0] ?? script;
  const server = presetByName(name);
  return server !== null && has(interpreterOf(own.program)?.servers, server.program) ? server : own;
}
