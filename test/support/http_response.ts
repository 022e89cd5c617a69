/**
 * A strict, incremental reader of one HTTP/1.x response, for the load generator.
 *
 * It accepts bytes split anywhere, and knows when a response is whole: by Content-Length, by the last chunk and its
 * trailer (RFC 9112, 7.1), or, with neither, by the end of the connection. Interim 1xx responses are skipped. Only
 * the start of a long body is kept.
 */

const MAX_HEAD_LENGTH = 65_536;
const MAX_KEPT_BODY_LENGTH = 4_096;
const CRLF = "\r\n";

type Phase =
  | "head"
  | "sized"
  | "chunk_size"
  | "chunk_data"
  | "chunk_end"
  | "trailer"
  | "until_close"
  | "complete"
  | "malformed";

export class HttpResponse {
  status = 0;
  /** The start of the body, as latin1. */
  body = "";
  bytesReceived = 0;
  /** Whether the connection may carry another request after this response. */
  keepAlive = false;
  /** Why the bytes are no HTTP response; empty unless malformed. */
  fault = "";
  #phase: Phase = "head";
  #unread = "";
  #left = 0;

  /** @param text bytes as latin1, so that length is a count of bytes. */
  feed(text: string): void {
    this.bytesReceived += text.length;
    this.#unread += text;
    while (this.#step());
  }

  /** The peer has closed its side: the end of a close-delimited body, and of nothing else. */
  end(): void {
    if (this.#phase === "until_close") this.#phase = "complete";
  }

  get complete(): boolean {
    return this.#phase === "complete";
  }

  get malformed(): boolean {
    return this.#phase === "malformed";
  }

  /** Bytes after the end of the response: they were not asked for. */
  get excess(): string {
    return this.complete ? this.#unread : "";
  }

  /** Where an unfinished response stopped, for error texts. */
  describe(): string {
    if (this.bytesReceived === 0) return "no byte of the response";
    if (this.#phase === "head") return `${this.bytesReceived} bytes of the head`;
    return `status ${this.status} and ${this.bytesReceived} bytes, stopped in ${this.#phase}`;
  }

  /** Consumes what it can of the unread bytes; false when it needs more, or has finished. */
  #step(): boolean {
    switch (this.#phase) {
      case "head":
        return this.#readHead();
      case "sized":
      case "chunk_data":
        return this.#readCounted();
      case "chunk_size":
      case "chunk_end":
      case "trailer":
        return this.#readLine();
      case "until_close":
        this.#keep(this.#take(this.#unread.length));
        return false;
      case "complete":
      case "malformed":
        return false;
    }
  }

  #readHead(): boolean {
    const end = this.#unread.indexOf(CRLF + CRLF);
    if (end < 0) {
      const start = this.#unread.slice(0, 5);
      if (!"HTTP/".startsWith(start) && start !== "HTTP/") return this.#fail("no HTTP status line");
      if (this.#unread.length > MAX_HEAD_LENGTH) return this.#fail("head is too long");
      return false;
    }
    const [statusLine = "", ...lines] = this.#take(end + 4).slice(0, end).split(CRLF);
    const match = /^HTTP\/1\.([01]) (\d{3})(?: |$)/.exec(statusLine);
    if (match === null) return this.#fail(`status line ${JSON.stringify(statusLine.slice(0, 80))}`);
    this.status = Number(match[2]);
    if (this.status >= 100 && this.status < 200) return true;
    return this.#chooseBody(match[1] === "1", headersOf(lines));
  }

  #chooseBody(isHttp11: boolean, headers: Map<string, string>): boolean {
    const connection = (headers.get("connection") ?? "").toLowerCase();
    this.keepAlive = isHttp11 ? !connection.includes("close") : connection.includes("keep-alive");
    const length = headers.get("content-length");
    if (this.status === 204 || this.status === 304) {
      this.#phase = "complete";
    } else if (/\bchunked$/i.test(headers.get("transfer-encoding") ?? "")) {
      this.#phase = "chunk_size";
    } else if (length === undefined) {
      this.keepAlive = false;
      this.#phase = "until_close";
    } else if (!/^\d+$/.test(length)) {
      return this.#fail(`content-length ${JSON.stringify(length)}`);
    } else {
      this.#left = Number(length);
      this.#phase = this.#left === 0 ? "complete" : "sized";
    }
    return true;
  }

  #readCounted(): boolean {
    const part = this.#take(this.#left);
    this.#left -= part.length;
    this.#keep(part);
    if (this.#left > 0) return false;
    this.#phase = this.#phase === "sized" ? "complete" : "chunk_end";
    return true;
  }

  #readLine(): boolean {
    const end = this.#unread.indexOf(CRLF);
    if (end < 0) {
      return this.#unread.length > MAX_HEAD_LENGTH &&
        this.#fail("line in chunked body is too long");
    }
    const line = this.#take(end + 2).slice(0, end);
    if (this.#phase === "chunk_end") {
      if (line !== "") return this.#fail("chunk is longer than its size");
      this.#phase = "chunk_size";
    } else if (this.#phase === "trailer") {
      if (line === "") this.#phase = "complete";
    } else {
      const size = /^([0-9a-f]{1,8})[ \t]*(?:;.*)?$/i.exec(line)?.[1];
      if (size === undefined) return this.#fail(`chunk size ${JSON.stringify(line.slice(0, 40))}`);
      this.#left = parseInt(size, 16);
      this.#phase = this.#left === 0 ? "trailer" : "chunk_data";
    }
    return true;
  }

  #take(count: number): string {
    const taken = this.#unread.slice(0, count);
    this.#unread = this.#unread.slice(count);
    return taken;
  }

  #keep(part: string): void {
    if (this.body.length < MAX_KEPT_BODY_LENGTH) {
      this.body += part.slice(0, MAX_KEPT_BODY_LENGTH - this.body.length);
    }
  }

  #fail(fault: string): false {
    this.fault = fault;
    this.#phase = "malformed";
    return false;
  }
}

function headersOf(lines: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  return headers;
}
