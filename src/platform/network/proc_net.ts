/**
 * TCP in this network namespace as /proc/net shows it, proc_pid_net(5): for every user, and without
 * netlink. Reading it costs more than sock_diag.ts where there are many sockets. Null: it cannot be
 * read, which is never "nothing there".
 */
import { existsSync, readFileSync } from "node:fs";
import { C } from "../libc/constants.ts";
import { linesOf } from "./net_table.ts";

/** One row of /proc/net/tcp or tcp6. */
interface TcpRow {
  readonly localPort: number;
  /** Address and port of the other end, as the kernel prints them. */
  readonly remote: string;
  /** TCP_* state number. */
  readonly state: number;
  /** Bytes not acknowledged, and bytes not read; of a listener, connections that wait to be accepted. */
  readonly sendQueue: number;
  readonly receiveQueue: number;
  readonly uid: number;
  /** Low 32 bits of the inode, as inet_diag has them. */
  readonly inode: number;
}

const [TCP, TCP6] = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
const ROW =
  /^ *\d+: [0-9A-F]+:([0-9A-F]+) ([0-9A-F]+:[0-9A-F]+) ([0-9A-F]{2}) ([0-9A-F]+):([0-9A-F]+)(?: +\S+){2} +(\d+) +\S+ +(\d+)/;

interface TcpRows {
  readonly rows: readonly TcpRow[];
  /** Whether these are all rows; otherwise there are more, of which nothing is known. */
  readonly isComplete: boolean;
}

/**
 * @param states TCP_* states that are wanted
 * @param isOver asked after each page, 30 rows: no more are read from then on
 */
export function tcpRows(
  states: readonly number[],
  isOver: () => boolean = () => false,
): TcpRows | null {
  try {
    // A kernel without IPv6 has no second table.
    const tables = existsSync(TCP6) ? [TCP, TCP6] : [TCP];
    const read = tables.map((path) => readRows(path, states, isOver));
    return {
      rows: read.flatMap(({ rows }) => rows),
      isComplete: read.every(({ isComplete }) => isComplete),
    };
  } catch {
    return null;
  }
}

/** Characters from the colon after the number of a row to its state: with addresses of IPv4, and of IPv6. */
const TO_STATE = { short: 30, long: 78 } as const;
const LONG_ADDRESS = 32;
function readRows(path: string, states: readonly number[], isOver: () => boolean): TcpRows {
  const rows: TcpRow[] = [];
  // The kernel shows all listeners before all others (tcp_seq_start).
  const listenersOnly = states.every((state) => state === C.TCP_LISTEN);
  for (const lines of linesOf(path)) {
    rows.push(...parseTcpRows(lines, states));
    if (listenersOnly && endsBehindListeners(lines)) break;
    if (isOver()) return { rows, isComplete: false };
  }
  return { rows, isComplete: true };
}

/** @param text whole lines */
function endsBehindListeners(text: string): boolean {
  const [last = ""] = text.slice(0, -1).split("\n").slice(-1);
  const state = stateOf(last, 0);
  return STATE.test(state) && state !== LISTENING;
}

const STATE = /^[0-9A-F]{2}$/;
const LISTENING = hexState(C.TCP_LISTEN);

function hexState(state: number): string {
  return state.toString(16).toUpperCase().padStart(2, "0");
}

/** State of the row that begins at `from`; the heading has none. */
function stateOf(text: string, from: number): string {
  const colon = text.indexOf(":", from);
  if (colon < 0) return "";
  const isLong = text.charAt(colon + 2 + LONG_ADDRESS) === ":";
  const toState = isLong ? TO_STATE.long : TO_STATE.short;
  return text.slice(colon + toState, colon + toState + 2);
}

export function parseTcpRows(text: string, states: readonly number[]): TcpRow[] {
  const rows: TcpRow[] = [];
  const wanted = new Set(states.map(hexState));
  for (let from = 0, end = 0; from < text.length; from = end + 1) {
    end = text.indexOf("\n", from);
    if (end < 0) end = text.length;
    // In a long table most rows are of closed connections: they are skipped early.
    if (!wanted.has(stateOf(text, from))) continue;
    const match = ROW.exec(text.slice(from, end));
    if (match === null) continue;
    const [localPort, , state, sendQueue, receiveQueue] = match.slice(1, 6).map((hex) =>
      parseInt(hex, 16)
    );
    if (!states.includes(state!)) continue;
    rows.push({
      localPort: localPort!,
      remote: match[2]!,
      state: state!,
      sendQueue: sendQueue!,
      receiveQueue: receiveQueue!,
      uid: Number(match[6]),
      inode: Number(match[7]) >>> 0,
    });
  }
  return rows;
}

/** How many connections were ever accepted in this namespace (RFC 4022, tcpPassiveOpens). */
export function passiveOpens(): number | null {
  try {
    return parsePassiveOpens(readFileSync("/proc/self/net/snmp", "utf8"));
  } catch {
    return null;
  }
}

export function parsePassiveOpens(text: string): number | null {
  const [names = [], values = []] = text.split("\n").filter((line) => line.startsWith("Tcp:"))
    .map((line) => line.split(" "));
  const value = Number(values[names.indexOf("PassiveOpens")]);
  return Number.isInteger(value) ? value : null;
}
