/**
 * The one error class whose message is meant for the user: one line that names the thing, one line of advice, and the
 * exit status. The CLI prints it without a stack trace.
 *
 * Guarantees: everything in `config/` and `cli/words/` that refuses a user's input throws `UserError` and nothing else.
 */
import { EXIT_USAGE } from "../../lifecycle/status.ts";

interface UserErrorOptions extends ErrorOptions {
  /** What the user can do about it: one sentence on one line, without a full stop. */
  readonly remedy?: string | null | undefined;
  /** @default EXIT_USAGE: wrong usage or configuration, so trying again without a change is useless */
  readonly status?: number;
}

export class UserError extends Error {
  override readonly name = "UserError";
  /** One line of advice; null when the message says it all. */
  readonly remedy: string | null;
  readonly status: number;

  /** @param message one sentence, no full stop: `Cannot ...: why` */
  constructor(message: string, options: UserErrorOptions = {}) {
    super(escapeBytes(message), "cause" in options ? { cause: options.cause } : undefined);
    this.remedy = options.remedy ?? null;
    this.status = options.status ?? EXIT_USAGE;
  }
}

/** Shows a byte that is not UTF-8, which JSON.stringify has written as half a surrogate pair, as `\xNN`. */
function escapeBytes(message: string): string {
  return message.replace(/(?<!\\)\\udc([89a-f][0-9a-f])/g, "\\x$1");
}

/**
 * Runs a parser of a user's value, and prefixes its refusal with the place of the value.
 *
 * @param place for example `In --ready-timeout` or `In key "ready_timeout" of baton.toml`
 * @throws {UserError} the refusal, as the cause of one that names the place; any other error unchanged
 */
export function withPlace<T>(place: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const { message, remedy, status } = error;
    const reason = message.charAt(0).toLowerCase() + message.slice(1);
    throw new UserError(`${place}: ${reason}`, { cause: error, remedy, status });
  }
}
