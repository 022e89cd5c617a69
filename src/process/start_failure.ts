/** Which exit status belongs to a generation that could not even be started. Pure. */
import { UserError } from "../config/values/errors.ts";
import { ListenError } from "../handoff/inherit.ts";
import { EXIT_BUSY, EXIT_SYSTEM } from "../lifecycle/status.ts";

export function statusOf(error: unknown): number {
  if (error instanceof UserError) return error.status;
  if (error instanceof ListenError) return EXIT_BUSY;
  return EXIT_SYSTEM;
}
