/** `baton hot-restarter --guard`: the supervisor, and its control socket. */
import { defaultName } from "../../../config/load.ts";
import { UserError } from "../../../config/values/errors.ts";
import { Guard } from "../../../hot_restarter/guard.ts";
import { Restarter, type RestarterOptions } from "../../../hot_restarter/restarter.ts";
import type { Platform } from "../../../platform/platform.ts";
import { EXIT_BUSY } from "../../console/exit_status.ts";
import type { HotRestarterCommand } from "../../words/parse_run.ts";
import { type Control, openControl } from "./control.ts";

/** @returns the exit status */
export async function runGuarded(
  platform: Platform,
  options: RestarterOptions,
  given: NonNullable<HotRestarterCommand["guard"]>,
): Promise<number> {
  const guard = new Guard(platform, {
    ...given,
    perform: (effects) => restarter.perform(effects),
  });
  const restarter: Restarter = new Restarter(platform, guard, options);
  const { promise: ended, resolve } = Promise.withResolvers<number>();
  const control = await openIfPossible(platform, options, {
    name: given.name ?? defaultName([options.target]),
    runtimeDir: given.runtimeDir,
    env: options.env,
    guard,
    stop: () => restarter.dispatch({ kind: "signal", signal: "SIGTERM" }),
    ended,
  });
  try {
    const status = await restarter.run();
    resolve(status);
    return status;
  } finally {
    await control?.close();
    guard.flush();
    await platform.close();
  }
}

/**
 * Opens the control socket. Where that is impossible Envoy is started all the same. @throws {UserError} when the name
 * is taken
 */
async function openIfPossible(
  platform: Platform,
  { onError }: RestarterOptions,
  options: Parameters<typeof openControl>[1],
): Promise<Control | null> {
  try {
    return await openControl(platform, options);
  } catch (error) {
    if (!(error instanceof UserError) || error.status === EXIT_BUSY) throw error;
    if (options.runtimeDir !== null) throw error;
    onError(`"baton reload" and "baton stop" do not work here: ${error.message}`);
    return null;
  }
}
