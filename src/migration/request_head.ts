/**
 * What the unread bytes of a connection start with. Pure.
 *
 * Only the complete head of an HTTP/1.x request counts as one, RFC 9112. A body, TLS, HTTP/2 or WebSocket frames do
 * not, unless they were written to look like it; connection_state.ts knows whether a request may start here at all.
 */
export type HeadKind =
  /** A request with a complete head. */
  | "request"
  /** Two or more requests: the client does not wait for answers. */
  | "pipelined"
  /** A request that switches the connection to another protocol: CONNECT, Upgrade. */
  | "upgrade"
  /** The start of a request, with an incomplete head. */
  | "partial"
  | "other";

export interface UnreadHead {
  readonly kind: HeadKind;
  /** Bytes of the first request including its body; null when the head does not say. */
  readonly length: number | null;
}

/** The longest head that is examined. */
export const HEAD_LIMIT = 16 * 1024;

/** Any token could be a method, RFC 9110; all methods in use are upper case. */
const LINE = /^[A-Z][A-Z-]{2,15} [!-~]{1,8000} HTTP\/1\.[01]\r?\n/;
const PARTIAL = /^[A-Z][A-Z-]{0,15}( ([!-~]{0,8000}( [HTP/1.]{0,8}\r?)?)?)?$/;
const HEAD_END = /\r?\n\r?\n/;
const LENGTH = /^content-length:[ \t]*(\d{1,15})[ \t]*\r?$/im;
/** The head does not say when such a body ends, or starts. */
const UNKNOWN_LENGTH = /^(transfer-encoding|expect):/im;
const UPGRADE = /^upgrade:/im;

/** @param bytes the first unread ones, at most HEAD_LIMIT */
export function classifyUnread(bytes: Uint8Array): UnreadHead {
  const text = new TextDecoder("latin1").decode(bytes);
  const unknown = (kind: HeadKind): UnreadHead => ({ kind, length: null });
  if (!LINE.test(text)) return unknown(PARTIAL.test(text) ? "partial" : "other");
  const end = HEAD_END.exec(text);
  if (end === null) return unknown(bytes.length >= HEAD_LIMIT ? "other" : "partial");
  const head = text.slice(0, end.index + end[0].length);
  if (head.startsWith("CONNECT ") || UPGRADE.test(head)) return unknown("upgrade");
  if (UNKNOWN_LENGTH.test(head)) return unknown("request");
  const length = head.length + Number(LENGTH.exec(head)?.[1] ?? 0);
  return { kind: text.length > length ? "pipelined" : "request", length };
}
