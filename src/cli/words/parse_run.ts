/** The commands that have the options of `run`. Pure but for what reads the configuration file. */
import type { Config } from "../../config/config.ts";
import type { FileValues } from "../../config/file_values.ts";
import type { ConfigSource, LoadedConfig } from "../../config/load.ts";
import { suggest } from "../../config/values/suggest.ts";
import { UserError } from "../../config/values/errors.ts";
import { OPTION_BY_FIELD } from "../../config/options.ts";
import { SAFE_DEFAULTS, safeTarget } from "../../hot_restarter/safe.ts";
import { TEMPLATE_NAMES, type TemplateName } from "../../init/names.ts";
import { optionWords, otherWords } from "./option_words.ts";
import { loadAgain, loadRun, type Surroundings } from "./surroundings.ts";
import { CONFIG_FLAG } from "./verbs.ts";
import { GUARD, GUARD_FLAGS, SAFE, WAIT_DRAIN } from "./verbs_hot_restarter.ts";
import { durationOf, type Target, targetOf, type Words } from "./words.ts";

export type ConfiguredCommand =
  | RunCommand
  | CheckCommand
  | InitCommand
  | RehearseCommand
  | HotRestarterCommand;

interface RunCommand extends ConfigSource {
  readonly verb: "run";
  readonly config: Config;
}

export interface CheckCommand {
  readonly verb: "check";
  readonly loaded: LoadedConfig;
  readonly json: boolean;
}

export interface InitCommand {
  readonly verb: "init";
  readonly template: TemplateName;
  readonly config: Config;
  /** The options as they were given, without --name. */
  readonly options: readonly string[];
  /** What was on the command line: options, but for the file, and the server's command. */
  readonly line: readonly string[];
  /** Null: no file was read. */
  readonly file: FileValues | null;
}

export interface RehearseCommand {
  readonly verb: "rehearse";
  readonly config: Config;
  /** The options of run as they were given, without --name and --runtime-dir. */
  readonly options: readonly string[];
  readonly json: boolean;
}

export interface HotRestarterCommand {
  readonly verb: "hot-restarter";
  /** Called without arguments, and not searched for in PATH. */
  readonly target: string;
  /** What `--guard` asks for; null: everything is done as Envoy's own program does it. */
  readonly guard: GuardOptions | null;
}

/** The options that count with `--guard`. */
interface GuardOptions extends Target {
  /** How long a new Envoy may take until it is LIVE. */
  readonly readyTimeoutMs: number;
  /** HUP waits until the Envoy before the newest one has ended. */
  readonly waitsForDrain: boolean;
}

export function parseConfigured(
  verb: ConfiguredCommand["verb"],
  words: Words,
  surroundings: Surroundings,
): ConfiguredCommand {
  switch (verb) {
    case "run":
      return parseRun(words, surroundings);
    case "rehearse":
      return parseRehearse(words, surroundings);
    case "check":
      return { verb, loaded: loadRun(words, surroundings), json: words.flags.has("json") };
    case "init":
      return parseInit(words, surroundings);
    case "hot-restarter":
      return parseHotRestarter(words, surroundings);
  }
}

function parseRun(
  words: Words,
  surroundings: Surroundings,
  defaults: Partial<Config> = {},
): RunCommand {
  const loaded = loadRun(words, surroundings, defaults);
  const { file } = loaded;
  const reread = file === null
    ? null
    : (directory: string) => loadAgain(words, surroundings, directory, file, defaults);
  return { verb: "run", config: loaded.config, loaded, reread };
}

function parseInit(words: Words, surroundings: Surroundings): InitCommand {
  const [word = "", ...operands] = words.operands;
  const names = TEMPLATE_NAMES;
  const template = names.find((name) => name === word);
  if (template === undefined) {
    const what = word === "" ? "Name a template" : `Unknown template "${word}"`;
    throw new UserError(`${what}: known are ${names.join(", ")}`, {
      remedy: `For example: baton init ${suggest(word, names) ?? names[0]} -- PROGRAM`,
    });
  }
  const loaded = loadRun({ ...words, operands }, surroundings);
  const options = [...optionWords(words, ["name"]), ...otherWords(words, loaded)];
  const command = operands.length === 0 ? [] : ["--", ...operands];
  const line = [...optionWords(words, [CONFIG_FLAG.flag]), ...command];
  return { verb: "init", template, config: loaded.config, options, line, file: loaded.file };
}

function parseRehearse(words: Words, surroundings: Surroundings): RehearseCommand {
  const { config } = loadRun(words, surroundings);
  const options = optionWords(words, ["name", "runtime-dir", "json"]);
  return { verb: "rehearse", config, options, json: words.flags.has("json") };
}

/** The status of Envoy's own program without a target: it ends with a Python error. */
const STATUS_NO_TARGET = 1;

/** @returns the command of `run`, where `--safe` was given */
function parseHotRestarter(
  words: Words,
  surroundings: Surroundings,
): HotRestarterCommand | RunCommand {
  const { flags, operands } = words;
  const [target] = operands;
  if (target === undefined) {
    throw new UserError("Cannot run hot-restarter: the target is missing", {
      status: STATUS_NO_TARGET,
      remedy: "Name the start script: baton hot-restarter /etc/envoy/start.sh",
    });
  }
  const guarded = flags.has(GUARD.flag);
  if (flags.has(SAFE.flag)) {
    if (!guarded && !flags.has(WAIT_DRAIN.flag)) {
      const command = [safeTarget(target)];
      return parseRun({ ...words, operands: command }, surroundings, SAFE_DEFAULTS);
    }
    const odd = guarded ? GUARD.flag : WAIT_DRAIN.flag;
    throw new UserError(`Cannot use --${odd} with --safe: the two hand over in different ways`, {
      remedy: "Use --safe alone, or without it --guard, where Envoy's own hand-over must stay",
    });
  }
  refuseWithout(flags, guarded);
  return {
    verb: "hot-restarter",
    target,
    guard: !guarded ? null : {
      ...targetOf({ ...words, operands: [] }),
      readyTimeoutMs: durationOf(words, "ready-timeout", 1) ??
        OPTION_BY_FIELD.readyTimeoutMs.default,
      waitsForDrain: flags.has(WAIT_DRAIN.flag),
    },
  };
}

/** @throws {UserError} for an option that would have no effect */
function refuseWithout(flags: Words["flags"], guarded: boolean): void {
  const [odd] = [...flags.keys()].filter((flag) =>
    flag !== GUARD.flag && !(guarded && [...GUARD_FLAGS, WAIT_DRAIN.flag].includes(flag))
  );
  if (odd === undefined) return;
  const needed = odd === WAIT_DRAIN.flag || GUARD_FLAGS.includes(odd) ? "--guard" : "--safe";
  throw new UserError(`Cannot use --${odd} with hot-restarter without ${needed}`, {
    remedy: `Add ${needed}, or remove --${odd}`,
  });
}
