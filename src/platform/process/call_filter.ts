/**
 * The program of a seccomp filter, from a table of rules: which system calls, with which arguments, the supervisor is
 * asked about. seccomp(2), <linux/seccomp.h>, <linux/filter.h>.
 *
 * The program sees numbers only: what a pointer leads to (an address, a path) is unknown to it. Of an argument it
 * compares the low half, which is all that the kernel reads of an int.
 */
import { C } from "../libc/constants.ts";
import { struct } from "../libc/libc.ts";

/** offsetof(struct seccomp_data, nr), arch, args[0] (low half); each argument has 8 bytes. */
const DATA_NR = 0;
const DATA_ARCH = 4;
const DATA_ARGUMENTS = 16;
const ARGUMENT_SIZE = 8;

const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JA = 0x05; // BPF_JMP | BPF_JA
const JEQ = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RET = 0x06; // BPF_RET | BPF_K

interface ArgumentCondition {
  /** Number of the argument, from 0. */
  readonly argument: number;
  /** Bits that are compared; missing: all 32. */
  readonly mask?: number;
  /** Values of which the argument is one; or, with `not`, none. */
  readonly values: readonly number[];
  readonly not?: boolean;
}

/** A call by its number, asked about always, or only where all conditions hold. Several rules of one call: any of them. */
export type CallRule =
  | number
  | { readonly call: number; readonly when: readonly ArgumentCondition[] };

interface SparedProcesses {
  /** kill(2). */
  readonly call: number;
  readonly pids: readonly number[];
}

/** A place that is jumped to. */
interface Label {
  at: number;
}

interface Instruction {
  readonly code: number;
  readonly k: number;
  readonly ifTrue?: Label;
  readonly ifFalse?: Label;
}

/** Makes the program. Calls of another architecture (32-bit programs) and all calls that no rule names are allowed. */
export function filterProgram(
  auditArch: number,
  rules: readonly CallRule[],
  spared: SparedProcesses = { call: -1, pids: [] },
  action: number = C.SECCOMP_RET_USER_NOTIF,
): Uint8Array {
  const assembler = new Assembler();
  const ours = assembler.label();
  assembler.load(DATA_ARCH);
  assembler.jumpIf(auditArch, ours);
  assembler.return(C.SECCOMP_RET_ALLOW);
  assembler.place(ours);
  // Most calls are of no rule, and are compared with the fewest numbers.
  const [ask, others] = [assembler.label(), assembler.label()];
  assembler.load(DATA_NR);
  for (const rule of rules) if (typeof rule === "number") assembler.jumpIf(rule, ask);
  assembler.jump(others);
  assembler.place(ask);
  assembler.return(action);
  assembler.place(others);
  for (const rule of rules) if (typeof rule !== "number") addRule(assembler, rule, action);
  addSpared(assembler, spared, action);
  assembler.return(C.SECCOMP_RET_ALLOW);
  return assembler.assembled();
}

/** Adds a rule. The number of the call is loaded, before and after. */
function addRule(
  assembler: Assembler,
  { call, when }: Exclude<CallRule, number>,
  action: number,
): void {
  const [no, next] = [assembler.label(), assembler.label()];
  assembler.jumpIf(call, undefined, next);
  for (const condition of when) addCondition(assembler, condition, no);
  assembler.return(action);
  assembler.place(no);
  assembler.load(DATA_NR);
  assembler.place(next);
}

function addCondition(
  assembler: Assembler,
  { argument, mask, values, not = false }: ArgumentCondition,
  fails: Label,
): void {
  const holds = assembler.label();
  assembler.load(DATA_ARGUMENTS + argument * ARGUMENT_SIZE);
  if (mask !== undefined) assembler.and(mask);
  for (const value of values) assembler.jumpIf(value >>> 0, not ? fails : holds);
  if (!not) assembler.jump(fails);
  assembler.place(holds);
}

function addSpared(
  assembler: Assembler,
  { call, pids }: SparedProcesses,
  action: number,
): void {
  if (pids.length === 0) return;
  const [ask, allow] = [assembler.label(), assembler.label()];
  assembler.jumpIf(call, undefined, allow);
  assembler.load(DATA_ARGUMENTS + ARGUMENT_SIZE);
  // Signal 0 asks whether the process exists.
  assembler.jumpIf(0, allow);
  assembler.load(DATA_ARGUMENTS);
  // A pid, and the negative one of a group, as the kernel compares them: 32 bits.
  for (const target of pids.flatMap((pid) => [pid, -pid >>> 0])) assembler.jumpIf(target, ask);
  assembler.jump(allow);
  assembler.place(ask);
  assembler.return(action);
  assembler.place(allow);
}

class Assembler {
  readonly #instructions: Instruction[] = [];

  label(): Label {
    return { at: -1 };
  }

  /** Places the label here. */
  place(label: Label): void {
    label.at = this.#instructions.length;
  }

  load(offset: number): void {
    this.#instructions.push({ code: LOAD, k: offset });
  }

  and(mask: number): void {
    this.#instructions.push({ code: AND, k: mask });
  }

  jump(to: Label): void {
    this.#instructions.push({ code: JA, k: 0, ifTrue: to });
  }

  jumpIf(value: number, ifTrue?: Label, ifFalse?: Label): void {
    this.#instructions.push({
      code: JEQ,
      k: value,
      ...ifTrue && { ifTrue },
      ...ifFalse && { ifFalse },
    });
  }

  return(action: number): void {
    this.#instructions.push({ code: RET, k: action });
  }

  assembled(): Uint8Array {
    const { bytes, view } = struct(this.#instructions.length * 8);
    this.#instructions.forEach(({ code, k, ifTrue, ifFalse }, i) => {
      const distance = (to: Label | undefined) => to === undefined ? 0 : to.at - i - 1;
      view.setUint16(i * 8, code, true);
      if (code !== JA) {
        view.setUint8(i * 8 + 2, shortJump(distance(ifTrue)));
        view.setUint8(i * 8 + 3, shortJump(distance(ifFalse)));
      }
      view.setUint32(i * 8 + 4, code === JA ? distance(ifTrue) : k, true);
    });
    return bytes;
  }
}

function shortJump(distance: number): number {
  if (distance > 0xff) {
    throw new RangeError(`Cannot jump over ${distance} instructions in a filter`);
  }
  return distance;
}
