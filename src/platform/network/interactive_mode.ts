/**
 * Which connections the kernel has in interactive mode ("pingpong", struct inet_connection_sock): data was sent in reply to
 * what was received. Only /proc/net/tcp shows it, proc_pid_net(5), in the lowest bit of the column behind "ato", to every
 * user, and of this network namespace only. What it means: drain/order.ts.
 */
import { existsSync } from "node:fs";
import { C } from "../libc/constants.ts";
import { linesOf } from "./net_table.ts";

interface InteractiveModes {
  /** Inodes of connections in that mode, the low 32 bits, as inet_diag has them. */
  readonly interactive: ReadonlySet<number>;
  /** Local ports with a listener in this mode: its connections have it from the beginning, so it tells nothing of them. */
  readonly spoiled: ReadonlySet<number>;
}

const TABLES = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
/** Lengths of an address of IPv4 and one of IPv6, with the colon. */
const SHORT = 9;
const LONG = 33;
/** A row: number, two addresses, state; then five columns, and the inode; then four, and the one with the mode. */
const COLUMNS = /^ *\d+: \S+ \S+ ([0-9A-F]{2}) +(?:\S+ +){5}(\d+) +(?:\S+ +){4}(\d+)/;

/**
 * Bytes that are read of each table: 100,000 rows, closed connections too, take a quarter of a second. What is behind
 * them remains unknown.
 */
const MOST_BYTES = 100_000 * 150;

/** @param ports of the connections @returns null where the tables cannot be read */
export function interactiveModes(ports: ReadonlySet<number>): InteractiveModes | null {
  const found = { interactive: new Set<number>(), spoiled: new Set<number>() };
  try {
    for (const path of TABLES.filter(existsSync)) {
      for (const lines of linesOf(path, MOST_BYTES)) parseModes(lines, ports, found);
    }
    return found;
  } catch {
    return null;
  }
}

interface Found {
  readonly interactive: Set<number>;
  readonly spoiled: Set<number>;
}

/** @param text whole lines, with or without the heading */
export function parseModes(text: string, ports: ReadonlySet<number>, found: Found): void {
  const wanted = new Map([...ports].map((port) => [hex(port), port]));
  for (let from = 0, end = 0; from < text.length; from = end + 1) {
    end = text.indexOf("\n", from);
    if (end < 0) end = text.length;
    // Most rows are of other services, or of closed connections: they are skipped early.
    const colon = text.indexOf(":", from) + 2;
    const at = colon + (text.charAt(colon + LONG - 1) === ":" ? LONG : SHORT);
    const port = wanted.get(text.slice(at, at + 4));
    if (port === undefined) continue;
    const [, state, inode, quick] = COLUMNS.exec(text.slice(from, end)) ?? [];
    if (Number(quick) % 2 !== 1) continue;
    if (state === LISTENING) found.spoiled.add(port);
    else found.interactive.add(Number(inode) >>> 0);
  }
}

const LISTENING = C.TCP_LISTEN.toString(16).toUpperCase().padStart(2, "0");

function hex(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, "0");
}
