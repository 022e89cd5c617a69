/**
 * A list of system calls that a new process makes before it becomes another program, laid out as memory: the calls, and
 * what they point to. Two things can run it: a few instructions (machine_code.ts), and JavaScript (run_calls.ts). Pure.
 *
 * A call that fails, or returns something else than expected, ends the list: result and call are reported on a socket,
 * the process waits for its exit status there (four bytes), and exits. Nothing else is decided here.
 */
import type { ArchConstants } from "../libc/arch.ts";
import { C } from "../libc/constants.ts";
import { cString, struct } from "../libc/libc.ts";

/** Memory of the list: bytes, and addresses in them. */
export interface Block {
  readonly bytes: Uint8Array;
  readonly links?: readonly { readonly at: number; readonly to: Block | number }[];
}

/** A place in the middle of a block. */
export interface Place {
  readonly block: Block;
  readonly at: number;
}

export interface Call {
  readonly number: number;
  /** The arguments, at most five. */
  readonly args: readonly (number | Block | Place)[];
  /** The result that is expected; missing: anything but an error. */
  readonly expects?: number;
  /** Errors, at most three, with which the next call is made all the same. */
  readonly tolerates?: readonly number[];
  /** How many calls behind this one are left out if it succeeds. */
  readonly skips?: number;
  /** Where its result goes, 32 bits: into a block, or into the first argument of the next call. */
  readonly resultTo?: Place | "next";
}

/** Address of the program, 16 GiB: there on every kernel, and not where the runtimes put anything. */
export const PROGRAM_ADDRESS = 0x4_0000_0000;
/** How far the memory is behind the program: one page, the largest of arm64. */
export const MEMORY_OFFSET = 0x1_0000;
export const MEMORY_ADDRESS = PROGRAM_ADDRESS + MEMORY_OFFSET;

/** What the memory begins with: result and call of a failure, what follows it, what follows that; and a place for results. */
const FAILED_RESULT = 0;
const FAILED_CALL = 4;
export const AFTER_FAILURE = 8;
export const AFTER_THAT = 16;
const UNUSED_RESULT = 24;
export const CALLS_AT = 64;

/** One call: number, five arguments, and what is here. */
export const CALL_SIZE = 96;
export const EXPECTED = 48;
export const TOLERATED = 56;
export const TO_NEXT = 80;
export const RESULT_ADDRESS = 88;
const ARGUMENTS = 8;
const MOST_ARGUMENTS = 5;
const MOST_TOLERATED = 3;

const FAILURE_SIZE = 8;
export const STATUS_SIZE = 4;
/** Exit status where nothing else is said. */
const STATUS_SYSTEM = 71;

export function block(bytes: Uint8Array, links: NonNullable<Block["links"]> = []): Block {
  return { bytes, links };
}

/** @param room bytes behind it */
export function text(value: string, room = 0): Block {
  const string = cString(value);
  const bytes = new Uint8Array(string.length + room);
  bytes.set(string);
  return block(bytes);
}

/** `char *const[]` */
export function pointers(to: readonly Block[]): Block {
  return block(
    new Uint8Array(8 * (to.length + 1)),
    to.map((each, i) => ({ at: 8 * i, to: each })),
  );
}

/** struct msghdr, sendmsg(2). @param control what is passed with it */
export function message(data: Block | number, length: number, control: Block | null = null): Block {
  const part = numbered([[8, length]], 16, [{ at: 0, to: data }]);
  const passed = control === null ? [] : [{ at: 32, to: control }];
  return numbered([[24, 1], [40, control?.bytes.length ?? 0]], 56, [
    { at: 16, to: part },
    ...passed,
  ]);
}

/** A struct of 64-bit numbers and addresses. */
export function numbered(
  values: readonly (readonly [at: number, value: number])[],
  size: number,
  links: NonNullable<Block["links"]> = [],
): Block {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  for (const [at, value] of values) view.setBigInt64(at, BigInt(value), true);
  return block(bytes, links);
}

