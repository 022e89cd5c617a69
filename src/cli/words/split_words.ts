/**
 * The words of one verb -> its options and operands. Pure. Everything from the first word of the server's command on
 * belongs to the server, with or without `--`. `parseArgs` tells options from operands; the checks, and so the messages,
 * are here.
 */
import { parseArgs } from "@std/cli/parse-args";
import { UserError } from "../../config/values/errors.ts";
import { suggest } from "../../config/values/suggest.ts";
import type { VerbFlag } from "./verb_spec.ts";
import { type Verb, VERBS } from "./verbs.ts";
import type { Words } from "./words.ts";

/** The server's command ends the options: everything from its first word on is the server's. */
function takesServer(verb: Verb): boolean {
  return verb === "run" || verb === "rehearse" || verb === "check" || verb === "hot-restarter";
}

/** @param word the whole word, so that the message names "-name", not "-n" */
function unknownOption(verb: Verb, word: string): UserError {
  const given = word.split("=")[0] ?? word;
  const dashed = VERBS[verb].flags.map(({ flag }) => `--${flag}`);
  const near = suggest(given.startsWith("--") ? given : `-${given}`, [...dashed, "--help"]);
  const question = near === null ? "" : `: did you mean ${near}?`;
  const remedy = takesServer(verb) && near === null
    ? `Options of the server follow its program: baton ${verb} -- PROGRAM [ARGUMENT...]`
    : `See 'baton ${verb} --help'`;
  return new UserError(`Unknown option ${given} for ${verb}${question}`, { remedy });
}

/** Tells the options, with their values, from the operands: those of `run` begin with its first operand. */
function splitArgs(verb: Verb, args: readonly string[]) {
  const { flags } = VERBS[verb];
  const valued = flags.filter(({ placeholder }) => placeholder !== null).map(({ flag }) => flag);
  const takesNext = (word: string) => valued.some((flag) => word === `--${flag}`);
  const isOption = (word: string) => /^-./s.test(word);
  const dashes = args.indexOf("--");
  const end = dashes < 0 ? args.length : dashes;
  // parseArgs would give "--hold true" the value "true", and an unknown option the word behind it: "=" prevents that.
  const closed = args.slice(0, end).map((word) =>
    isOption(word) && !word.includes("=") && !takesNext(word) ? `${word}=` : word
  );
  const { _: before, ...values } = parseArgs(closed, {
    stopEarly: takesServer(verb),
    string: ["_", ...valued],
    collect: flags.map(({ flag }) => flag),
  });
  const first = takesServer(verb) ? end - before.length : end;
  return {
    options: args.slice(0, first).filter(isOption),
    operands: !takesServer(verb)
      ? [...before.map(String), ...args.slice(end + 1)]
      : args.slice(before.length > 0 ? first : end + 1),
    values,
  };
}

export function splitWords(verb: Verb, args: readonly string[]): Words {
  // The server's words may be any bytes; others could not be passed on unchanged.
  const odd = takesServer(verb) ? undefined : args.find((word) => !word.isWellFormed());
  if (odd !== undefined) {
    throw new UserError(`Cannot use "${odd}" with ${verb}: it must be UTF-8`);
  }
  const { options, operands, values } = splitArgs(verb, args);
  const help = options.some((word) => word === "--help" || word === "-h");
  const flags = new Map<string, string[]>();
  for (const word of help ? [] : options) {
    const [name = "", inline] = word.split(/=(.*)/s);
    const flag = VERBS[verb].flags.find((known) => `--${known.flag}` === name);
    if (flag === undefined) throw unknownOption(verb, word);
    const earlier = flags.get(flag.flag) ?? [];
    if (earlier.length > 0 && flag.repeatable !== true) {
      throw new UserError(`Option ${name} is given more than once for ${verb}`, {
        remedy: "Give it once: neither the first nor the last value wins",
      });
    }
    const value = flag.placeholder === null
      ? ""
      : String(values[flag.flag]?.[earlier.length] ?? "");
    checkValue(flag, inline, value);
    flags.set(flag.flag, [...earlier, value]);
  }
  return { help, flags, operands };
}

/** @param inline the text after "=" @param value "" for none */
function checkValue(
  { flag, placeholder }: VerbFlag,
  inline: string | undefined,
  value: string,
): void {
  if (placeholder === null && inline !== undefined) {
    throw new UserError(`Option --${flag} takes no value, but got "${inline}"`, {
      remedy: `Write --${flag} alone`,
    });
  }
  if (placeholder !== null && inline === undefined && value === "") {
    throw new UserError(`Option --${flag} needs a value: ${placeholder}`, {
      remedy: `Write --${flag} ${placeholder}; ` +
        `if the value begins with a dash, --${flag}=${placeholder}`,
    });
  }
}
