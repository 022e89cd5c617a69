/** Rules across the options of the admin API. Pure. */
import type { Config } from "./config.ts";
import { UserError } from "./values/errors.ts";

/** @throws {UserError} at the first broken rule */
export function checkAdmin({
  admin,
  adminTokenFile,
  adminHost,
  probeListen,
  probeHealth,
}: Config): void {
  const useless = adminTokenFile !== null
    ? "--admin-token-file"
    : adminHost.length > 0
    ? "--admin-host"
    : null;
  if (admin === null && useless !== null) {
    throw new UserError(
      `Cannot use ${useless} without --admin: it is about who may use that address`,
      {
        remedy: "Add, for example, --admin 127.0.0.1:9901",
      },
    );
  }
  if (probeHealth !== null && probeListen === null) {
    throw new UserError("Cannot use --probe-health without --probe-listen: it is answered there", {
      remedy: "Add, for example, --probe-listen 127.0.0.1:9902",
    });
  }
  if (admin !== null && probeListen !== null && admin.text === probeListen.text) {
    throw new UserError(`Cannot use ${admin.text} for both --admin and --probe-listen`, {
      remedy: "Give each an address of its own",
    });
  }
}
