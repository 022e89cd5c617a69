/** Completion for fish 3.0 and later. Pure. */
import type { VerbFlag } from "../words/verb_spec.ts";
import { type Verb, VERB_NAMES, VERBS } from "../words/verbs.ts";
import { brief, type Completion, operandsOf, takesServer, valueOf } from "./values.ts";

/** fish knows two escapes in single quotes. */
function quote(text: string): string {
  return `'${text.replaceAll(/[\\']/g, (character) => `\\${character}`)}'`;
}

const FUNCTIONS = `
# The words before the cursor from the server's first one on, each on a line; status 1: there are none.
function __baton_server
    set -l words (commandline -opc)
    set -l verb $words[2]
    contains -- "$verb" $__baton_servers; or return 1
    set -l at 3
    while test $at -le (count $words)
        set -l word $words[$at]
        if test "$word" = --
            test $at -lt (count $words); and printf '%s\\n' $words[(math $at + 1)..-1]
            return 0
        else if string match -q -- '-?*' $word
            contains -- $word $__baton_valued; and set at (math $at + 1)
        else if contains -- "$verb" $__baton_separated
        else
            printf '%s\\n' $words[$at..-1]
            return 0
        end
        set at (math $at + 1)
    end
    return 1
end

# Whether this is a command's own word: baton VERB ... without a server so far.
function __baton_in
    set -l words (commandline -opc)
    contains -- "$words[2]" $argv; and not __baton_server >/dev/null
end

# Whether so many words besides options have been typed behind the command.
function __baton_operands
    set -l words (commandline -opc)
    set -l count 0
    set -l at 3
    while test $at -le (count $words)
        if string match -q -- '-?*' $words[$at]
            contains -- $words[$at] $__baton_valued; and set at (math $at + 1)
        else
            set count (math $count + 1)
        end
        set at (math $at + 1)
    end
    test $count -eq $argv[1]
end

function __baton_begins_server
    set -l words (commandline -opc)
    contains -- "$words[2]" $__baton_servers
    and not contains -- "$words[2]" $__baton_separated
    and not __baton_server >/dev/null
end

# What the server's own completion says.
function __baton_complete_server
    set -l words (__baton_server)
    set -l line (string escape -- $words) (commandline -ct)
    complete -C (string join ' ' -- $line)
end

function __baton_services
    set -l words (commandline -opc)
    set -l directory ''
    for at in (seq (count $words))
        test $words[$at] = --runtime-dir; and set directory $words[(math $at + 1)]
    end
    command -q $words[1]; and command $words[1] __services "$directory" 2>/dev/null
end
`.trim();

function action(completion: Completion): string[] {
  switch (completion.kind) {
    case "none":
      return [];
    case "text":
      return ["-x"];
    case "file":
      return ["-r", "-F"];
    case "directory":
      return ["-x", "-a", "'(__fish_complete_directories (commandline -ct))'"];
    case "program":
      return ["-x", "-a", "'(__fish_complete_command)'"];
    case "service":
      return ["-x", "-a", "'(__baton_services)'"];
    case "words":
      return ["-x", "-a", quote(completion.words.join(" "))];
  }
}

/** One line for all commands in which an option is the same. */
function flagLines(): string[] {
  const verbs = new Map<string, Verb[]>();
  for (const verb of VERB_NAMES) {
    for (const flag of VERBS[verb].flags) {
      const words = flagWords(verb, flag);
      verbs.set(words, [...verbs.get(words) ?? [], verb]);
    }
  }
  return [...verbs].map(([words, names]) =>
    `complete -c baton -n ${quote(`__baton_in ${names.join(" ")}`)} ${words}`
  );
}

function flagWords(verb: Verb, flag: VerbFlag): string {
  const description = quote(brief(flag.help));
  return ["-l", flag.flag, ...action(valueOf(verb, flag)), "-d", description].join(" ");
}

function operandLines(verb: Verb): string[] {
  return operandsOf(verb).flatMap((value, place) => {
    const words = action(value).filter((word) => word !== "-x" && word !== "-r");
    if (words.length === 0) return [];
    const condition = quote(`__baton_in ${verb}; and __baton_operands ${place}`);
    return [["complete -c baton -n", condition, ...words].join(" ")];
  });
}

export function fishCompletion(): string {
  const servers = VERB_NAMES.filter(takesServer);
  const separated = servers.filter((verb) => operandsOf(verb).length > 0);
  const valued = VERB_NAMES.flatMap((verb) => VERBS[verb].flags)
    .filter(({ placeholder }) => placeholder !== null).map(({ flag }) => `--${flag}`);
  return [
    "# Completion of baton for fish, made by 'baton completions fish'.",
    `set -g __baton_servers ${servers.join(" ")}`,
    `set -g __baton_separated ${separated.join(" ")}`,
    `set -g __baton_valued ${[...new Set(valued)].join(" ")}`,
    "",
    FUNCTIONS,
    "",
    "complete -c baton -f",
    "complete -c baton -n '__baton_server >/dev/null' -a '(__baton_complete_server)'",
    "complete -c baton -n __baton_begins_server -a '(__fish_complete_command)'",
    "complete -c baton -n __fish_use_subcommand -s h -l help -d 'Show all commands'",
    "complete -c baton -n __fish_use_subcommand -s V -l version -d 'Show the version'",
    `complete -c baton -n ${quote(`__baton_in ${VERB_NAMES.join(" ")}`)} -s h -l help -d ` +
    quote("Show the help of this command"),
    ...VERB_NAMES.map((verb) =>
      `complete -c baton -n __fish_use_subcommand -a ${verb} -d ${
        quote(brief(VERBS[verb].summary))
      }`
    ),
    ...flagLines(),
    ...VERB_NAMES.flatMap(operandLines),
    "",
  ].join("\n");
}
