/** The addresses of baton's own besides the control socket: of the probes, and of the admin API. */
import { HttpPort } from "../../../admin/http_port.ts";
import { probeHandler } from "../../../admin/probe_server.ts";
import type { FetchHandler } from "../../../admin/http_connections.ts";
import type { InetAddress } from "../../../platform/network/address.ts";
import type { Platform } from "../../../platform/platform.ts";
import type { ProbeReport } from "../../../report/snapshot.ts";
import type { Config } from "../../../config/config.ts";
import { AdminEndpoint } from "./admin_endpoint.ts";
import { openPort } from "../pod_setup.ts";

export interface OwnPortsParts {
  readonly platform: Platform;
  readonly config: Config;
  readonly probeAddress: InetAddress | null;
}

export class OwnPorts {
  readonly #admin: AdminEndpoint;
  #probes: HttpPort | null = null;

  /** @param joins a baton before this one may have them, and shares them */
  constructor(
    readonly parts: OwnPortsParts,
    handler: FetchHandler,
    readonly probes: () => ProbeReport,
    readonly joins: boolean,
  ) {
    this.#admin = new AdminEndpoint(parts.platform, parts.config, handler);
  }

  /** Connections that are no traffic of the service. */
  get accepted(): number {
    return (this.#probes?.accepted ?? 0) + this.#admin.accepted;
  }

  /** @throws {UserError} when one is not available */
  open(): void {
    const { parts: { platform, probeAddress }, joins } = this;
    this.#admin.open(joins);
    if (probeAddress === null || this.#probes !== null) return;
    const open = () => new HttpPort(platform, probeAddress, probeHandler(this.probes), joins);
    this.#probes = openPort("--probe-listen", probeAddress, open);
  }

  /** A successor answers now; probes are answered by both. */
  leaveToSuccessor(): void {
    this.#admin.retire();
  }

  takeBack(): void {
    this.#admin.open(true);
  }

  close(): void {
    this.#probes?.close();
    this.#admin.close();
  }
}
