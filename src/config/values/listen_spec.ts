/**
 * One `--listen` value: an address that baton binds itself and passes to the server (inherit).
 *
 * Guarantees: `host` is a literal address (baton never asks a name server, so a start cannot hang or bind elsewhere
 * tomorrow), `port` is 1 to 65535, `name` is valid in LISTEN_FDNAMES (sd_listen_fds_with_names(3): no colon). TCP, and
 * Unix sockets with a path.
 */
import { UserError } from "./errors.ts";
import { isUnixText, parseUnixPlace, type UnixListenSpec } from "./unix_listen_spec.ts";

/** A parsed `--listen` value. */
export type ListenSpec = InetListenSpec | UnixListenSpec;

export interface InetListenSpec {
  /** Name in LISTEN_FDNAMES and `{fd:NAME}`, `{port:NAME}`; by default `listen0`, `listen1`... */
  readonly name: string;
  /** Literal address without brackets, IPv6 in its canonical (shortest) form. */
  readonly host: string;
  readonly port: number;
  readonly family: "inet" | "inet6";
  /** IPV6_V6ONLY; false for the dual-stack addresses `*` and `[::]`, and for IPv4. */
  readonly v6only: boolean;
  /** The address for messages and logs: `127.0.0.1:80`, `[::1]:80`. */
  readonly text: string;
}

const MAX_PORT = 65535;
export const LISTENER_NAME = /^[A-Za-z0-9_.-]{1,63}$/;
const IPV4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;
const MAX_OCTET = 255;
const ANY_IPV4 = "0.0.0.0";
const ANY_IPV6 = "::";
const EXAMPLES =
  "Write [NAME=]ADDRESS:PORT, for example 8080, 127.0.0.1:8080, [::1]:8080 or *:80, or unix:/PATH";

function refuse(text: string, reason: string, remedy: string = EXAMPLES): UserError {
  return new UserError(`Cannot listen on ${JSON.stringify(text)}: ${reason}`, { remedy });
}

/** Splits `NAME=` off; after a scheme or a path the "=" belongs to the address. */
function splitName(text: string, index: number): [name: string, address: string] {
  const at = text.indexOf("=");
  if (at < 0 || /[:/]/.test(text.slice(0, at))) return [`listen${index}`, text];
  const name = text.slice(0, at);
  if (!LISTENER_NAME.test(name)) {
    throw refuse(
      text,
      `${JSON.stringify(name)} is not a listener name`,
      "Use 1 to 63 letters, digits, '_', '.' or '-' before the '='",
    );
  }
  return [name, text.slice(at + 1)];
}

/** Strips `tcp://`, and refuses every other kind of address by name. */
function stripScheme(text: string, address: string): string {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(address)?.[1]?.toLowerCase();
  if (scheme === "tcp") return address.slice("tcp://".length);
  if (/^(\/|\.\.?\/|@)/.test(address)) {
    throw refuse(text, "the scheme is missing", `Write unix:${address} for a Unix socket`);
  }
  if (/^udp:/i.test(address)) {
    throw refuse(text, "only TCP is supported", "Let the server bind its UDP sockets itself");
  }
  if (scheme !== undefined) {
    throw refuse(text, `a listener has no scheme "${scheme}://"`);
  }
  return address;
}

function parsePort(text: string, digits: string): number {
  if (!/^\d{1,5}$/.test(digits)) throw refuse(text, `"${digits}" is not a port`);
  const port = Number(digits);
  if (port > MAX_PORT) throw refuse(text, `ports end at ${MAX_PORT}`);
  if (port === 0) {
    throw refuse(
      text,
      "port 0 would be a different port each time",
      "Use the port that clients connect to",
    );
  }
  return port;
}

/** @returns the canonical form of an IPv6 address, as the URL standard defines it */
function canonicalIpv6(text: string, host: string): string {
  if (host.includes("%")) {
    throw refuse(
      text,
      "addresses with a zone (%interface) are not supported",
      "Listen on [::] or on a global address",
    );
  }
  const canonical = /^[0-9A-Fa-f:.]+$/.test(host) ? URL.parse(`http://[${host}]`)?.hostname : null;
  if (canonical === null || canonical === undefined) {
    throw refuse(text, `"${host}" is not an IPv6 address`);
  }
  const bare = canonical.slice(1, -1);
  // A mapped address is IPv4 in disguise: with IPV6_V6ONLY, bind(2) answers EINVAL.
  if (bare.startsWith("::ffff:")) {
    throw refuse(text, "it is an IPv4 address written as IPv6", "Write the IPv4 address itself");
  }
  return bare;
}

