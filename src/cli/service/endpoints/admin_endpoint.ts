/** The address of --admin: opened, shared with the baton before, and left to the next one. */
import type { FetchHandler } from "../../../admin/http_connection.ts";
import { HttpPort } from "../../../admin/http_port.ts";
import { readTokens } from "../../../admin/token_file.ts";
import { type UnixPlace, UnixPort } from "../../../admin/unix_port.ts";
import type { Config } from "../../../config/config.ts";
import { UserError } from "../../../config/values/errors.ts";
import type { UnixListenSpec } from "../../../config/values/unix_listen_spec.ts";
import type { Fd } from "../../../platform/fd.ts";
import { accountId } from "../../../platform/files/accounts.ts";
import type { Platform } from "../../../platform/platform.ts";
import { EXIT_BUSY } from "../../console/exit_status.ts";
import { inetAddress } from "../pod_setup.ts";

/** Mode of a Unix socket's node. */
const DEFAULT_MODE = 0o600;

export class AdminEndpoint {
  #port: HttpPort | UnixPort | null = null;
  /** The port that has answered here until another baton did. */
  #retired: HttpPort | UnixPort | null = null;

  constructor(
    readonly platform: Platform,
    readonly config: Config,
    readonly handler: FetchHandler,
  ) {}

  /** Connections that are not traffic of the service. */
  get accepted(): number {
    return this.#port?.accepted ?? 0;
  }

  get port(): HttpPort | UnixPort | null {
    return this.#port;
  }

  /**
   * @param joins another baton of the service may have it
   * @param kept a socket that may listen there already; owned
   * @throws {UserError} when that is impossible
   */
  open(joins: boolean, kept: Fd | null = null): void {
    const { platform, config: { admin, adminTokenFile }, handler } = this;
    if (admin === null || this.#port !== null) return;
    if (adminTokenFile !== null) readTokens(adminTokenFile);
    const place = admin.family === "unix" ? placeOf(platform, admin) : null;
    try {
      this.#port = admin.family === "unix"
        ? new UnixPort(platform, place!, handler, joins, kept)
        : new HttpPort(platform, inetAddress(admin), handler, joins, kept);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      throw new UserError(`Cannot serve the admin API at ${admin.text}: ${error.message}`, {
        status: EXIT_BUSY,
        remedy: "Use another address with --admin",
        cause: error,
      });
    }
  }

  /** Another baton answers at this address from now on. */
  retire(): void {
    this.#port?.retire();
    this.#retired = this.#port ?? this.#retired;
    this.#port = null;
  }

  /** Before the end of this process: clients that have connected get an answer. */
  async finish(): Promise<void> {
    await Promise.all([this.#port?.finish(), this.#retired?.finish()]);
  }

  close(): void {
    this.#port?.close();
    this.#retired?.close();
    this.#port = null;
  }
}

/** @throws {UserError} for an unknown user or group */
function placeOf(platform: Platform, { path, mode, user, group }: UnixListenSpec): UnixPlace {
  const idOf = (kind: "user" | "group", name: string | null, own: number) => {
    const id = name === null ? own : accountId(kind, name);
    if (id !== null) return id;
    throw new UserError(`Cannot give ${path} to the ${kind} ${name}: it is not known`, {
      remedy: `Use a name of /etc/${kind === "user" ? "passwd" : "group"}, or a number`,
    });
  };
  const { processes } = platform;
  const owner = { uid: idOf("user", user, processes.userId()), gid: idOf("group", group, -1) };
  return { path, mode: mode ?? DEFAULT_MODE, owner };
}
