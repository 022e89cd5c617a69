/**
 * The words of the command line -> one typed command.
 *
 * Pure: the caller passes in the function that reads a configuration file.
 */
import { UserError } from "../../config/values/errors.ts";
import { suggest } from "../../config/values/suggest.ts";
import {
  type InstallCommand,
  parseInstall,
  parsePrestop,
  type PrestopCommand,
} from "./parse_pod.ts";
import { type CompletionsCommand, parseCompletions } from "./parse_completions.ts";
import { type ConfiguredCommand, parseConfigured } from "./parse_run.ts";
import { isLess, parseScale, type ScaleCommand } from "./parse_scale.ts";
import { parseTrial, type ReloadRollout, reloadRollout, type TrialCommand } from "./parse_trial.ts";
import { asksForVersion } from "./early_words.ts";
import { splitWords } from "./split_words.ts";
import { parseWatch, type WatchCommand } from "./parse_watch.ts";
import type { Surroundings } from "./surroundings.ts";
import { type Verb, VERB_NAMES, VERBS } from "./verbs.ts";
import { type ServiceCommand, serviceCommand } from "./words.ts";

/** What the user wants. */
export type Command =
  | ConfiguredCommand
  | { readonly verb: "schema" }
  | ReloadCommand
  | TrialCommand
  | ScaleCommand
  | UpgradeCommand
  | ServiceCommand<"stop">
  | WatchCommand
  | PrestopCommand
  | InstallCommand
  | { readonly verb: "doctor"; readonly json: boolean }
  | CompletionsCommand
  /** `topic` null: help on the program itself. */
  | { readonly verb: "help"; readonly topic: Verb | null }
  | { readonly verb: "version" };

export interface ReloadCommand extends ServiceCommand<"reload"> {
  readonly how: ReloadRollout;
}

export interface UpgradeCommand extends ServiceCommand<"upgrade"> {
  /** Program of the new baton; null: that of the running one, as it is on disk now. */
  readonly exec: string | null;
  /** The running process becomes the new baton, instead of starting it beside itself. */
  readonly inPlace: boolean;
}

/** Commands of other tools -> those of baton. */
const OTHER_TOOLS: ReadonlyMap<string, Verb> = new Map([
  ["restart", "reload"],
  ["start", "run"],
  ["exec", "run"],
  ["kill", "stop"],
  ["quit", "stop"],
  ["ps", "status"],
  ["watch", "top"],
  ["config", "check"],
  ["validate", "check"],
  ["try", "rehearse"],
  ["test", "check"],
  ["abort", "rollback"],
  ["undo", "rollback"],
  ["weight", "canary"],
  ["workers", "scale"],
]);

function parseVerb(word: string): Verb {
  const verb = VERB_NAMES.find((known) => known === word);
  if (verb !== undefined) return verb;
  const near = OTHER_TOOLS.get(word) ?? suggest(word, VERB_NAMES);
  const question = near === null ? "" : `: did you mean ${near}?`;
  if (word.startsWith("-")) {
    throw new UserError(`Unknown option ${word} before the command`, {
      remedy: "Name the command first, for example: baton run [OPTION...] -- PROGRAM",
    });
  }
  throw new UserError(`Unknown command "${word}"${question}`, {
    remedy: near === null
      ? `To run a server: baton run -- ${word}`
      : "See 'baton --help' for all commands",
  });
}

/** @param argv the words after `baton` @throws {UserError} for anything that is not a complete command */
export function parseCommandLine(
  argv: readonly string[],
  readConfig: Surroundings["readConfig"],
  { env = {}, findConfig = () => null, readJar = () => null }: Partial<Surroundings> = {},
): Command {
  const [first, ...rest] = argv;
  if (first === undefined || first === "--help" || first === "-h") {
    return { verb: "help", topic: null };
  }
  if (asksForVersion(argv)) return { verb: "version" };
  const verb = parseVerb(first);
  // `baton scale -1` has a number that looks like an option.
  const less = verb === "scale" ? rest.filter(isLess) : [];
  const { operands, ...others } = splitWords(verb, rest.filter((word) => !less.includes(word)));
  const words = { ...others, operands: [...less, ...operands], env };
  if (words.help) return { verb: "help", topic: verb };
  const shape = VERBS[verb].operands;
  const extra = shape.includes("...")
    ? undefined
    : words.operands[shape.match(/\S+/g)?.length ?? 0];
  if (extra !== undefined) {
    throw new UserError(`Unexpected word "${extra}" for ${verb}`, {
      remedy: `See 'baton ${verb} --help'`,
    });
  }
  switch (verb) {
    case "run":
    case "rehearse":
    case "check":
    case "init":
    case "hot-restarter":
      return parseConfigured(verb, words, { env, readConfig, findConfig, readJar });
    case "schema":
      return { verb };
    case "reload":
      return { how: reloadRollout(words), ...serviceCommand(verb, words) };
    case "promote":
    case "rollback":
    case "canary":
      return parseTrial(verb, words);
    case "scale":
      return parseScale(words);
    case "upgrade": {
      const exec = words.flags.get("exec")?.[0] ?? null;
      return { ...serviceCommand(verb, words), exec, inPlace: words.flags.has("in-place") };
    }
    case "status":
    case "stats":
    case "top":
    case "events":
    case "ready":
      return parseWatch(verb, words);
    case "stop":
      return serviceCommand(verb, words);
    case "prestop":
      return parsePrestop(words);
    case "install":
      return parseInstall(words);
    case "doctor":
      return { verb, json: words.flags.has("json") };
    case "completions":
      return parseCompletions(words);
    case "help": {
      const topic = words.operands[0];
      return { verb, topic: topic === undefined ? null : parseVerb(topic) };
    }
    case "version":
      return { verb };
  }
}
