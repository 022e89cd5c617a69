/** The commands that have the options of `run`. Pure but for what reads the configuration file. */
import type { Config } from "../../config/config.ts";
import type { ConfigSource, LoadedConfig } from "../../config/load.ts";
import { suggest } from "../../config/values/suggest.ts";
import { UserError } from "../../config/values/errors.ts";
import { TEMPLATE_NAMES, type TemplateName } from "../../init/names.ts";
import { optionWords, otherWords } from "./option_words.ts";
import { loadAgain, loadRun, type Surroundings } from "./surroundings.ts";
import type { Words } from "./words.ts";

export type ConfiguredCommand = RunCommand | CheckCommand | InitCommand | RehearseCommand;

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
}

export interface RehearseCommand {
  readonly verb: "rehearse";
  readonly config: Config;
  /** Those of run as they were given, without --name and --runtime-dir. */
  readonly options: readonly string[];
  readonly json: boolean;
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
  }
}

function parseRun(words: Words, surroundings: Surroundings): RunCommand {
  const loaded = loadRun(words, surroundings);
  const { file } = loaded;
  const reread = file === null
    ? null
    : (directory: string) => loadAgain(words, surroundings, directory, file);
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
  return { verb: "init", template, config: loaded.config, options };
}

function parseRehearse(words: Words, surroundings: Surroundings): RehearseCommand {
  const { config } = loadRun(words, surroundings);
  const options = optionWords(words, ["name", "runtime-dir", "json"]);
  return { verb: "rehearse", config, options, json: words.flags.has("json") };
}
