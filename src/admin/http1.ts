/**
 * The subset of HTTP/1.1 that the admin API needs (RFC 9112): one request per connection, no pipelining, no chunked
 * request bodies. Pure. Limits are small on purpose: no request of the API has more to say.
 */
import { concatBytes, indexOfBytes } from "../platform/bytes.ts";

const HEAD_END = new TextEncoder().encode("\r\n\r\n");
export const MAX_HEAD_BYTES = 8 * 1024;
export const MAX_BODY_BYTES = 64 * 1024;
const MAX_HEADERS = 100;
const CONTINUE = "100-continue";
/** The client may send the body now. */
export const CONTINUE_RESPONSE = new TextEncoder().encode("HTTP/1.1 100 Continue\r\n\r\n");
/** Headers that a request may have once: with two of them, two readers of it could see two different requests. */
const SINGLE_HEADERS: readonly string[] = ["host", "content-length", "authorization", "origin"];

interface ParsedRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

export type ParseResult =
  /** @param continues the client waits for a 100 before it sends the body: RFC 9110, 10.1.1 */
  | { readonly kind: "incomplete"; readonly continues?: true }
  | { readonly kind: "request"; readonly request: ParsedRequest }
  | { readonly kind: "invalid"; readonly status: number; readonly message: string };

/** Methods that fetch has a Request for; it refuses others with an exception. */
const METHODS: readonly string[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const MAX_TARGET = 2_048;
/** The absolute form is for proxies, and each server must take it: RFC 9112, 3.2.2. */
const REQUEST_LINE =
  /^([A-Z]{1,16}) (?:http:\/\/([\w.:[\]-]+)(?=[/? ]))?([\x21-\x7e]*) HTTP\/1\.([01])$/;
/** Without the spaces around the value: a pattern for them would take time by the square of their number. */
// deno-lint-ignore no-control-regex
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\x00-\x08\x0a-\x1f\x7f]*)$/;

/** @param bytes everything received so far */
export function parseRequest(bytes: Uint8Array): ParseResult {
  const early = refusalOfStart(bytes);
  if (early !== null) return early;
  const end = indexOfBytes(bytes, HEAD_END);
  if ((end < 0 ? bytes.length : end) > MAX_HEAD_BYTES) {
    return invalid(431, `request head is longer than ${MAX_HEAD_BYTES} bytes`);
  }
  if (end < 0) return { kind: "incomplete" };
  // A byte is a character, as fetch wants headers; UTF-8 would give it characters that it refuses.
  const text = String.fromCharCode(...bytes.subarray(0, end));
  const [first = "", ...lines] = text.split("\r\n");
  const line = parseRequestLine(first);
  if ("kind" in line) return line;
  if (lines.length > MAX_HEADERS) return invalid(431, `more than ${MAX_HEADERS} header lines`);
  const headers = new Map<string, string>();
  for (const text of lines) {
    const header = HEADER.exec(text);
    if (header === null) return invalid(400, "malformed header line");
    const name = header[1]!.toLowerCase();
    if (headers.has(name) && SINGLE_HEADERS.includes(name)) {
      return invalid(400, `more than one ${name} header`);
    }
    headers.set(name, withoutSpaces(header[2]!));
  }
  if (line.authority !== null) headers.set("host", line.authority);
  if (headers.has("transfer-encoding")) return invalid(501, "chunked requests are not supported");
  const length = headers.get("content-length") ?? "0";
  if (!/^\d{1,9}$/.test(length)) return invalid(400, "malformed Content-Length");
  if (Number(length) > MAX_BODY_BYTES) {
    return invalid(413, `request body is longer than ${MAX_BODY_BYTES} bytes`);
  }
  const bodyAt = end + 4;
  if (bytes.length < bodyAt + Number(length)) {
    const continues = line.minor === "1" && headers.get("expect")?.toLowerCase() === CONTINUE;
    return continues && bytes.length === bodyAt
      ? { kind: "incomplete", continues }
      : { kind: "incomplete" };
  }
  const body = bytes.subarray(bodyAt, bodyAt + Number(length));
  const { method, target } = line;
  return { kind: "request", request: { method, target, headers, body } };
}

const [CR, LF] = [0x0d, 0x0a];
const TLS_HANDSHAKE = 0x16;

