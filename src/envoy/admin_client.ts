/**
 * One request to an administration interface (Envoy's, or another server's), over TCP or a Unix socket: HTTP/1.1, a connection
 * of its own. Never throws and never blocks: a failure is an answer, so that nothing that a reload does depends on it.
 */
import type { CallPlace } from "../config/values/drain_call_spec.ts";
import type { InetAddress } from "../platform/network/address.ts";
import { formatAddress, reachable } from "../platform/network/address.ts";
import type { Platform } from "../platform/platform.ts";
import { type CheckRoute, ConnectionCheck, hostOf } from "../health/connection_check.ts";
import { ascii, type Dialogue, type DialogueStep, NEED_MORE } from "../health/dialogue.ts";
import { HttpAnswer } from "../health/http_answer.ts";
import { type CheckResult, failure, success } from "../health/monitor.ts";

/** Bytes of the longest answer: Envoy's `/clusters` has some 2 KiB for each endpoint. */
export const LONGEST_ANSWER = 4 * 1024 * 1024;

/** Where an interface listens; a path "@name" is abstract. */
export type AdminAddress = InetAddress | { readonly family: "unix"; readonly path: string };

export interface AdminRequest {
  readonly method: string;
  /** Path and query: "/clusters?format=json". */
  readonly path: string;
  readonly timeoutMs: number;
  /** The Host header; missing: the address. */
  readonly host?: string;
}

export type AdminAnswer =
  | { readonly status: number; readonly body: string }
  /** Why there is no answer: "refused", "no answer within 2 s". */
  | { readonly failure: string };

export interface PendingAnswer {
  readonly answer: Promise<AdminAnswer>;
  /** Gives up: `answer` then never settles. */
  cancel(): void;
}

/** @param route how the connection is led to one generation */
export function askOnRoute(
  platform: Platform,
  route: CheckRoute,
  { method, path, timeoutMs, host = hostOf(route) }: AdminRequest,
): PendingAnswer {
  const { promise, resolve } = Promise.withResolvers<AdminAnswer>();
  const dialogue = new AdminDialogue(method, path, host);
  const check = new ConnectionCheck(platform, {
    route,
    dialogue,
    timeoutMs,
    onResult: (outcome) => {
      const text = "skippedReason" in outcome ? outcome.skippedReason : outcome.text;
      resolve(dialogue.answer ?? { failure: text });
    },
  });
  return { answer: promise, cancel: () => check.cancel() };
}

/** Asks whatever process answers at the address. */
export function askAdmin(
  platform: Platform,
  address: AdminAddress,
  request: AdminRequest,
): Promise<AdminAnswer> {
  return askOnRoute(platform, directRoute(platform, address), request).answer;
}

export function adminAddressText(address: AdminAddress): string {
  return address.family === "unix" ? `unix:${address.path}` : formatAddress(address);
}

/** @param place with a port */
export function adminAddressAt(place: CallPlace): AdminAddress {
  if ("unix" in place) return { family: "unix", path: place.unix };
  const { host, port } = place;
  const family = host?.includes(":") ? "inet6" : "inet";
  return { family, host: host ?? "127.0.0.1", port: port ?? 0, scope: 0 };
}

/** A route to an address itself: nothing is steered. */
export function directRoute({ sockets }: Platform, address: AdminAddress): CheckRoute {
  const isUnix = address.family === "unix";
  return {
    text: adminAddressText(address),
    stream: () => sockets.stream(address.family),
    aim: () => {},
    connect: (socket) =>
      isUnix
        ? sockets.connectUnix(socket, address.path)
        : sockets.startConnecting(socket, reachable(address)),
    release: () => {},
    mutex: { enter: (turn) => turn(), leave: () => {} },
  };
}

class AdminDialogue implements Dialogue {
  readonly opening: Uint8Array;
  readonly #answer = new HttpAnswer(LONGEST_ANSWER);

  constructor(method: string, path: string, host: string) {
    const lines = [
      `${method} ${path} HTTP/1.1`,
      `Host: ${host}`,
      "User-Agent: baton",
      "Accept: */*",
      "Connection: close",
      ...method === "GET" || method === "HEAD" ? [] : ["Content-Length: 0"],
    ];
    this.opening = ascii(`${lines.join("\r\n")}\r\n\r\n`);
    this.#answer.hasNoBody = method === "HEAD";
  }

  onData(bytes: Uint8Array): DialogueStep {
    this.#answer.add(bytes);
    if (this.#answer.isBroken) return { result: failure("its answer is not HTTP/1") };
    return this.#answer.isComplete ? { result: success("answered") } : NEED_MORE;
  }

  onEnd(): CheckResult {
    this.#answer.end();
    if (this.#answer.isComplete) return success("answered");
    return failure(`it closed the connection: ${this.timeoutDetail}`);
  }

  get timeoutDetail(): string {
    const { head, isEmpty } = this.#answer;
    if (head !== null) return `status ${head.status}, and an unfinished body`;
    return isEmpty ? "no answer" : "an unfinished answer";
  }

  get answer(): { status: number; body: string } | null {
    const { head, isComplete, isBroken, body } = this.#answer;
    return head === null || !isComplete || isBroken ? null : { status: head.status, body };
  }
}
