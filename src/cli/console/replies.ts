/** What a reply of the control socket means to a command. */
import * as v from "valibot";
import { UserError } from "../../config/values/errors.ts";
import { EXIT_BUSY, EXIT_NEW_GENERATION_FAILED, EXIT_OK, EXIT_SYSTEM } from "./exit_status.ts";

/** The exit status of a command that requested a change, by the result in the reply. */
export const EXIT_STATUS_OF = {
  ok: EXIT_OK,
  failed: EXIT_NEW_GENERATION_FAILED,
  refused: EXIT_BUSY,
} as const;

const ERROR_REPLY = v.looseObject({ error: v.string() });

/** @param text body of a refusal @returns why, or the body itself where it is none of ours */
export function errorIn(text: string): string {
  try {
    return v.parse(ERROR_REPLY, JSON.parse(text)).error;
  } catch {
    return text.trim();
  }
}

/** @param verb for the message: `reload` @throws {UserError} with the error in the body, or about its shape */
export function readReply<T>(
  schema: v.GenericSchema<unknown, T>,
  verb: string,
  { body }: { readonly body: unknown },
): T {
  const reply = v.safeParse(schema, body, { abortEarly: true });
  if (reply.success) return reply.output;
  const refused = v.safeParse(ERROR_REPLY, body);
  if (refused.success) {
    throw new UserError(`Cannot ${verb}: ${refused.output.error}`, { status: EXIT_SYSTEM });
  }
  const [issue] = reply.issues;
  const field = v.getDotPath(issue) ?? "the body";
  throw new UserError(
    `Cannot ${verb}: the reply of the service is not understood: ${field}: ${issue.message}`,
    { status: EXIT_SYSTEM, remedy: "Use a baton of the same version as the running one" },
  );
}
