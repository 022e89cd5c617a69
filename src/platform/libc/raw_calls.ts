/**
 * System calls without the C library: functions with its prototypes that return -errno in place of setting errno. What a
 * runtime does between a call and the reading of errno cannot change that.
 *
 * Each is a few instructions: the arguments of the C calling convention into the registers of the kernel's, 0 where there
 * is none, `syscall`, return. Pure. syscall(2)
 */
import type { Runtime } from "../runtime/runtime.ts";
import { RAW_CALLS, type RawCall } from "./raw_numbers.ts";
import { LIBC } from "./symbols.ts";

const ENTRIES = Object.entries<RawCall>(RAW_CALLS);

/** Prototypes of all functions that `rawFunctions` makes. */
export const RAW = Object.fromEntries(
  [...ENTRIES.map(([name]) => name), "syscall"].map((name) => [name, prototypeOf(name)]),
) as Pick<typeof LIBC, keyof typeof RAW_CALLS | "syscall">;

/** Largest errno: the kernel's errors are -1 to -4095, and all other results are none. */
const MOST_ERRNO = 4095;
const AT_FDCWD = -100;

/** @returns errno; 0: no error */
export function errnoOf(result: number): number {
  return result < 0 && result >= -MOST_ERRNO ? -result : 0;
}

/** Machine code by name. */
export function rawFunctions(arch: Runtime["arch"]): Map<string, Uint8Array> {
  const { call, generic } = CODE[arch];
  const calls = ENTRIES.map(([name, { [arch]: number, fromDirectory = false }]) => {
    const { parameters } = prototypeOf(name);
    return [name, call(number, parameters.length, fromDirectory)] as const;
  });
  return new Map([...calls, ["syscall", generic]]);
}

function prototypeOf(name: string) {
  return LIBC[name as keyof typeof LIBC];
}

type MakeCall = (number: number, parameters: number, fromDirectory: boolean) => Uint8Array;

const CODE: Readonly<Record<Runtime["arch"], { call: MakeCall; generic: Uint8Array }>> = {
  x64: {
    call: (number, parameters, fromDirectory) => {
      const given = parameters + (fromDirectory ? 1 : 0);
      const moved = fromDirectory
        ? ["4989d2", "4889f2", "4889fe", `bf${littleEndian(AT_FDCWD)}`] // r10 = rdx, rdx = rsi, rsi = rdi, edi = ...
        : ["4989ca"]; // mov r10, rcx
      // Sets to 0 what is not given of edi, esi, edx, r10d, r8d, r9d.
      const zeros = ["31ff", "31f6", "31d2", "4531d2", "4531c0", "4531c9"].slice(given);
      return bytesOf([...moved, ...zeros, `b8${littleEndian(number)}`, "0f05", "c3"]);
    },
    generic: bytesOf([
      "4889f8", // mov rax, rdi
      "4889f7", // mov rdi, rsi
      "4889d6", // mov rsi, rdx
      "4889ca", // mov rdx, rcx
      "4d89c2", // mov r10, r8
      "4d89c8", // mov r8, r9
      "4531c9", // xor r9d, r9d
      "0f05", // syscall
      "c3", // ret
    ]),
  },
  arm64: {
    call: (number, parameters, fromDirectory) => {
      const given = parameters + (fromDirectory ? 1 : 0);
      const moved = fromDirectory
        ? [moveArm(3, 2), moveArm(2, 1), moveArm(1, 0), 0x92800000 | (~AT_FDCWD << 5)] // movn x0, #99
        : [];
      const zeros = [0, 1, 2, 3, 4, 5].slice(given).map((register) => setArm(register, 0));
      return words([...moved, ...zeros, setArm(8, number), 0xd4000001, 0xd65f03c0]); // svc #0, ret
    },
    generic: words([
      moveArm(8, 0),
      moveArm(0, 1),
      moveArm(1, 2),
      moveArm(2, 3),
      moveArm(3, 4),
      moveArm(4, 5),
      setArm(5, 0),
      0xd4000001,
      0xd65f03c0,
    ]),
  },
};

/** mov xTO, xFROM */
function moveArm(to: number, from: number): number {
  return 0xaa0003e0 | (from << 16) | to;
}

/** movz xREGISTER, #value */
function setArm(register: number, value: number): number {
  return 0xd2800000 | (value << 5) | register;
}

function littleEndian(value: number): string {
  return [...words([value])].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function words(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => view.setInt32(4 * i, value, true));
  return bytes;
}

function bytesOf(parts: readonly string[]): Uint8Array {
  return Uint8Array.from(parts.join("").match(/../g)!, (byte) => Number.parseInt(byte, 16));
}
