/** The baton that this one takes over from (--takeover). Imported when that is given. */
import { UserError } from "../../../config/values/errors.ts";
import { TakeoverClient, TakeoverError } from "../../../succession/takeover/takeover_client.ts";
import { workerCount } from "../../../supervisor/worker_launch.ts";
import { EXIT_NEW_GENERATION_FAILED } from "../../console/exit_status.ts";
import { VERSION } from "../../console/version.ts";
import type { ServiceSetup } from "../service_setup.ts";

/** @returns null when no instance answers at `path`: the first start uses the same command line */
export async function connectTaker(
  setup: ServiceSetup,
  path: string,
): Promise<TakeoverClient | null> {
  const { platform, config, logger, longestStartMs } = setup;
  const { name, parentShutdownTimeMs, survive } = config;
  try {
    const taker = await TakeoverClient.connect(platform, {
      path,
      name,
      readyTimeoutMs: longestStartMs,
      parentShutdownTimeMs,
      survives: survive,
      workers: workerCount(config),
      baton: VERSION,
    });
    if (taker === null) logger.warn(`no baton to take over from at ${path}: starting as the first`);
    else logger.info(`takes over from ${taker.text}`, { path });
    return taker;
  } catch (error) {
    if (!(error instanceof TakeoverError)) throw error;
    throw new UserError(error.message, {
      status: EXIT_NEW_GENERATION_FAILED,
      remedy: "The old baton keeps serving; nothing was lost. Its log says more",
    });
  }
}
