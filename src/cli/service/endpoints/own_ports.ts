/** The addresses of baton's own besides the control socket: of the probes, and of the admin API. */
import type { ServiceParts } from "../../../admin/admin_parts.ts";
import { HttpPort } from "../../../admin/http_port.ts";
import type { FetchHandler } from "../../../admin/http_connection.ts";
import type { InetAddress } from "../../../platform/network/address.ts";
import type { Fd } from "../../../platform/fd.ts";
import type { Platform } from "../../../platform/platform.ts";
import { descriptorName, type NamedDescriptors } from "../../../succession/state/resumption.ts";
import type { Config } from "../../../config/config.ts";
import { AdminEndpoint } from "./admin_endpoint.ts";
import { probePortHandler } from "./probe_port.ts";
import { openPort } from "../pod_setup.ts";

export interface OwnPortsParts {
  readonly platform: Platform;
  readonly config: Config;
  readonly probeAddress: InetAddress | null;
}

export class OwnPorts {
  readonly #admin: AdminEndpoint;
  #probes: HttpPort | null = null;
  /** Sockets of the instance before an exec. */
  #kept: { readonly admin?: Fd | null; readonly probes?: Fd | null };

  /** @param joins a baton before this one may listen at these addresses: they are shared with it */
  constructor(
    readonly parts: OwnPortsParts,
    handler: FetchHandler,
    readonly service: () => ServiceParts,
    readonly joins: boolean,
    kept: NamedDescriptors | null,
  ) {
    // Now: whatever is not taken is closed when the service resumes.
    const take = (name: string) => kept?.take(descriptorName.port(name)) ?? null;
    this.#kept = { admin: take("admin"), probes: take("probes") };
    this.#admin = new AdminEndpoint(parts.platform, parts.config, handler);
  }

  /** Connections that are no traffic of the service. */
  get accepted(): number {
    return (this.#probes?.accepted ?? 0) + this.#admin.accepted;
  }

  /** @throws {UserError} when one is not available */
  open(): void {
    const { parts: { platform, config, probeAddress }, service, joins } = this;
    const { admin = null, probes = null } = this.#kept;
    this.#kept = {};
    try {
      this.#admin.open(joins, admin);
    } finally {
      if (probeAddress !== null && this.#probes === null) {
        const handler = probePortHandler({ platform, config, service });
        const open = () => new HttpPort(platform, probeAddress, handler, joins, probes);
        this.#probes = openPort("--probe-listen", probeAddress, open);
      } else probes?.close();
    }
  }

  /** What an exec passes on, by name. */
  get descriptors(): ReadonlyMap<string, Fd> {
    return new Map(
      this.#ports.map(([name, { listener }]) => [descriptorName.port(name), listener]),
    );
  }

  get #ports() {
    const ports = [["admin", this.#admin.port], ["probes", this.#probes]] as const;
    return ports.flatMap(([name, port]) => port === null ? [] : [[name, port] as const]);
  }

  async pause(): Promise<void> {
    await Promise.all(this.#ports.map(([, port]) => port.pause()));
  }

  resume(): void {
    for (const [, port] of this.#ports) port.resume();
  }

  /** A successor is about to come. */
  share(): void {
    for (const [, port] of this.#ports) if (port instanceof HttpPort) port.share();
  }

  /** A successor answers the admin API now; probes are answered by both. */
  leaveToSuccessor(): void {
    this.#admin.retire();
  }

  takeBack(): void {
    this.#admin.open(true);
  }

  /** Before the end of this process: clients that have connected get an answer. */
  async finish(): Promise<void> {
    await Promise.all([this.#probes?.finish(), this.#admin.finish()]);
  }

  close(): void {
    this.#probes?.close();
    this.#admin.close();
  }
}
