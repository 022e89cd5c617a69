/**
 * Options of `baton run` as variables: `BATON_READY_TIMEOUT` for `--ready-timeout`. Pure.
 *
 * baton takes them for itself: servers, hooks and checks do not get them, so a baton that one of them starts has only
 * those that are set for it there. Hooks and exec checks get BATON_NAME, BATON_HOOK and BATON_WORKERS, which describe the
 * service that runs them, and are no options for a `baton run` in there.
 */
import { UserError } from "./values/errors.ts";
import { type Option, OPTIONS, variableOf } from "./options.ts";
import { suggest } from "./values/suggest.ts";

type Environment = Readonly<Record<string, string>>;

/** Flags of `run` that are no fields of `Config`. */
const FILE_FLAGS = ["config", "no-config"] as const;

/** Variables that hooks and exec checks are given, and that are not meant for a baton in there. */
const DESCRIBES_SERVICE: readonly string[] = ["BATON_NAME", "BATON_HOOK", "BATON_WORKERS"];
/** Variables of which one is always set in a hook or check, and that are no options. */
const MARKS: readonly string[] = ["BATON_REASON", "BATON_CHECK_EPOCH", "BATON_EVENT"];

/** Variables that baton itself gives to servers, hooks, checks and other batons. */
const GIVEN_VARIABLES: readonly string[] = (
  "EPOCH WORKER FDS ACTIVATED IN_PLACE HANDOVER HIDDEN_ENV HOOK REASON PID OLD_EPOCH OLD_PID CHECK " +
  "CHECK_EPOCH CHECK_WORKER CHECK_PID CHECK_ADDRESS OLD_WORKER ADDRESS OLD_ADDRESS EVENT EVENT_ID EVENT_LEVEL EVENT_MESSAGE"
).split(" ").map((word) => `BATON_${word}`);

const PREFIX = "BATON_";
const VARIABLES: readonly string[] = [...FILE_FLAGS, ...OPTIONS.map(({ flag }) => flag)].map(
  variableOf,
);

const WORDS = VARIABLES.map((name) => name.slice(PREFIX.length));

/** @returns the text of an option's variable; undefined: it is not given, or empty */
export function optionVariable(env: Environment, flag: string): string | undefined {
  const name = variableOf(flag);
  const isOuter = DESCRIBES_SERVICE.includes(name) &&
    MARKS.some((mark) => Object.hasOwn(env, mark));
  return isOuter || !Object.hasOwn(env, name) || env[name] === "" ? undefined : env[name];
}

/**
 * @returns what `Option.read` takes: of one that may be given several times a JSON list of texts, or one on each line
 * @throws {UserError} for a flag whose text is neither true nor false
 */
export function rawOfVariable(
  option: Pick<Option, "isRepeatable" | "placeholder">,
  text: string,
): unknown {
  if (option.placeholder === null) return truth(text);
  if (option.isRepeatable !== true) return text;
  // A JSON list, and not an IPv6 address: [::1]:80.
  if (!/^\s*\[\s*["\]]/.test(text)) return text.split("\n").filter((line) => line.trim() !== "");
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(
      `Cannot read ${JSON.stringify(text)}: it begins like a list of JSON, and is none`,
      {
        cause: error,
        remedy: 'Write ["FIRST", "SECOND"], or each on a line of its own',
      },
    );
  }
}

/** @throws {UserError} when it is neither true nor false */
export function truth(text: string): boolean {
  const word = text.trim().toLowerCase();
  if (["1", "true", "yes", "on"].includes(word)) return true;
  if (["0", "false", "no", "off"].includes(word)) return false;
  throw new UserError(`Cannot use ${JSON.stringify(text)}: it must be true or false`);
}

/** @returns the environment without the options of this baton */
export function withoutOptions(env: Environment): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !VARIABLES.includes(name)));
}

/**
 * @returns for each variable that is no option but nearly is one, what may have been meant. Others are left alone: the
 * cluster sets BATON_PORT and the like for a Service with the name baton.
 */
export function misspelled(
  env: Environment,
): readonly { readonly name: string; readonly near: string }[] {
  return Object.keys(env).flatMap((name) => {
    const isOther = !name.startsWith("BATON_") || VARIABLES.includes(name) ||
      GIVEN_VARIABLES.includes(name) || /_(PORT|SERVICE_HOST)(_|$)/.test(name);
    const near = isOther ? null : suggest(name.slice(PREFIX.length), WORDS);
    return near === null ? [] : [{ name, near: PREFIX + near }];
  });
}
