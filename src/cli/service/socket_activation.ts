/**
 * Socket activation of `baton run`: the sockets of the service manager become listeners.
 *
 * A baton that replaces this one inherits the sockets among its members, and from the environment
 * only what is to be known of them.
 */
import { type ActivatedListener, withActivated } from "../../config/activated.ts";
import type { Config } from "../../config/config.ts";
import { UserError } from "../../config/values/errors.ts";
import { checkPlaceholders } from "../../config/validate.ts";
import type { InheritedSocket } from "../../handoff/activated_sockets.ts";
import type { Fd } from "../../platform/fd.ts";
import type { Platform } from "../../platform/platform.ts";
import {
  type ActivatedSocket,
  ActivationError,
  takeActivatedSockets,
} from "../../systemd/activation.ts";

/** For the next baton, and for nobody else (handoff/socket_protocols.ts). */
const ACTIVATED_ENV = "BATON_ACTIVATED";

export interface Activation {
  /** With the listeners of the service manager. */
  readonly config: Config;
  /** Empty for a baton that has replaced another one. */
  readonly sockets: readonly InheritedSocket[];
  /** What the baton before has stored with the service manager, by name. */
  readonly stored: ReadonlyMap<string, Fd>;
}

/**
 * @param env of baton; the variables of the service manager are replaced by one for the next baton
 * @throws {UserError} when a socket cannot be used, or the command names one that is not there
 */
export function activate(
  platform: Platform,
  config: Config,
  env: Record<string, string>,
): Activation {
  try {
    const { sockets: given, stored } = takeActivatedSockets(platform, env);
    const sockets = given.map(asResident);
    const known = JSON.parse(env[ACTIVATED_ENV] ?? "[]") as ActivatedListener[];
    const activated: ActivatedListener[] = sockets.length === 0
      ? known
      : sockets.map(({ name, address: { host, port, family, v6only } }) => (
        { name, host, port, family, v6only }
      ));
    const listen = withActivated(config.listen, activated);
    checkPlaceholders({ ...config, listen });
    if (activated.length === 0) return { config, sockets, stored };
    env[ACTIVATED_ENV] = JSON.stringify(activated);
    return { config: { ...config, listen }, sockets, stored };
  } catch (error) {
    if (!(error instanceof ActivationError)) throw error;
    throw new UserError(error.message, {
      remedy:
        "Baton takes TCP listeners (ListenStream=PORT): take the others out of the socket unit",
    });
  }
}

function asResident(
  { fd, name, address, v6only }: ActivatedSocket,
): InheritedSocket & { name: string } {
  return { name, fd, origin: "grouped", address: { ...address, v6only, boundInterface: 0 } };
}
