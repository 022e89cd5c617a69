/** Rules across the options of events. Pure. */
import type { Config } from "./config.ts";
import { UserError } from "./values/errors.ts";

/** @throws {UserError} at the first broken rule */
export function checkEvents(config: Config): void {
  const { events, onEvent, webhook, webhookSecretFile, shutdownOnly } = config;
  if (webhook === null && webhookSecretFile !== null) {
    throw new UserError("Cannot use --webhook-secret-file without --webhook: nothing is signed", {
      remedy: "Add --webhook URL",
    });
  }
  const receiver = onEvent !== null ? "--on-event" : webhook !== null ? "--webhook" : null;
  if (events.length > 0 && receiver === null) {
    throw new UserError("Cannot use --events without --on-event or --webhook: nothing gets them", {
      remedy: "Add one of them",
    });
  }
  if (shutdownOnly && receiver !== null) {
    throw new UserError(`Cannot use ${receiver} with --shutdown-only: there are no events`, {
      remedy: "Remove one of them",
    });
  }
}
