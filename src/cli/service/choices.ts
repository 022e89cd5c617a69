/** What follows from what the server is and what the kernel can do: a refusal, the order of a reload, where duplicates come from. */
import { type Config, isAbandoned } from "../../config/config.ts";
import { exclusiveUse } from "../../config/exclusive.ts";
import { checkOrder, type ServiceOrder, serviceOrder } from "../../config/order.ts";
import { UserError } from "../../config/values/errors.ts";
import {
  missingForAdopt,
  probeCapabilities,
  suitedDuplicates,
} from "../../handoff/capabilities.ts";
import { firstText } from "../../platform/files/first_bytes.ts";
import type { Platform } from "../../platform/platform.ts";
import type { Snapshot } from "../../report/snapshot.ts";
import { EXIT_SYSTEM } from "../console/exit_status.ts";

export interface ChosenOrder extends ServiceOrder {
  /** Why the server must not run twice; null: nothing is known against it. */
  readonly exclusive: string | null;
}

/**
 * @param isChecked the first start has accepted the other options: it is too late to refuse them
 * @throws {UserError} when one of them needs two generations at the same time, and there must be only one
 */
export function chooseOrder(config: Config, isChecked: boolean): ChosenOrder {
  const exclusive = exclusiveUse(config.command, config.cwd ?? "/", firstText);
  const order = serviceOrder(config, exclusive);
  if (!isChecked) checkOrder(config, order);
  return { ...order, exclusive };
}

/**
 * @returns where duplicates of servers' sockets come from; null: `bind` and `listen` are not trapped
 * @throws {UserError} when baton cannot run here, or when adopt is needed and does not work here
 */
export function chooseDuplicates(
  platform: Platform,
  config: Config,
): Snapshot["duplicates"] {
  const capabilities = probeCapabilities(platform);
  const broken = capabilities.find(({ ok, needed }) => !ok && needed === "always");
  if (broken) {
    throw new UserError(`Cannot run here: ${broken.title}: ${broken.detail}`, {
      status: EXIT_SYSTEM,
      remedy: `Consequence: ${broken.consequence}. Run "baton doctor" for details`,
    });
  }
  if (config.handoff === "inherit") return null;
  const { duplicates } = config;
  const getfd = capabilities.find(({ id }) => id === "pidfd_getfd")!;
  const missing = duplicates === "getfd" && !getfd.ok ? getfd : missingForAdopt(capabilities)[0];
  if (missing === undefined) {
    if (!isAbandoned(config)) {
      return duplicates === "auto"
        ? suitedDuplicates(platform, getfd.ok, config.user !== null)
        : duplicates;
    }
    if (getfd.ok) return "getfd";
    throw new UserError(`Cannot use --orphan keep here: ${getfd.title}: ${getfd.detail}`, {
      status: EXIT_SYSTEM,
      remedy: "The server could make no connection once baton is gone: use --survive",
    });
  }
  if (config.handoff === "auto" && config.listen.length > 0) return null;
  throw new UserError(`Cannot adopt the server's sockets: ${missing.title}: ${missing.detail}`, {
    status: EXIT_SYSTEM,
    remedy: `Consequence: ${missing.consequence}. Run "baton doctor" for details`,
  });
}
