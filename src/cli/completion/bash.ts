/**
 * Completion for bash 4.2 and later. It works without the package bash-completion; with it, the server's own words are
 * completed by that server's completion. Pure.
 */
import { type Verb, VERB_NAMES, VERBS } from "../words/verbs.ts";
import { type Completion, operandsOf, takesServer, valueOf } from "./values.ts";
import { shellWord } from "../../config/servers/shell_words.ts";

/** Sets `option` and `place`, or completes the server's words: options, and how many operands there have been. */
const WALK = `
# Sets COMPREPLY to those of the words that begin with what has been typed.
_baton_words() {
  mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

_baton_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen "$1" -- "$cur")
}

_baton_services() {
  _baton_words "$("$program" __services "$directory" 2>/dev/null)"
}

# The words from this one on are those of a server.
_baton_server() {
  if declare -F _comp_command_offset >/dev/null; then
    _comp_command_offset "$1"
  elif declare -F _command_offset >/dev/null; then
    _command_offset "$1"
  elif ((COMP_CWORD == $1)); then
    _baton_files -c
  else
    _baton_files -f
  fi
}

_baton() {
  local program=$1 cur=\${COMP_WORDS[COMP_CWORD]} verb=\${COMP_WORDS[1]}
  local flags='' valued='' has_server='' separator='' directory='' option='' word index place=0
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    _baton_words "$_baton_verbs --help --version"
    return
  fi
  _baton_verb "$verb"
  # bash splits words at "=": --config=x is three.
  for ((index = 2; index < COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    if [[ $word == -- ]]; then
      [[ -n $has_server ]] && _baton_server $((index + 1))
      return
    elif [[ $word == -?* ]]; then
      [[ $valued == *" $word "* || \${COMP_WORDS[index + 1]} == '=' ]] || continue
      if [[ \${COMP_WORDS[index + 1]} == '=' ]]; then ((index++)); fi
      if ((index + 1 >= COMP_CWORD)); then
        option=$word
        break
      fi
      ((index++))
      if [[ $word == --runtime-dir ]]; then directory=\${COMP_WORDS[index]}; fi
    elif [[ -n $has_server && -z $separator ]]; then
      _baton_server "$index"
      return
    else
      ((place++))
    fi
  done
  if [[ -n $option ]]; then
    if [[ $cur == '=' ]]; then cur=''; fi
    _baton_value "$verb $option"
  elif [[ $cur == -* ]]; then
    _baton_words "$flags --help"
  elif [[ -n $has_server && -z $separator ]]; then
    _baton_server "$COMP_CWORD"
  else
    _baton_operand "$verb $place"
  fi
}

complete -F _baton baton
`.trimStart();

function action(completion: Completion): string | null {
  switch (completion.kind) {
    case "file":
      return "_baton_files -f";
    case "directory":
      return "_baton_files -d";
    case "program":
      return "_baton_files -c";
    case "service":
      return "_baton_services";
    case "words":
      return `_baton_words ${shellWord(completion.words.join(" "))}`;
    case "none":
    case "text":
      return null;
  }
}

function verbCase(verb: Verb): string {
  const { flags } = VERBS[verb];
  const names = (isValued: boolean) =>
    flags.filter(({ placeholder }) => !isValued || placeholder !== null)
      .map(({ flag }) => `--${flag}`).join(" ");
  const server = takesServer(verb) ? " has_server=1" : "";
  // Operands of its own come first, and then "--" must separate the server's.
  const separator = takesServer(verb) && operandsOf(verb).length > 0 ? " separator=1" : "";
  return `    ${verb}) flags=${shellWord(names(false))} valued=${
    shellWord(` ${names(true)} `)
  }${server}${separator} ;;`;
}

/** A function with one case for all the keys that have the same action. */
function cases(name: string, actions: readonly (readonly [key: string, Completion])[]): string {
  const keys = new Map<string, string[]>();
  for (const [key, completion] of actions) {
    const text = action(completion);
    if (text !== null) keys.set(text, [...keys.get(text) ?? [], shellWord(key)]);
  }
  const lines = [...keys].map(([text, patterns]) => `    ${patterns.join(" | ")}) ${text} ;;`);
  return [`${name}() {`, `  case $1 in`, ...lines, "  esac", "}", ""].join("\n");
}

export function bashCompletion(): string {
  const values = VERB_NAMES.flatMap((verb) =>
    VERBS[verb].flags.map((flag) => [`${verb} --${flag.flag}`, valueOf(verb, flag)] as const)
  );
  const operands = VERB_NAMES.flatMap((verb) =>
    operandsOf(verb).map((operand, place) => [`${verb} ${place}`, operand] as const)
  );
  return [
    "# shellcheck shell=bash",
    "# Completion of baton for bash, made by 'baton completions bash'.",
    `_baton_verbs=${shellWord(VERB_NAMES.join(" "))}`,
    "",
    "# Its variables are those of _baton.",
    "# shellcheck disable=SC2034",
    ["_baton_verb() {", "  case $1 in", ...VERB_NAMES.map(verbCase), "  esac", "}", ""].join("\n"),
    cases("_baton_value", values),
    cases("_baton_operand", operands),
    WALK,
  ].join("\n");
}
