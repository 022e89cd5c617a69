/** Values of --otlp and of its headers. Pure. */
import { UserError } from "./errors.ts";

const EXAMPLE =
  "Write for example --otlp http://127.0.0.1:4318: what is for one signal is appended";
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e]*?)[ \t]*$/;
/** The exporter's own. */
const RESERVED = ["content-type", "content-length", "host", "connection", "transfer-encoding"];

/** @throws {UserError} when it cannot be the base of a collector's addresses */
export function parseOtlpUrl(text: string): string {
  const refuse = (why: string) =>
    new UserError(`Cannot send to ${JSON.stringify(text)}: ${why}`, { remedy: EXAMPLE });
  if (!URL.canParse(text)) throw refuse("it is not a URL");
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw refuse("it does not begin with http:// or https://");
  }
  if (url.username !== "" || url.password !== "") {
    throw new UserError("Cannot use --otlp: a password in it would be in the list of processes", {
      remedy: "Write it as a header into a file: --otlp-headers-file FILE",
    });
  }
  if (url.search !== "" || url.hash !== "") throw refuse("it has a query or a fragment");
  if (/\/v1\/(metrics|traces|logs)\/?$/.test(url.pathname)) {
    throw refuse("it is the address of one signal");
  }
  return url.href.replace(/\/+$/, "");
}

/**
 * @param text of the file of --otlp-headers-file; empty lines, and those that begin with #, are left out
 * @throws {UserError} without the line itself, which may be a secret
 */
export function parseHeaders(text: string): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [, name, value] = HEADER.exec(line.replace(/\r$/, "")) ?? [];
    if (name === undefined || value === undefined || RESERVED.includes(name.toLowerCase())) {
      throw new UserError(`Cannot use line ${index + 1} of the file of --otlp-headers-file`, {
        remedy: "Write one NAME: VALUE a line, in ASCII; baton itself sets Content-Type and Host",
      });
    }
    headers[name] = value;
  }
  return headers;
}
