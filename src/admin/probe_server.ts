/**
 * The probes of a kubelet or a load balancer, over HTTP on a TCP port of baton's own, so that they are
 * not counted as traffic of the service: GET or HEAD of /startupz, /readyz and /livez, 200 or 503.
 * A handler of another's may answer more; it may take its time.
 *
 * Reads nothing else and changes nothing, so it asks nobody who they are. Bounded like the control
 * socket. The port is one's own until another one joins (SO_REUSEPORT), as the next baton of an upgrade does.
 */
import { formatAddress, type InetAddress } from "../platform/network/address.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import type { Watch } from "../platform/reactor.ts";
import type { ProbeReport } from "../report/snapshot.ts";
import { type FetchHandler, HttpConnection } from "./control_server.ts";

const MAX_CONNECTIONS = 64;
const BACKLOG = 64;
const QUESTIONS = { "/startupz": "started", "/readyz": "ready", "/livez": "live" } as const;

/** @returns status and text for a path; pure */
export function answerProbe(
  method: string,
  path: string,
  report: ProbeReport,
): { readonly status: number; readonly text: string } {
  const question = Object.hasOwn(QUESTIONS, path)
    ? QUESTIONS[path as keyof typeof QUESTIONS]
    : undefined;
  if (question === undefined) {
    return { status: 404, text: `there are ${Object.keys(QUESTIONS).join(", ")}` };
  }
  if (method !== "GET" && method !== "HEAD") return { status: 405, text: "ask with GET" };
  if (report[question]) return { status: 200, text: "ok" };
  return { status: 503, text: `not ${question}${report.why === "" ? "" : `: ${report.why}`}` };
}

/** Answers probes by what `report` says at that moment. */
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
  readonly #connections = new Set<HttpConnection>();
  /** Connections so far: they are no traffic of the service. */
  accepted = 0;

  /**
   * @param joins somebody may have the port already who shares it
   * @throws {SystemCallError} when the address cannot be had
   */
  constructor(
    readonly platform: Platform,
    readonly address: InetAddress,
    readonly handler: FetchHandler,
    joins: boolean,
  ) {
    const { sockets } = platform;
    const share = () => sockets.setOption(this.#listener, C.SOL_SOCKET, C.SO_REUSEPORT, 1);
    this.#listener = sockets.stream(address.family, { nonblocking: true });
    try {
      sockets.setOption(this.#listener, C.SOL_SOCKET, C.SO_REUSEADDR, 1);
      if (joins) share();
      sockets.bindInet(this.#listener, address);
      // Two can bind, as long as neither listens (SO_REUSEADDR): the port is had only then.
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
      for (;;) {
        const socket = this.platform.sockets.accept(this.#listener);
        if (socket === null) break;
        this.accepted++;
        if (this.#connections.size >= MAX_CONNECTIONS) {
          socket.close();
          continue;
        }
        const connection: HttpConnection = new HttpConnection(
          this.platform,
          socket,
          this.handler,
          () => this.#connections.delete(connection),
        );
        this.#connections.add(connection);
      }
    } finally {
      this.#watch.arm();
    }
  }

  close(): void {
    this.#watch.cancel();
    this.#listener.close();
    for (const connection of this.#connections) connection.close();
  }
}