/** What can never become a request has its answer at once: its client would wait until the time for requests is over. */
function refusalOfStart(bytes: Uint8Array): (ParseResult & { kind: "invalid" }) | null {
  const [first] = bytes;
  if (first === TLS_HANDSHAKE) return invalid(400, "there is no TLS here: use http://");
  const end = bytes.indexOf(LF);
  return end >= 0 && bytes[end - 1] !== CR
    ? invalid(400, "a line of the head must end with CR LF")
    : null;
}

interface RequestLine {
  readonly method: string;
  /** A path, with its query. */
  readonly target: string;
  /** Host and port of the absolute form, which replace what Host says; null: another form. */
  readonly authority: string | null;
  readonly minor: string;
}

function parseRequestLine(text: string): RequestLine | (ParseResult & { kind: "invalid" }) {
  const line = REQUEST_LINE.exec(text);
  const [, method = "", authority = null, rest = "", minor = ""] = line ?? [];
  const target = authority !== null && !rest.startsWith("/") ? `/${rest}` : rest;
  if (line === null || !target.startsWith("/")) return invalid(400, "not an HTTP/1.1 request line");
  if (target.length > MAX_TARGET) {
    return invalid(414, `request target is longer than ${MAX_TARGET} characters`);
  }
  if (!METHODS.includes(method)) {
    return invalid(405, `method ${method} is not allowed: use one of ${METHODS.join(", ")}`);
  }
  return { method, target, authority, minor };
}

/** RFC 9110, 5.5: spaces and tabs around a value are no part of it. */
function withoutSpaces(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isSpace(value[start])) start++;
  while (end > start && isSpace(value[end - 1])) end--;
  return value.slice(start, end);
}

function isSpace(char: string | undefined): boolean {
  return char === " " || char === "\t";
}

function invalid(status: number, message: string): ParseResult & { kind: "invalid" } {
  return { kind: "invalid", status, message };
}

const REASONS: Readonly<Record<number, string>> = {
  202: "Accepted",
  204: "No Content",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  413: "Content Too Large",
  414: "URI Too Long",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
};

/** Headers of a response that the connection itself decides about. */
const OWN_HEADERS: readonly string[] = [
  "connection",
  "content-length",
  "content-type",
  "transfer-encoding",
];

/** @param headers of the response, as fetch gives them: they hold no line break */
function encodeHead(
  status: number,
  type: string,
  headers: Iterable<readonly [string, string]>,
  last: readonly string[],
): Uint8Array {
  const others = [...headers].filter(([name]) => !OWN_HEADERS.includes(name.toLowerCase()));
  const lines = [
    `HTTP/1.1 ${status} ${REASONS[status] ?? (status < 400 ? "OK" : "Error")}`,
    `Content-Type: ${type}`,
    ...others.map(([name, value]) => `${name}: ${value}`),
    ...last,
    "Connection: close",
  ];
  return new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`);
}

/** @param body null: to HEAD, which does not say how long it would be @returns a response, after which the connection closes */
export function encodeResponse(
  status: number,
  type: string,
  body: Uint8Array | null,
  headers: Iterable<readonly [string, string]> = [],
): Uint8Array {
  if (body === null) return encodeHead(status, type, headers, []);
  const head = encodeHead(status, type, headers, [`Content-Length: ${body.length}`]);
  return concatBytes(head, body);
}

/** @returns the head of a response whose body ends with the connection */
export function encodeStreamHead(
  status: number,
  type: string,
  headers: Iterable<readonly [string, string]> = [],
): Uint8Array {
  const others = [...headers].filter(([name]) => name.toLowerCase() !== "cache-control");
  return encodeHead(status, type, others, ["Cache-Control: no-store"]);
}

/** @returns status and body of a complete response, or null when it was cut off */
export function parseResponse(bytes: Uint8Array): { status: number; body: string } | null {
  const parsed = parseHead(bytes);
  if (parsed === null || parsed.body.length < (parsed.length ?? 0)) return null;
  return { status: parsed.status, body: new TextDecoder().decode(parsed.body) };
}

/** @returns the status, and what has come of the body; null: the head is not complete */
export function parseHead(
  bytes: Uint8Array,
): { status: number; length: number | null; body: Uint8Array } | null {
  const end = indexOfBytes(bytes, HEAD_END);
  if (end < 0) return null;
  const head = new TextDecoder().decode(bytes.subarray(0, end));
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(head);
  const length = /^content-length: *(\d+)/im.exec(head);
  const body = bytes.subarray(end + HEAD_END.length);
  if (status === null) return null;
  return { status: Number(status[1]), length: length && Number(length[1]), body };
}
