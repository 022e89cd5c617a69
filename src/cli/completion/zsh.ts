/** Completion for zsh 5, by its own `_arguments`. Pure. */
import type { VerbFlag } from "../words/verb_spec.ts";
import { type Verb, VERB_NAMES, VERBS } from "../words/verbs.ts";
import { brief, type Completion, operandsOf, takesServer, valueOf } from "./values.ts";
import { shellWord } from "../../config/servers/shell_words.ts";

function action(completion: Completion): string {
  switch (completion.kind) {
    case "file":
      return "_files";
    case "directory":
      return "_files -/";
    case "program":
      return "_command_names -e";
    case "service":
      return "_baton_services";
    case "words":
      return `(${completion.words.join(" ")})`;
    case "none":
    case "text":
      return " ";
  }
}

/** Text between the brackets or colons of a specification. */
function escape(text: string): string {
  return text.replaceAll(/[\\[\]:]/g, (character) => `\\${character}`);
}

function flagSpec(verb: Verb, flag: VerbFlag): string {
  const value = valueOf(verb, flag);
  const repeat = flag.repeatable === true ? "*" : "";
  const head = `${repeat}--${flag.flag}${value.kind === "none" ? "" : "="}[${
    escape(brief(flag.help))
  }]`;
  if (value.kind === "none") return head;
  return `${head}:${escape(flag.placeholder ?? "")}:${action(value)}`;
}

function verbFunction(verb: Verb): string {
  const operands = operandsOf(verb).map((value, place) => `${place + 1}:word:${action(value)}`);
  const specs = [
    "(- *)--help[Show the help of this command]",
    ...VERBS[verb].flags.map((flag) => flagSpec(verb, flag)),
    ...operands,
    // Its own completion, from its first word on.
    ...takesServer(verb) ? ["*:::server:_normal"] : [],
  ];
  return [
    `_baton_${verb}() {`,
    // -S: no option behind "--".
    "  _arguments -S \\",
    ...specs.map((spec, index) => `    ${shellWord(spec)}${index < specs.length - 1 ? " \\" : ""}`),
    "}",
    "",
  ].join("\n");
}

export function zshCompletion(): string {
  return [
    "#compdef baton",
    "# Completion of baton for zsh, made by 'baton completions zsh'.",
    "",
    "_baton_services() {",
    "  local -a services",
    "  local directory=${opt_args[--runtime-dir]:-}",
    '  services=(${(f)"$($_baton_program __services "$directory" 2>/dev/null)"})',
    "  _describe -t services 'running service' services",
    "}",
    "",
    ...VERB_NAMES.map(verbFunction),
    "_baton() {",
    "  local context state state_descr line",
    "  local _baton_program=$words[1]",
    "  typeset -A opt_args",
    // Not "commands", which is zsh's own.
    "  local -a verbs",
    "  _arguments -C '(- *)--help[Show all commands]' '(- *)--version[Show the version]' \\",
    "    '1:command:->command' '*::argument:->argument'",
    "  case $state in",
    "    command)",
    "      verbs=(",
    ...VERB_NAMES.map((verb) =>
      `        ${shellWord(`${verb}:${brief(VERBS[verb].summary).replaceAll(":", "\\:")}`)}`
    ),
    "      )",
    "      _describe -t commands command verbs",
    "      ;;",
    "    argument)",
    "      (( $+functions[_baton_$words[1]] )) && _baton_$words[1]",
    "      ;;",
    "  esac",
    "}",
    "",
    "# Sourced, or loaded from fpath at the first completion.",
    'if [[ $funcstack[1] == _baton ]]; then _baton "$@"; else compdef _baton baton; fi',
    "",
  ].join("\n");
}
