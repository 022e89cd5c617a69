/**
 * What the unread bytes of a connection begin with. Pure.
 *
 * Only a complete head of an HTTP/1.x request is recognised as one, RFC 9112: the bytes of a body, of TLS,
 * HTTP/2 or a WebSocket are not, unless they are written to look like it; whether a request may begin there at
 * all is for `connection.ts` to know.
 */
export type Beginning =
  /** A request, with its whole head. */
  | "request"
  /** Two requests or more: the client does not wait for answers. */
  | "requests"
  /** A request after which the connection is something else: CONNECT, Upgrade. */
  | "upgrade"
  /** The beginning of a request: its head is not complete. */
  | "part"
  | "other";

export interface Unread {
  readonly beginning: Beginning;
  /** Bytes of the first request, with its body; null where the head does not tell. */
  readonly length: number | null;
}

/** Longest head that is looked at. */
export const HEAD_LIMIT = 16 * 1024;

/** Any word could be a method, RFC 9110; all that are in use are in capitals. */
const LINE = /^[A-Z][A-Z-]{2,15} [!-~]{1,8000} HTTP\/1\.[01]\r?\n/;
const PART = /^[A-Z][A-Z-]{0,15}( ([!-~]{0,8000}( [HTP/1.]{0,8}\r?)?)?)?$/;
const HEAD_END = /\r?\n\r?\n/;
const LENGTH = /^content-length:[ \t]*(\d{1,15})[ \t]*\r?$/im;
/** Nobody knows when such a body ends, or begins. */
const CODED = /^(transfer-encoding|expect):/im;
const UPGRADE = /^upgrade:/im;

/** @param bytes the first of the unread ones, HEAD_LIMIT or fewer */
export function recognise(bytes: Uint8Array): Unread {
  const text = new TextDecoder("latin1").decode(bytes);
  const unknown = (beginning: Beginning): Unread => ({ beginning, length: null });
  if (!LINE.test(text)) return unknown(PART.test(text) ? "part" : "other");
  const end = HEAD_END.exec(text);
  if (end === null) return unknown(bytes.length >= HEAD_LIMIT ? "other" : "part");
  const head = text.slice(0, end.index + end[0].length);
  if (head.startsWith("CONNECT ") || UPGRADE.test(head)) return unknown("upgrade");
  if (CODED.test(head)) return unknown("request");
  const length = head.length + Number(LENGTH.exec(head)?.[1] ?? 0);
  return { beginning: text.length > length ? "requests" : "request", length };
}
