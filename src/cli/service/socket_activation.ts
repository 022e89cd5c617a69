/**
 * Socket activation of `baton run`: the sockets of the service manager become listeners.
 *
 * A successor inherits the sockets as members; the environment tells it their names and addresses only.
 */
import * as v from "valibot";
import { type ActivatedListener, withActivated } from "../../config/activated.ts";
import type { Config } from "../../config/config.ts";
import { UserError } from "../../config/values/errors.ts";
import { checkPlaceholders } from "../../config/validate.ts";
import type { InheritedSocket } from "../../handoff/activated_sockets.ts";
import type { Fd } from "../../platform/fd.ts";
import { formatAddress } from "../../platform/network/address.ts";
import type { Platform } from "../../platform/platform.ts";
import {
  type ActivatedSocket,
  ActivationError,
  takeActivatedSockets,
} from "../../systemd/activation.ts";

/** For a successor only; servers do not see it (handoff/socket_protocols.ts). */
const ACTIVATED_ENV = "BATON_ACTIVATED";

const ACTIVATED = v.pipe(
  v.string(),
  v.parseJson(),
  v.array(v.union([
    v.object({
      name: v.string(),
      host: v.string(),
      port: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)),
      family: v.picklist(["inet", "inet6"]),
      v6only: v.boolean(),
    }),
    v.object({ name: v.string(), family: v.literal("unix"), path: v.string() }),
  ])),
);

export interface Activation {
  /** With the listeners of the service manager. */
  readonly config: Config;
  /** Empty for a successor. */
  readonly sockets: readonly InheritedSocket[];
  /** What the previous instance stored with the service manager, by name. */
  readonly stored: ReadonlyMap<string, Fd>;
}

/**
 * @param env of baton; the variables of the service manager are replaced by one for a successor
 * @throws {UserError} when a socket cannot be used, or the command names a missing one
 */
export function activate(
  platform: Platform,
  config: Config,
  env: Record<string, string>,
): Activation {
  try {
    const { sockets: given, stored } = takeActivatedSockets(platform, env);
    const sockets = given.map(asInherited);
    const known = parseActivated(env[ACTIVATED_ENV] ?? "[]");
    const activated: readonly ActivatedListener[] = sockets.length === 0
      ? known
      : sockets.map(asListener);
    checkFronted(config.front, activated);
    const listen = withActivated(config.listen, activated);
    checkPlaceholders({ ...config, listen });
    if (activated.length === 0) return { config, sockets, stored };
    env[ACTIVATED_ENV] = JSON.stringify(activated);
    return { config: { ...config, listen }, sockets, stored };
  } catch (error) {
    if (!(error instanceof ActivationError)) throw error;
    throw new UserError(error.message, {
      remedy:
        "Baton takes stream listeners (ListenStream=PORT or /PATH): take the others out of the " +
        "socket unit",
    });
  }
}

/**
 * A socket of the service manager is where clients are: nothing stands before it, and Envoy would have no endpoint.
 * @throws {UserError}
 */
function checkFronted(fronts: Config["front"], activated: readonly ActivatedListener[]): void {
  for (const socket of activated) {
    if (!("port" in socket)) continue;
    const front = fronts.find(({ port }) => port === null || port === socket.port);
    if (front === undefined) continue;
    const at = formatAddress({ ...socket, scope: 0 });
    const [why, other] = front.port === null
      ? [
        "and it does not say which port it stands before",
        "Say so (port=PORT) if that is another one, or g",
      ]
      : ["which stands before that port", "G"];
    const what = `--front ${front.text} with the socket of systemd at ${at}`;
    throw new UserError(
      `Cannot use ${what}, ${why}: clients of that socket are no clients of Envoy`,
      { remedy: `${other}ive the socket unit to the service of Envoy: docs/envoy.md` },
    );
  }
}

type NamedSocket = InheritedSocket & { readonly name: string };

function asInherited(socket: ActivatedSocket): NamedSocket {
  const { fd, name } = socket;
  if ("path" in socket) return { name, fd, origin: "grouped", path: socket.path };
  const address = { ...socket.address, v6only: socket.v6only, boundInterface: 0 };
  return { name, fd, origin: "grouped", address };
}

function asListener(socket: NamedSocket): ActivatedListener {
  const { name } = socket;
  if ("path" in socket) return { name, family: "unix", path: socket.path };
  const { host, port, family, v6only } = socket.address;
  return { name, host, port, family, v6only };
}

function parseActivated(text: string): readonly ActivatedListener[] {
  const result = v.safeParse(ACTIVATED, text);
  if (result.success) return result.output;
  throw new UserError(`Cannot use the variable ${ACTIVATED_ENV}: ${result.issues[0].message}`, {
    remedy: "Only baton sets it: unset it",
  });
}
