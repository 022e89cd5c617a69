/** The words of one verb, split, and the values that several verbs share. Pure. */
import { formatDuration, parseDuration } from "../../config/values/duration.ts";
import { UserError, withPlace } from "../../config/values/errors.ts";
import { readOptionValue } from "../../config/load.ts";
import { OPTION_BY_FIELD } from "../../config/options.ts";

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
}

export function targetOf(words: Words): Target {
  return { name: nameOf(words), runtimeDir: runtimeDirOf(words) };
}

/** The name from `--name` or from the operand; both only if they are equal. */
function nameOf({ flags, operands }: Words): string | null {
  const [flag, operand] = [flags.get("name")?.[0], operands[0]];
  if (flag !== undefined && operand !== undefined && flag !== operand) {
    throw new UserError(`Cannot address two services at once: "${flag}" and "${operand}"`, {
      remedy: "Give one name",
    });
  }
  const name = flag ?? operand;
  if (name === undefined) return null;
  const place = flag === undefined ? "In the name of the service" : "In --name";
  return String(readOptionValue(OPTION_BY_FIELD.name, name, place));
}

function runtimeDirOf({ flags }: Words): string | null {
  const dir = flags.get("runtime-dir")?.[0];
  if (dir === undefined) return null;
  return String(readOptionValue(OPTION_BY_FIELD.runtimeDir, dir, "In --runtime-dir"));
}

export function timeoutOf(words: Words): number | null {
  return durationOf(words, "timeout", MIN_TIMEOUT_MS);
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
