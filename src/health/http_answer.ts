/**
 * Reads the answer to a single HTTP/1.1 request from a connection, incrementally. RFC 9112. Pure.
 *
 * Bounded: a longer head is an error, and a longer body is cut.
 */
import { concatBytes } from "../platform/bytes.ts";

const LONGEST_HEAD = 64 * 1024;
/** Bytes that --check-body matches against; other users have their own limit. */
const LONGEST_BODY = 64 * 1024;

export interface HttpHead {
  readonly status: number;
  /** Names in lower case; the last of several with the same name. */
  readonly headers: ReadonlyMap<string, string>;
}

export class HttpAnswer {
  /** The head; null: it is incomplete. */
  head: HttpHead | null = null;
  /** Whether the answer is not HTTP/1. */
  isBroken = false;
  /** Whether it is the answer to HEAD. */
  hasNoBody = false;
  #rest: Uint8Array = new Uint8Array(0);
  #body: Uint8Array = new Uint8Array(0);
  #bodyIsComplete = false;

  constructor(readonly longestBody: number = LONGEST_BODY) {}

  get isEmpty(): boolean {
    return this.head === null && this.#rest.length === 0;
  }

  /** Whether all of it that matters has arrived. */
  get isComplete(): boolean {
    return this.#bodyIsComplete || this.#body.length >= this.longestBody;
  }

  get body(): string {
    return new TextDecoder().decode(this.#body.subarray(0, this.longestBody));
  }

  add(bytes: Uint8Array): void {
    this.#rest = concatBytes(this.#rest, bytes);
    while (this.head === null && !this.isBroken && this.#readHead());
    if (this.head !== null) this.#readBody(this.head);
  }

  /** The connection has ended: so has a body without a length. */
  end(): void {
    const headers = this.head?.headers;
    if (headers === undefined) return;
    if (!headers.has("content-length") && !isChunked(headers)) this.#bodyIsComplete = true;
  }

  /** @returns whether another head may follow */
  #readHead(): boolean {
    const text = new TextDecoder("latin1").decode(this.#rest.subarray(0, LONGEST_HEAD));
    const end = /\r?\n\r?\n/.exec(text);
    if (!/^H?T?T?P?\/?$|^HTTP\//.test(text.slice(0, 5))) this.isBroken = true;
    if (end === null) {
      if (text.length >= LONGEST_HEAD) this.isBroken = true;
      return false;
    }
    const [first = "", ...lines] = text.slice(0, end.index).split(/\r?\n/);
    const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(first)?.[1] ?? NaN);
    this.#rest = this.#rest.subarray(end.index + end[0].length);
    if (Number.isNaN(status)) {
      this.isBroken = true;
      return false;
    }
    // 100 Continue, 103 Early Hints: the final answer follows.
    if (status < 200) return true;
    const headers = new Map<string, string>();
    for (const line of lines) {
      const colon = line.indexOf(":");
      if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    this.head = { status, headers };
    return false;
  }

  #readBody({ status, headers }: HttpHead): void {
    if (status === 204 || status === 304 || this.hasNoBody) this.#bodyIsComplete = true;
    if (isChunked(headers)) return this.#readChunks();
    this.#keep(this.#rest);
    this.#rest = new Uint8Array(0);
    const length = Number(headers.get("content-length") ?? Infinity);
    if (this.#body.length >= length) this.#bodyIsComplete = true;
  }

  #readChunks(): void {
    for (;;) {
      const line = this.#rest.indexOf(10);
      if (line < 0) return;
      const text = new TextDecoder("latin1").decode(this.#rest.subarray(0, line));
      const size = parseInt(text, 16);
      if (Number.isNaN(size)) {
        this.isBroken = true;
        return;
      }
      if (size === 0) {
        this.#bodyIsComplete = true;
        return;
      }
      const end = line + 1 + size;
      // CR LF follows the chunk.
      if (this.#rest.length < end + 2) return;
      this.#keep(this.#rest.subarray(line + 1, end));
      this.#rest = this.#rest.subarray(end + 2);
    }
  }

  #keep(bytes: Uint8Array): void {
    if (this.#body.length < this.longestBody) this.#body = concatBytes(this.#body, bytes);
  }
}

function isChunked(headers: ReadonlyMap<string, string>): boolean {
  return /\bchunked\b/i.test(headers.get("transfer-encoding") ?? "");
}