/** @param report number of the socket */
export function layOut(arch: ArchConstants, calls: readonly Call[], report: number): Uint8Array {
  const { SYS_sendmsg, SYS_read, SYS_exit_group } = arch;
  const count = calls.length;
  const addressOf = (index: number) => MEMORY_ADDRESS + CALLS_AT + index * CALL_SIZE;
  const told = message(MEMORY_ADDRESS + FAILED_RESULT, FAILURE_SIZE);
  const exitStatus = addressOf(count + 2) + ARGUMENTS;
  const all: readonly Call[] = [
    ...calls,
    { number: SYS_sendmsg, args: [report, told, C.MSG_NOSIGNAL] },
    { number: SYS_read, args: [report, exitStatus, STATUS_SIZE], expects: STATUS_SIZE },
    { number: SYS_exit_group, args: [STATUS_SYSTEM] },
  ];
  const places = placeBlocks(all);
  const bytes = new Uint8Array(places.end);
  const view = new DataView(bytes.buffer);
  const put = (at: number, value: number) => view.setBigInt64(at, BigInt(value), true);
  const address = (of: Block | Place | number): number =>
    typeof of === "number"
      ? of
      : "block" in of
      ? address(of.block) + of.at
      : MEMORY_ADDRESS + places.of.get(of)!;
  put(AFTER_FAILURE, addressOf(count));
  put(AFTER_THAT, addressOf(count + 2));
  all.forEach((call, index) => {
    const at = CALLS_AT + index * CALL_SIZE;
    const { tolerates = [], resultTo } = call;
    if (call.args.length > MOST_ARGUMENTS || tolerates.length > MOST_TOLERATED) {
      throw new RangeError(`Cannot lay out call ${call.number}: too many arguments or errors`);
    }
    put(at, call.number);
    call.args.forEach((each, i) => put(at + ARGUMENTS + 8 * i, address(each)));
    put(at + EXPECTED, call.expects ?? -1);
    tolerates.forEach((errno, i) => put(at + TOLERATED + 8 * i, -errno));
    put(at + TO_NEXT, CALL_SIZE * (1 + (call.skips ?? 0)));
    put(
      at + RESULT_ADDRESS,
      resultTo === undefined
        ? MEMORY_ADDRESS + UNUSED_RESULT
        : resultTo === "next"
        ? addressOf(index + 1) + ARGUMENTS
        : address(resultTo),
    );
  });
  for (const [each, at] of places.of) {
    bytes.set(each.bytes, at);
    for (const { at: offset, to } of each.links ?? []) put(at + offset, address(to));
  }
  return bytes;
}

/** Behind the calls, each block that is reached from them, once. */
function placeBlocks(calls: readonly Call[]): { of: Map<Block, number>; end: number } {
  const of = new Map<Block, number>();
  let end = CALLS_AT + calls.length * CALL_SIZE;
  const place = (each: Block | Place | number): void => {
    if (typeof each === "number") return;
    if ("block" in each) return place(each.block);
    if (of.has(each)) return;
    of.set(each, end);
    end += Math.ceil(each.bytes.length / 8) * 8;
    for (const { to } of each.links ?? []) place(to);
  };
  for (const { args, resultTo } of calls) {
    args.forEach(place);
    if (typeof resultTo === "object") place(resultTo);
  }
  return { of, end };
}

/** @returns the report of a process that has not come to its first call */
export function failureReport(errno: number): Uint8Array {
  const { bytes, view } = struct(FAILURE_SIZE);
  view.setInt32(FAILED_RESULT, -errno, true);
  return bytes;
}

/** @param report what came from the socket @returns null: it is no report of a failure */
export function readFailure(report: Uint8Array): { call: number; result: number } | null {
  if (report.length !== FAILURE_SIZE) return null;
  const view = new DataView(report.buffer, report.byteOffset, FAILURE_SIZE);
  const address = view.getUint32(FAILED_CALL, true);
  const first = (MEMORY_ADDRESS + CALLS_AT) % 2 ** 32;
  return { call: (address - first) / CALL_SIZE, result: view.getInt32(FAILED_RESULT, true) };
}
