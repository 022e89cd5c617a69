/**
 * Byte code by which the kernel keeps the sockets of some local ports in a dump of inet_diag: <linux/inet_diag.h>. It is run for
 * each socket of the table (inet_diag_bc_run() in net/ipv4/inet_diag.c): who comes to the end exactly is kept, who comes to
 * behind the end is not. Pure.
 */
import { struct } from "../libc/libc.ts";

/** Lowest and highest port. */
export type PortRange = readonly [lowest: number, highest: number];

/** INET_DIAG_BC_JMP, INET_DIAG_BC_S_GE, INET_DIAG_BC_S_LE. */
const [JUMP, IS_AT_LEAST, IS_AT_MOST] = [1, 2, 3];
/** struct inet_diag_bc_op { u8 code, u8 yes, u16 no }: the offsets at which it continues, from its own beginning. */
const OPERATION_SIZE = 4;
/** A port to compare with stands in `no` of an operation behind the comparison. */
const CONDITION_SIZE = 2 * OPERATION_SIZE;
const RANGE_SIZE = 2 * CONDITION_SIZE + OPERATION_SIZE;
/** Offsets have 16 bits, as the length of an attribute has. */
const MOST_RANGES = 3_000;

/** @returns ports that follow one another as one range, in parts that fit into one filter each */
export function rangesOf(ports: Iterable<number>): PortRange[][] {
  const ranges: [number, number][] = [];
  for (const port of [...new Set(ports)].sort((one, other) => one - other)) {
    const last = ranges.at(-1);
    if (last !== undefined && port === last[1] + 1) last[1] = port;
    else ranges.push([port, port]);
  }
  const parts = Math.ceil(ranges.length / MOST_RANGES);
  return Array.from(
    { length: parts },
    (_, i) => ranges.slice(i * MOST_RANGES, (i + 1) * MOST_RANGES),
  );
}

/** @param ranges at least one */
export function portFilter(ranges: readonly PortRange[]): Uint8Array {
  // Behind the last range nothing has to be jumped over.
  const { bytes, view } = struct(ranges.length * RANGE_SIZE - OPERATION_SIZE);
  const put = (at: number, code: number, yes: number, no: number) => {
    view.setUint8(at, code);
    view.setUint8(at + 1, yes);
    view.setUint16(at + 2, no, true);
  };
  ranges.forEach(([lowest, highest], i) => {
    const start = i * RANGE_SIZE;
    // Of the last one that is behind the end.
    const next = start + RANGE_SIZE;
    [[IS_AT_LEAST, lowest] as const, [IS_AT_MOST, highest] as const].forEach(([code, port], n) => {
      const at = start + n * CONDITION_SIZE;
      put(at, code, CONDITION_SIZE, next - at);
      put(at + OPERATION_SIZE, 0, 0, port);
    });
    const jumpAt = start + 2 * CONDITION_SIZE;
    if (next < bytes.length) put(jumpAt, JUMP, OPERATION_SIZE, bytes.length - jumpAt);
  });
  return bytes;
}
