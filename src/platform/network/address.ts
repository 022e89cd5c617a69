/** Socket addresses: between `struct sockaddr_in{,6}`, text, and a form that can be compared. ip(7), ipv6(7). Pure. */
import { decodeBytes } from "../bytes.ts";
import { C } from "../libc/constants.ts";
import { cString } from "../libc/libc.ts";

/** A TCP address. `host` is in the kernel's canonical text: "127.0.0.1", "::1". */
export interface InetAddress {
  readonly family: "inet" | "inet6";
  readonly host: string;
  readonly port: number;
  /** Interface index of a link-local address; 0 for all others. */
  readonly scope: number;
}

export const SOCKADDR_IN_SIZE = 16;
export const SOCKADDR_IN6_SIZE = 28;

/** @returns "127.0.0.1:80" or "[::1]:80" */
export function formatAddress(address: InetAddress): string {
  const host = address.family === "inet6" ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

/** Whether a host stands for all addresses of its family. */
export function isAnyHost(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** Where a listener is reached from this machine: one at all addresses, at the loopback address. */
export function reachable<A extends InetAddress>(address: A): A {
  if (address.host === "0.0.0.0") return { ...address, host: "127.0.0.1" };
  return address.host === "::" ? { ...address, host: "::1" } : address;
}

/**
 * @returns canonical text of a 4- or 16-byte address (RFC 5952: longest run of zeros is "::", and IPv4
 *   in an IPv6 address is written as such: "::ffff:127.0.0.1")
 */
export function formatHost(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  // A dual-stack listener has all its connections of IPv4 in this form: ten thousand at a time.
  if (bytes[10] === 0xff && bytes[11] === 0xff && isZero(bytes, 10)) {
    return `::ffff:${bytes[12]}.${bytes[13]}.${bytes[14]}.${bytes[15]}`;
  }
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!);
  let best = { start: -1, length: 1 };
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && groups[i + length] === 0) length++;
    if (length > best.length) best = { start: i, length };
  }
  const hex = groups.map((group) => group.toString(16));
  if (best.start < 0) return hex.join(":");
  const head = hex.slice(0, best.start).join(":");
  return `${head}::${hex.slice(best.start + best.length).join(":")}`;
}

function isZero(bytes: Uint8Array, length: number): boolean {
  for (let at = 0; at < length; at++) if (bytes[at] !== 0) return false;
  return true;
}

/** @returns 4 or 16 bytes of `host`. @throws {RangeError} when it is not an address */
export function parseHost(host: string): Uint8Array {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(host)) {
    const bytes = host.split(".").map(Number);
    if (bytes.every((byte) => byte <= 255)) return Uint8Array.from(bytes);
  } else if (host.includes(":")) {
    const bytes = parseIpv6(host);
    if (bytes) return bytes;
  }
  throw new RangeError(`Cannot read "${host}" as an IP address`);
}

function parseIpv6(host: string): Uint8Array | null {
  const mapped = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(host);
  if (mapped) {
    const tail = parseHost(mapped[2]!);
    const words = [(tail[0]! << 8) | tail[1]!, (tail[2]! << 8) | tail[3]!];
    return parseIpv6(mapped[1] + words.map((word) => word.toString(16)).join(":"));
  }
  const halves = host.split("::");
  if (halves.length > 2) return null;
  const groupsOf = (text: string | undefined) => (text ? text.split(":") : []);
  const head = groupsOf(halves[0]);
  const tail = groupsOf(halves[1]);
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null;
  const groups = [...head, ...Array(missing).fill("0"), ...tail];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return null;
  const bytes = new Uint8Array(16);
  groups.forEach((group, i) => new DataView(bytes.buffer).setUint16(2 * i, parseInt(group, 16)));
  return bytes;
}

/** @returns `struct sockaddr_in` or `sockaddr_in6` */
export function encodeAddress(address: InetAddress): Uint8Array {
  const host = parseHost(address.host);
  const six = address.family === "inet6";
  const bytes = new Uint8Array(six ? SOCKADDR_IN6_SIZE : SOCKADDR_IN_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, six ? C.AF_INET6 : C.AF_INET, true);
  view.setUint16(2, address.port, false);
  bytes.set(host, six ? 8 : 4);
  if (six) view.setUint32(24, address.scope, true);
  return bytes;
}

/** @returns the address in a sockaddr, or null when it is of another family or too short */
export function decodeAddress(bytes: Uint8Array): InetAddress | null {
  if (bytes.length < 2) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const number = view.getUint16(0, true);
  const six = number === C.AF_INET6;
  if (!six && number !== C.AF_INET || bytes.length < (six ? 24 : 8)) return null;
  return {
    family: six ? "inet6" : "inet",
    host: formatHost(six ? bytes.subarray(8, 24) : bytes.subarray(4, 8)),
    port: view.getUint16(2, false),
    scope: six && bytes.length >= SOCKADDR_IN6_SIZE ? view.getUint32(24, true) : 0,
  };
}

/**
 * @param path a file, or a name in the abstract namespace, written with "@" for its first NUL byte
 * @returns `struct sockaddr_un`. @throws {RangeError} when it is longer than fits: 107 bytes
 */
export function encodeUnixPath(path: string): Uint8Array {
  if (path.startsWith("@")) {
    // Abstract: the length is part of the name, so there is no final NUL.
    const bytes = encodeUnixPath(`.${path.slice(1)}`).slice(0, -1);
    bytes[2] = 0;
    return bytes;
  }
  const text = cString(path);
  if (text.length > 108) {
    throw new RangeError(
      `Cannot use "${path}" as a socket path: ${text.length - 1} bytes, at most 107 fit`,
    );
  }
  const bytes = new Uint8Array(2 + text.length);
  new DataView(bytes.buffer).setUint16(0, C.AF_UNIX, true);
  bytes.set(text, 2);
  return bytes;
}

/** @returns the same text for what `encodeUnixPath` has made; null for a socket without a name */
export function decodeUnixPath(bytes: Uint8Array): string | null {
  const name = bytes.subarray(2);
  if (name.length === 0) return null;
  const isAbstract = name[0] === 0;
  const end = name.indexOf(0, 1);
  const text = isAbstract ? name.subarray(1) : name.subarray(0, end < 0 ? name.length : end);
  return (isAbstract ? "@" : "") + decodeBytes(text);
}
