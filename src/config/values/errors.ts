/**
 * The one error class that means "the user asked for something wrong".
 *
 * Guarantees: everything in `config/` and `cli/words/parse.ts` that refuses a user's input throws
 * `ConfigError` and nothing else, so that the CLI can map it to one exit status (64) and print one
 * message and one line of advice. Does not print anything itself.
 */

/** What a `ConfigError` carries besides its message. */
export interface ConfigErrorOptions extends ErrorOptions {
  /** What the user can do about it: one sentence on one line, without a full stop. */
  readonly remedy?: string | undefined;
}

/**
 * Wrong usage or wrong configuration: trying again without a change is useless (exit status 64).
 *
 * The message names what was tried and on what; `remedy`, when known, names the way out.
 */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** One line of advice, or null when the message says it all. */
  readonly remedy: string | null;

  /**
   * @param message one sentence, no full stop: `Cannot ...: current value is ...`
   * @param options the advice, and the error that led here
   */
  constructor(message: string, options: ConfigErrorOptions = {}) {
    super(asBytes(message), "cause" in options ? { cause: options.cause } : undefined);
    this.remedy = options.remedy ?? null;
  }
}

/** A byte that is not UTF-8, which JSON.stringify has written as half a character, as people know it. */
function asBytes(message: string): string {
  return message.replace(/(?<!\\)\\udc([89a-f][0-9a-f])/g, "\\x$1");
}

/**
 * Puts the place of a wrong value in front of the message of the parser that refused it.
 *
 * @param place for example `In --ready-timeout` or `In key "ready_timeout" of baton.toml`
 * @param error anything that was thrown; what is not a `ConfigError` comes back as it is
 * @returns a new `ConfigError` with the same remedy and with `error` as its cause, or `error`
 */
export function inPlace(place: string, error: unknown): unknown {
  if (!(error instanceof ConfigError)) return error;
  const reason = error.message.charAt(0).toLowerCase() + error.message.slice(1);
  return new ConfigError(`${place}: ${reason}`, {
    cause: error,
    ...(error.remedy === null ? {} : { remedy: error.remedy }),
  });
}
