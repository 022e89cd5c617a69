/** Which exit status belongs to a generation that could not even be started. Pure. */
import { ConfigError } from "../config/values/errors.ts";
import { ListenError } from "../handoff/inherit.ts";
import { EXIT_BUSY, EXIT_SYSTEM, EXIT_USAGE } from "../lifecycle/status.ts";

export function statusOf(error: unknown): number {
  if (error instanceof ConfigError) return EXIT_USAGE;
  if (error instanceof ListenError) return EXIT_BUSY;
  return EXIT_SYSTEM;
}
