/** The help text, made from the table of the commands: every line fits into 80 columns. Prints nothing. */
import { OPTION_GROUPS } from "../../config/options.ts";
import type { VerbFlag } from "./verb_spec.ts";
import { type Verb, VERB_NAMES, VERBS } from "./verbs.ts";

const WIDTH = 80;
/** Column at which the text of an option begins; a longer option gets its own line. */
const TEXT_COLUMN = 26;
const INDENT = 2;
const TIME_NOTE = "TIME is a number with a unit: 500ms, 2s, 1m30s, 1h; without a unit, seconds.";

/** Breaks a text into lines of at most `width` characters; a longer word stays whole. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** An indented term with its wrapped text beside it, or below it when the term is long. */
function entry(term: string, text: string): string[] {
  const lines = wrap(text, WIDTH - TEXT_COLUMN).map((line) => " ".repeat(TEXT_COLUMN) + line);
  const head = " ".repeat(INDENT) + term;
  if (head.length > TEXT_COLUMN - INDENT) return [head, ...lines];
  const [first = "", ...rest] = lines;
  return [head + first.slice(head.length), ...rest];
}

/** A heading with its lines; nothing without lines. */
function section(heading: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", `${heading}:`, ...lines];
}

function flagEntry({ flag, placeholder, help }: VerbFlag): string[] {
  return entry(placeholder === null ? `--${flag}` : `--${flag} ${placeholder}`, help);
}

function exampleLines(verbs: readonly Verb[]): string[] {
  return verbs.flatMap((verb) => VERBS[verb].examples)
    .flatMap(([line, what]) => [`# ${what}`, line])
    .map((line) => " ".repeat(INDENT) + line);
}

function programHelp(): string[] {
  return [
    "Usage: baton COMMAND [OPTION...]",
    "",
    ...wrap(
      "Restarts and upgrades any server without dropping a connection: a new generation starts " +
        "beside the old one and takes over when it is ready; the old one stops when its " +
        "connections have finished.",
      WIDTH,
    ),
    ...section("Commands", VERB_NAMES.flatMap((verb) => entry(verb, VERBS[verb].summary))),
    ...section("Options", [
      ...entry("-h, --help", "Show this text; after a command, the help of that command."),
      ...entry("-V, --version", "Show the version."),
    ]),
    ...section("Examples", exampleLines(["run", "reload"])),
  ];
}

function verbHelp(verb: Verb): string[] {
  const { summary, operands, flags } = VERBS[verb];
  const usage = ["Usage: baton", verb, "[OPTION...]", operands].filter((word) => word !== "");
  const general = flags.filter((flag) => flag.group === undefined).flatMap(flagEntry);
  const help = entry("-h, --help", "Show this text.");
  return [
    usage.join(" "),
    "",
    ...wrap(summary, WIDTH),
    ...section("Options", [...general, ...help]),
    ...OPTION_GROUPS.flatMap((group) =>
      section(group, flags.filter((flag) => flag.group === group).flatMap(flagEntry))
    ),
    ...(flags.some((flag) => flag.placeholder === "TIME") ? ["", ...wrap(TIME_NOTE, WIDTH)] : []),
    ...section("Examples", exampleLines([verb])),
  ];
}

/** @param topic a command, or null for the program itself @returns lines of at most 80 columns, and a newline */
export function helpText(topic: Verb | null): string {
  return (topic === null ? programHelp() : verbHelp(topic)).join("\n") + "\n";
}
