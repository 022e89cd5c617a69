/** What a reload does first (`--order`), and which other options that excludes. Pure. */
import type { Config } from "./config.ts";
import { optionForTwo } from "./validate.ts";
import { UserError } from "./values/errors.ts";

export interface ServiceOrder {
  readonly order: Exclude<Config["order"], "auto">;
  /** Why a reload has this order, for people. */
  readonly reason: string;
}

/** @param exclusive why the server must not run twice (exclusive.ts); null: nothing is known against it */
export function serviceOrder({ order }: Config, exclusive: string | null): ServiceOrder {
  if (order !== "auto") return { order, reason: `--order ${order}` };
  if (exclusive !== null) return { order: "stop-first", reason: exclusive };
  return { order: "start-first", reason: "nothing is known against a second copy" };
}

/** @throws {UserError} when an option needs two generations at the same time, and there must be only one */
export function checkOrder(config: Config, { order, reason }: ServiceOrder): void {
  if (order === "start-first") return;
  const why = config.order === "auto" ? `the server must not run twice: ${reason}` : reason;
  if (config.workers !== 1) {
    throw new UserError(`Cannot use --workers, which run at the same time: ${why}`, {
      remedy: "Remove --workers, or say --order start-first",
    });
  }
  const option = optionForTwo(config);
  if (option === null) return;
  throw new UserError(`Cannot use ${option}, for which two generations run at once: ${why}`, {
    remedy: `Remove ${option}, or say --order start-first`,
  });
}