function canonicalIpv4(text: string, host: string): string {
  if (host === "" || host === ANY_IPV4) return ANY_IPV4;
  if (host.toLowerCase() === "localhost") return "127.0.0.1";
  if (host.includes(":")) {
    throw refuse(text, "an IPv6 address needs brackets", "Write [ADDRESS]:PORT, as in [::1]:8080");
  }
  const octets = IPV4.exec(host)?.slice(1);
  if (octets === undefined) {
    throw refuse(
      text,
      `"${host}" is not an address, and host names are not looked up`,
      "Use an address, for example 127.0.0.1:8080 or [::1]:8080",
    );
  }
  // A leading zero means octal to inet_aton(3) and decimal to inet_pton(3): it is ambiguous.
  if (octets.some((octet) => Number(octet) > MAX_OCTET || /^0\d/.test(octet))) {
    throw refuse(text, `"${host}" is not an IPv4 address`);
  }
  return host;
}

/**
 * Reads one `--listen` value.
 *
 * @param text `[NAME=][tcp://]ADDRESS:PORT`; `8080` and `:8080` mean every IPv4 address, `*:80` and
 * `[::]:80` every address of both families, `localhost` means 127.0.0.1. Or `[NAME=]unix:/PATH[,mode=,user=,group=]`
 * @param index position among all listeners from 0: the default name is `listen<index>`
 * @throws {UserError} when it is not an address that baton can bind
 */
export function parseListenSpec(text: string, index: number): ListenSpec {
  const trimmed = text.trim();
  const [name, named] = splitName(trimmed, index);
  if (isUnixText(named)) {
    return parseUnixPlace(name, named, (reason, remedy) => refuse(trimmed, reason, remedy));
  }
  const address = stripScheme(trimmed, named);
  const colon = address.lastIndexOf(":");
  const host = colon < 0 ? "" : address.slice(0, colon);
  if (/^\[.*\]$/.test(address)) throw refuse(trimmed, "the port is missing");
  if (colon < 0 && !/^\d+$/.test(address)) throw refuse(trimmed, "the port is missing");
  const port = parsePort(trimmed, address.slice(colon + 1));
  const bracketed = /^\[(.*)\]$/.exec(host)?.[1];
  if (host === "*" || bracketed !== undefined) {
    const v6 = bracketed === undefined ? ANY_IPV6 : canonicalIpv6(trimmed, bracketed);
    const v6only = v6 !== ANY_IPV6;
    return { name, host: v6, port, family: "inet6", v6only, text: `[${v6}]:${port}` };
  }
  const v4 = canonicalIpv4(trimmed, host);
  return { name, host: v4, port, family: "inet", v6only: false, text: `${v4}:${port}` };
}

/** Reads an address where baton itself answers. @param option the option of the text, for messages */
export function parseOwnAddress(text: string, option: string): InetListenSpec {
  try {
    const spec = parseListenSpec(text, 0);
    if (spec.family === "unix") throw refuse(text, "it is a Unix socket");
    return spec;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const remedy =
      `Use a TCP port that only baton listens on, for example ${option} 127.0.0.1:9901`;
    throw new UserError(error.message, { remedy, cause: error });
  }
}

/**
 * Refuses a list of listeners that has a name or an address twice.
 *
 * Overlapping addresses (`0.0.0.0:80` beside `127.0.0.1:80`) are accepted: Linux gives each
 * connection to the more specific one.
 *
 * @throws {UserError} that names the two listeners
 */
export function checkListeners(specs: readonly ListenSpec[]): void {
  for (const [at, spec] of specs.entries()) {
    const before = specs.slice(0, at);
    const sameName = before.find(({ name }) => name === spec.name);
    if (sameName !== undefined) {
      throw new UserError(
        `Cannot use listener name "${spec.name}" twice: ` +
          `for ${sameName.text} and for ${spec.text}`,
        { remedy: "Give each --listen its own name: NAME=ADDRESS:PORT" },
      );
    }
    const sameAddress = before.find(({ text }) => text === spec.text);
    if (sameAddress !== undefined) {
      throw new UserError(
        `Cannot listen on ${spec.text} twice: as "${sameAddress.name}" and as "${spec.name}"`,
        { remedy: "Remove one of the two --listen options" },
      );
    }
  }
}
