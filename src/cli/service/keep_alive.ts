/** `--keep-alive`: what all generations share, if connections are to be moved at all. */
import type { Config } from "../../config/config.ts";
import type { Logger } from "../../log/logger.ts";
import { Migration } from "../../migration/migration.ts";
import type { Platform } from "../../platform/platform.ts";
import type { Listeners } from "../../steering/listeners.ts";

/** @returns null: connections stay where they are */
export function migrationOf(
  platform: Platform,
  { keepAlive, orphan, survive }: Config,
  parts: { traps: boolean; listeners: Listeners; logger: Logger },
): Migration | null {
  const { traps, listeners, logger } = parts;
  if (keepAlive === "leave") return null;
  const why = !traps
    ? 'not possible here, see "baton doctor"'
    : orphan === "keep" && !survive
    ? "a server that outlives baton (--orphan keep) could not accept any more"
    : keepAlive === "auto" && survive
    ? "with --survive each new connection would be written down: say migrate if you want that"
    : null;
  if (why !== null) {
    const notice = `--keep-alive ${keepAlive}: connections are left: ${why}`;
    if (keepAlive === "auto") logger.debug(notice);
    else logger.warn(notice);
    return null;
  }
  return new Migration(platform, listeners, keepAlive, (counts) => {
    logger.info("connections that clients keep open have been moved", { ...counts });
  });
}
