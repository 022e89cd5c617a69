/** The words of one verb, split, and the values that several verbs share. Pure. */
import { formatDuration, parseDuration } from "../../config/values/duration.ts";
import { UserError, withPlace } from "../../config/values/errors.ts";
import { readOptionValue } from "../../config/load.ts";
import { OPTION_BY_FIELD } from "../../config/options.ts";
import type { Verb } from "./verbs.ts";

/** Excludes 0, which could mean "do not wait" or "without a limit". */
const MIN_TIMEOUT_MS = 1;

/** The service that a command addresses. */
export interface Target {
  /** Null: the only running service. */
  readonly name: string | null;
  /** Null: the default directory. */
  readonly runtimeDir: string | null;
}

/** The words of one verb. */
export interface Words {
  readonly help: boolean;
  readonly flags: ReadonlyMap<string, readonly string[]>;
  readonly operands: readonly string[];
  /** The environment of this process. @default no variable */
  readonly env?: Readonly<Record<string, string>>;
}

/** A command to a running service. */
export interface ServiceCommand<V extends Verb = Verb> extends Target {
  readonly verb: V;
  /** Longest wait for the outcome; null: as long as the service's own timeouts allow. */
  readonly timeoutMs: number | null;
  readonly json: boolean;
}

export function serviceCommand<V extends Verb>(verb: V, words: Words): ServiceCommand<V> {
  const timeoutMs = durationOf(words, "timeout", MIN_TIMEOUT_MS);
  return { verb, ...targetOf(words), timeoutMs, json: words.flags.has("json") };
}

/**
 * The name is that of `--name` or the operand; both only if they are equal. Without either that of the variable: a hook of
 * the service means that one, and so does a shell in its container.
 */
export function targetOf({ flags, operands, env = {} }: Words): Target {
  const [flag, operand] = [flags.get("name")?.[0], operands[0]];
  if (flag !== undefined && operand !== undefined && flag !== operand) {
    throw new UserError(`Cannot address two services at once: "${flag}" and "${operand}"`, {
      remedy: "Give one name",
    });
  }
  const given = (name: string) => env[name] === "" ? undefined : env[name];
  const [named, directory] = [flag ?? operand, flags.get("runtime-dir")?.[0]];
  const place = flag === undefined ? "In the name of the service" : "In --name";
  return {
    name: named === undefined
      ? read("name", given("BATON_NAME"), "In BATON_NAME")
      : read("name", named, place),
    runtimeDir: directory === undefined
      ? read("runtimeDir", given("BATON_RUNTIME_DIR"), "In BATON_RUNTIME_DIR")
      : read("runtimeDir", directory, "In --runtime-dir"),
  };
}

function read(field: "name" | "runtimeDir", text: string | undefined, place: string) {
  return text === undefined ? null : String(readOptionValue(OPTION_BY_FIELD[field], text, place));
}

export function durationOf({ flags }: Words, flag: string, leastMs = 0): number | null {
  const text = flags.get(flag)?.[0];
  if (text === undefined) return null;
  return withPlace(`In --${flag}`, () => {
    const durationMs = parseDuration(text);
    if (durationMs >= leastMs) return durationMs;
    throw new UserError(`Cannot use "${text}": it must be at least ${formatDuration(leastMs)}`);
  });
}
