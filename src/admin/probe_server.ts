/**
 * Answers the probes of a kubelet or a load balancer, over HTTP on baton's own TCP port, so that they do not count as
 * traffic of the service: GET or HEAD of /startupz, /readyz and /livez, 200 or 503. Another handler may serve more
 * paths, and respond later.
 *
 * Probes reveal and change nothing else, so there is no authentication. Bounded like the control socket. The port is
 * exclusive until another baton joins it (SO_REUSEPORT), as the next one of an upgrade does.
 */
import { formatAddress, type InetAddress } from "../platform/network/address.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import type { Watch } from "../platform/reactor.ts";
import type { ProbeReport } from "../report/snapshot.ts";
import { type FetchHandler, HttpConnections } from "./http_connections.ts";

const MAX_CONNECTIONS = 64;
const BACKLOG = 64;
const PROBES = { "/startupz": "started", "/readyz": "ready", "/livez": "live" } as const;

/** @returns status and text for a path; pure */
export function answerProbe(
  method: string,
  path: string,
  report: ProbeReport,
): { readonly status: number; readonly text: string } {
  const field = Object.hasOwn(PROBES, path) ? PROBES[path as keyof typeof PROBES] : undefined;
  if (field === undefined) {
    return { status: 404, text: `not found; try ${Object.keys(PROBES).join(", ")}` };
  }
  if (method !== "GET" && method !== "HEAD") return { status: 405, text: "use GET" };
  if (report[field]) return { status: 200, text: "ok" };
  return { status: 503, text: `not ${field}${report.why === "" ? "" : `: ${report.why}`}` };
}

/** Answers probes from the current `report`. */
export function probeHandler(report: () => ProbeReport): FetchHandler {
  return ({ method, url }) => {
    const { status, text } = answerProbe(method, new URL(url).pathname, report());
    return plainText(status, method === "HEAD" ? null : text);
  };
}

/** @param text one line; null: no body */
export function plainText(status: number, text: string | null): Response {
  const body = text === null ? null : `${text}\n`;
  return new Response(body, { status, headers: { "content-type": "text/plain" } });
}

export class ProbeServer {
  readonly #listener: Fd;
  readonly #watch: Watch;
  readonly #connections: HttpConnections;
  /** Connections so far, which are not traffic of the service. */
  accepted = 0;

  /**
   * @param joins another baton may already share the port
   * @throws {SystemCallError} when the address is not available
   */
  constructor(
    readonly platform: Platform,
    readonly address: InetAddress,
    handler: FetchHandler,
    joins: boolean,
  ) {
    const { sockets } = platform;
    this.#connections = new HttpConnections(platform, handler, MAX_CONNECTIONS);
    const share = () => sockets.setOption(this.#listener, C.SOL_SOCKET, C.SO_REUSEPORT, 1);
    this.#listener = sockets.stream(address.family, { nonblocking: true });
    try {
      sockets.setOption(this.#listener, C.SOL_SOCKET, C.SO_REUSEADDR, 1);
      if (joins) share();
      sockets.bindInet(this.#listener, address);
      // With SO_REUSEADDR two sockets can bind as long as neither listens: only listen(2) claims the port.
      sockets.listen(this.#listener, BACKLOG);
      if (!joins) share();
    } catch (error) {
      this.#listener.close();
      throw error;
    }
    this.#watch = platform.reactor.watch(this.#listener, () => this.#accept());
  }

  get text(): string {
    return formatAddress(this.address);
  }

  #accept(): void {
    try {
      this.accepted += this.#connections.accept(this.#listener, () => true);
    } finally {
      this.#watch.arm();
    }
  }

  close(): void {
    this.#watch.cancel();
    this.#listener.close();
    this.#connections.close();
  }
}
