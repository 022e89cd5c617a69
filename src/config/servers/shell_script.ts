/**
 * Which program a shell runs in the end: `sh -c 'cd /srv && exec nginx'`. Enough of the shell's language for the scripts
 * that people write in a service file; what is beyond it (functions, loops) leads to no answer, or to the last command.
 * Pure.
 */
import { baseName } from "./wrappers.ts";

/** The last program that a script starts. */
interface LastCommand {
  /** Its words, without assignments and redirections; variables stay as they are written. */
  readonly words: readonly string[];
  /**
   * Whether it is started by `exec`: the shell becomes it. Otherwise that is up to the shell: bash often does, dash
   * does not.
   */
  readonly isExec: boolean;
}

const SHELL = /^((r?ba|da|a|z|k|mk|pdk|ya|fi)?sh|busybox)$/;
/** Words of the language before a command, and those after the last one. */
const OPENING = "then do else elif if while until { ( !";
const CLOSING = "fi done esac } )";
/** Words of the language that start no program. */
const BUILTINS =
  "cd export set unset trap umask ulimit wait exit return true false : . source eval read shift echo printf test [ local";
const OPERATOR = /^(\|\||&&|;;|[;&|\n()])/;
const REDIRECTION = /^\d*(>>|>\||>&|<&|<<-?|<>|>|<|&>>?)/;
const ASSIGNMENT = /^[A-Za-z_]\w*\+?=/;

export function isShell(program: string): boolean {
  return SHELL.test(baseName(program));
}

/**
 * @param argv of a shell
 * @returns the text after `-c`, and the words after that ($0, $1, ...); null without -c
 */
function inlineScript(argv: readonly string[]): { script: string; args: readonly string[] } | null {
  let isInline = false;
  for (let at = 1; at < argv.length; at++) {
    const word = argv[at] ?? "";
    if (/^[-+][A-Za-z]/.test(word)) {
      if (/^-[a-z]*c/i.test(word)) isInline = true;
      // `-o pipefail`, also at the end of a cluster.
      if (/^[-+][A-Za-z]*[oO]$/.test(word)) at++;
    } else if (/^--(rcfile|init-file)$/.test(word)) at++;
    else if (!word.startsWith("--")) {
      return isInline ? { script: word, args: argv.slice(at + 1) } : null;
    }
  }
  return null;
}

/** @returns null when `argv` is no shell with -c, or its script starts no program */
export function lastCommand(argv: readonly string[]): LastCommand | null {
  if (!isShell(argv[0] ?? "")) return null;
  const inline = inlineScript(argv);
  if (inline === null) return null;
  const commands = splitCommands(inline.script).filter(({ isFilter }) => !isFilter)
    .map(({ words, isJob }) => ({
      ...programOf(words.flatMap((word) => expand(word, inline.args))),
      isJob,
    }));
  const found = commands.findLast(({ words }) => words.length > 0);
  if (found === undefined) return null;
  return { words: found.words, isExec: found.isExec && !found.isJob };
}

/** `exec "$0" "$@"`, as scripts of images end. */
function expand(word: string, args: readonly string[]): readonly string[] {
  if (word === "$@" || word === "$*") return args.slice(1);
  return word === "$0" ? args.slice(0, 1) : [word];
}

function programOf(words: readonly string[]): LastCommand {
  const isOne = (list: string, word = "") => list.split(" ").includes(word);
  let rest = words;
  while (isOne(OPENING, rest[0])) rest = rest.slice(1);
  while (ASSIGNMENT.test(rest[0] ?? "")) rest = rest.slice(1);
  const isExec = rest[0] === "exec";
  if (isExec) {
    rest = rest.slice(1);
    while (/^-[acl]+$/.test(rest[0] ?? "")) rest = rest.slice(/a/.test(rest[0]!) ? 2 : 1);
  } else if (isOne(BUILTINS, rest[0]) || isOne(CLOSING, rest[0])) return { words: [], isExec };
  return { words: rest, isExec };
}

interface ShellCommand {
  readonly words: readonly string[];
  /** Whether it runs in the background, or at the beginning of a pipe: the shell stays, exec or not. */
  readonly isJob: boolean;
  /** Whether it reads what the command before it prints: `| tee log`. */
  readonly isFilter: boolean;
}

/** Splits a script into its commands, and these into words without their quotes. */
function splitCommands(script: string): ShellCommand[] {
  const commands: ShellCommand[] = [];
  let words: string[] = [];
  let isFilter = false;
  const end = (operator: string) => {
    commands.push({ words, isJob: operator === "&" || operator === "|", isFilter });
    isFilter = operator === "|";
    words = [];
  };
  let rest = script.replaceAll("\\\n", "");
  for (let skipsWord = false; rest !== "";) {
    const blank = /^[ \t]+/.exec(rest) ?? /^#[^\n]*/.exec(rest);
    const redirection = REDIRECTION.exec(rest);
    const operator = OPERATOR.exec(rest);
    if (blank !== null) rest = rest.slice(blank[0].length);
    else if (redirection !== null) {
      skipsWord = true;
      rest = rest.slice(redirection[0].length);
    } else if (operator !== null) {
      end(operator[0]);
      rest = rest.slice(operator[0].length);
    } else {
      const { word, length } = readWord(rest);
      if (!skipsWord) words.push(word);
      skipsWord = false;
      rest = rest.slice(length);
    }
  }
  end("");
  return commands;
}

/** @returns the word at the beginning of `text`, and how long it is there with its quotes */
function readWord(text: string): { word: string; length: number } {
  let word = "";
  let at = 0;
  for (; at < text.length; at++) {
    const letter = text[at]!;
    if (/[ \t\n;&|()<>]/.test(letter)) break;
    if (letter === "\\") word += text[++at] ?? "";
    else if (letter === "'") {
      const close = text.indexOf("'", at + 1);
      const until = close < 0 ? text.length : close;
      word += text.slice(at + 1, until);
      at = until;
    } else if (letter === '"') {
      for (at++; at < text.length && text[at] !== '"'; at++) {
        if (text[at] === "\\" && /["\\$`]/.test(text[at + 1] ?? "")) at++;
        word += text[at] ?? "";
      }
    } else if (letter === "$" && text[at + 1] === "(") {
      const close = text.indexOf(")", at);
      const until = close < 0 ? text.length : close + 1;
      word += text.slice(at, until);
      at = until - 1;
    } else word += letter;
  }
  // A text that is no word, such as a single ">", is passed over: each call makes progress.
  return { word, length: Math.max(1, at) };
}
