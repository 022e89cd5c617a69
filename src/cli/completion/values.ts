/** What the words of a command line can be, for the completion of all shells: from the table of the commands. Pure. */
import { SIGNAL_NAMES } from "../../config/values/signals.ts";
import { TEMPLATE_NAMES } from "../../init/names.ts";
import { SHELLS } from "../words/parse_completions.ts";
import type { VerbFlag } from "../words/verb_spec.ts";
import { type Verb, VERB_NAMES, VERBS } from "../words/verbs.ts";

export type Completion =
  /** An option without a value. */
  | { readonly kind: "none" }
  /** Nothing that could be listed. */
  | { readonly kind: "text" }
  | { readonly kind: "file" | "directory" | "program" | "service" }
  | { readonly kind: "words"; readonly words: readonly string[] };

const TEXT: Completion = { kind: "text" };
const FILE: Completion = { kind: "file" };
const DIRECTORY: Completion = { kind: "directory" };
const PROGRAM: Completion = { kind: "program" };
const SERVICE: Completion = { kind: "service" };
const SIGNALS: Completion = {
  kind: "words",
  words: SIGNAL_NAMES.map((name) => name.replace("SIG", "")),
};

const BY_PLACEHOLDER: Readonly<Record<string, Completion>> = {
  FILE,
  PATH: FILE,
  DIR: DIRECTORY,
  PROGRAM,
  SIGNAL: SIGNALS,
  "SIGNAL[,SIGNAL...]": SIGNALS,
};

const BY_OPERAND: Readonly<Record<string, Completion>> = {
  "[NAME]": SERVICE,
  DIR: DIRECTORY,
  FILE,
  "[FILE]": FILE,
  TARGET: FILE,
  TEMPLATE: { kind: "words", words: TEMPLATE_NAMES },
  SHELL: { kind: "words", words: SHELLS },
  "[COMMAND]": { kind: "words", words: VERB_NAMES },
};

/** The words for which an option's placeholder stands: "auto" for "N|auto", "count" and "0" for "count|0"; none for TIME. */
function choices(placeholder: string): readonly string[] {
  const words = placeholder.split("|");
  return words.length > 1 ? words.filter((word) => word.length > 1 || /\d/.test(word)) : [];
}

export function valueOf(verb: Verb, { flag, placeholder }: VerbFlag): Completion {
  if (placeholder === null) return { kind: "none" };
  // The commands that run a server give it a new name.
  if (flag === "name" && !startsService(verb)) return SERVICE;
  const words = choices(placeholder);
  return words.length > 0 ? { kind: "words", words } : BY_PLACEHOLDER[placeholder] ?? TEXT;
}

/** The words besides options, without those of a server. */
export function operandsOf(verb: Verb): readonly Completion[] {
  const words = VERBS[verb].operands.match(/\S+/g) ?? [];
  const own = words.slice(0, takesServer(verb) ? words.findIndex(beginsServer) : words.length);
  return own.map((word) => BY_OPERAND[word] ?? TEXT);
}

/** Whether a server's command line ends that of the command. */
export function takesServer(verb: Verb): boolean {
  return VERBS[verb].operands.includes("PROGRAM");
}

function startsService(verb: Verb): boolean {
  return takesServer(verb) || verb === "hot-restarter";
}

function beginsServer(word: string): boolean {
  return word === "--" || word === "[--]" || word === "PROGRAM";
}

/** The first sentence of a help text, without its full stop. */
export function brief(help: string): string {
  const [, sentence = help] = /^(.*?)[.:;](?:\s|$)/s.exec(help) ?? [];
  return sentence;
}
