/**
 * A TCP port of baton's own: of the probes, or of the admin API. Bounded: a crowd of silent clients makes room for one
 * that asks. The port is exclusive until it is shared with the next baton of an upgrade (SO_REUSEPORT), which new connections
 * go to from then on. Not before: a server of the service, or another service's baton, would get half of its clients.
 */
import { SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import { formatAddress, type InetAddress } from "../platform/network/address.ts";
import { TO_SECOND_MEMBER } from "../platform/network/reuseport.ts";
import type { Platform } from "../platform/platform.ts";
import type { FetchHandler } from "./http_connection.ts";
import { HttpConnections, HttpListener } from "./http_connections.ts";

const MAX_CONNECTIONS = 64;
const BACKLOG = 256;
/** Connections that were on their way to this baton's socket when another joined arrive within this time. */
const RETIRE_MS = 1_000;

export class HttpPort {
  readonly #listener: HttpListener;

  /**
   * @param joins another baton may already share the port
   * @param kept a socket that may listen at the address already; owned
   * @throws {SystemCallError} when the address is not available
   */
  constructor(
    readonly platform: Platform,
    readonly address: InetAddress,
    handler: FetchHandler,
    joins: boolean,
    kept: Fd | null = null,
  ) {
    const connections = new HttpConnections(platform, handler, MAX_CONNECTIONS, "replace");
    const isHere = kept !== null && this.#isAtAddress(kept);
    if (!isHere) kept?.close();
    this.#listener = new HttpListener(platform, isHere ? kept : this.#bind(joins), connections);
  }

  /** Connections so far, which are not traffic of the service. */
  get accepted(): number {
    return this.#listener.accepted;
  }

  /** Whether a socket is at the address: the configuration may name another one by now. */
  #isAtAddress(kept: Fd): boolean {
    const at = this.platform.sockets.localAddress(kept);
    return at !== null && formatAddress(at) === this.text;
  }

  #bind(joins: boolean): Fd {
    const { platform: { sockets }, address } = this;
    const listener = sockets.stream(address.family, { nonblocking: true });
    try {
      sockets.setOption(listener, C.SOL_SOCKET, C.SO_REUSEADDR, 1);
      if (joins) sockets.setOption(listener, C.SOL_SOCKET, C.SO_REUSEPORT, 1);
      sockets.bindInet(listener, address);
      // With SO_REUSEADDR two sockets can bind as long as neither listens: only listen(2) claims the port.
      sockets.listen(listener, BACKLOG);
      if (joins) this.#steer(listener);
      return listener;
    } catch (error) {
      listener.close();
      throw error;
    }
  }

  /** Leads new connections to this socket, so that the one before has nothing in its queue when it is closed. */
  #steer(listener: Fd): void {
    try {
      this.platform.sockets.attachReuseportProgram(listener, TO_SECOND_MEMBER);
    } catch (error) {
      // gVisor refuses the program: both sockets get connections there, until one is closed.
      if (!(error instanceof SystemCallError)) throw error;
    }
  }

  /** Another baton may join from now on. The kernel keeps that until the port has no socket any more (findings/). */
  share(): void {
    this.platform.sockets.setOption(this.listener, C.SOL_SOCKET, C.SO_REUSEPORT, 1);
  }

  get text(): string {
    return formatAddress(this.address);
  }

  /** An upgrade in place passes it to the new program, so that no client is refused. */
  get listener(): Fd {
    return this.#listener.socket;
  }

  /** New clients wait in the queue; resolves when the present ones have their responses, or will not get them soon. */
  pause(): Promise<void> {
    return this.#listener.pause();
  }

  resume(): void {
    this.#listener.resume();
  }

  /** Before the end: clients in the queue get an answer. */
  finish(): Promise<void> {
    return this.#listener.finish();
  }

  /** Another baton answers here: serves those who are connected already, and then no others. */
  retire(): void {
    this.platform.clock.after(RETIRE_MS, () => this.#listener.retire());
  }

  close(): void {
    this.#listener.close();
  }
}
