/**
 * Makes a compiled binary start with an environment of its own, so that no variable of the user's can change baton.
 *
 * Bun reads some hundred variables before any code of ours runs: `BUN_BE_BUN` makes the binary be Bun, `BUN_OPTIONS`
 * loads files into it, `BUN_INSPECT` takes a port, and there are all the options of JavaScriptCore (`BUN_JSC_*`), the
 * allocators and simdutf. They are meant for the server. No option of `bun build` turns them off.
 *
 * The kernel puts the environment on the stack, as pointers behind the arguments, and keeps the strings for
 * `/proc/self/environ`. A few instructions in front of the program's own entry point put pointers to variables of baton's
 * own in place of the first ones, and end the list behind them. From then on getenv(3) and `environ` have those only, for
 * any caller, and `/proc/self/environ` has everything as it was: from there baton takes what it passes on to the server.
 * There is room for as many variables as there were: of an environment without variables none.
 *
 * The instructions stand in place of a function that only native modules call, which baton never loads: so they are in
 * a section that belongs to the program, and no header but the entry point has to change.
 */

import { type Arch, Elf, type Libc } from "./elf.ts";

const ENTRY_AT = 24;
/** Native modules call it when they are loaded. */
const UNUSED_FUNCTION = "napi_module_register";
/** The most important one first. */
export const OWN_VARIABLES = [
  // Bun would wake once a second, and several threads with it, to look for garbage: memory_return.ts says when there may be some.
  "BUN_GC_TIMER_DISABLE=1",
  // A thread that keeps memory ready for objects to come: 1.1 MiB of an idle baton.
  "BUN_JSC_useWarmUpMarkedBlocks=0",
  // A reload is over before optimized code would pay: without it one takes a third less processor time, and 2 MiB less stay.
  "BUN_JSC_useDFGJIT=0",
] as const;
/** In `INSTRUCTIONS`: the distance to `OWN_VARIABLES`, each with a NUL behind it, and a NUL behind the last. */
const DISTANCE = "[......]";

/**
 * What runs before the entry point, without the jump there. At that moment the stack has argc, argv, NULL, environment,
 * NULL, auxiliary vector. No register that the entry point looks at is changed.
 *
 * glibc: the loader has found the auxiliary vector already, so the pointer behind the last of ours becomes NULL.
 * musl looks for it once more behind the environment's NULL, so it is moved there.
 */
const INSTRUCTIONS: Readonly<Record<Arch, Readonly<Record<Libc, string>>>> = {
  x64: {
    glibc: `
      f30f1efa            endbr64
      488b0424            mov  rax, [rsp]
      488d44c410          lea  rax, [rsp+rax*8+16]    the environment
      488d35[......]      lea  rsi, [rip+...]
      803e00              cmp  byte ptr [rsi], 0      1
      7418                je   3
      48833800            cmp  qword ptr [rax], 0
      7412                je   3
      488930              mov  [rax], rsi
      4883c008            add  rax, 8
      48ffc6              inc  rsi                    2
      807eff00            cmp  byte ptr [rsi-1], 0
      75f7                jne  2
      ebe3                jmp  1
      48c70000000000      mov  qword ptr [rax], 0     3`,
    musl: `
      f30f1efa            endbr64
      488b0424            mov  rax, [rsp]
      488d44c410          lea  rax, [rsp+rax*8+16]    the environment
      488d35[......]      lea  rsi, [rip+...]
      803e00              cmp  byte ptr [rsi], 0      1
      7418                je   3
      48833800            cmp  qword ptr [rax], 0
      7412                je   3
      488930              mov  [rax], rsi
      4883c008            add  rax, 8
      48ffc6              inc  rsi                    2
      807eff00            cmp  byte ptr [rsi-1], 0
      75f7                jne  2
      ebe3                jmp  1
      4889c1              mov  rcx, rax               3
      488b31              mov  rsi, [rcx]             4
      4883c108            add  rcx, 8
      4885f6              test rsi, rsi
      75f4                jnz  4
      488930              mov  [rax], rsi
      4883c008            add  rax, 8
      488b31              mov  rsi, [rcx]             5
      488b7908            mov  rdi, [rcx+8]
      488930              mov  [rax], rsi
      48897808            mov  [rax+8], rdi
      4883c010            add  rax, 16
      4883c110            add  rcx, 16
      4885f6              test rsi, rsi
      75e5                jnz  5`,
  },
  arm64: {
    glibc: `
      e90340f9            ldr  x9, [sp]
      e96f298b            add  x9, sp, x9, lsl #3
      29410091            add  x9, x9, #16            the environment
      0a[......]          adr  x10, ...
      4b014039            ldrb w11, [x10]             1
      eb000034            cbz  w11, 3
      2b0140f9            ldr  x11, [x9]
      ab0000b4            cbz  x11, 3
      2a8500f8            str  x10, [x9], #8
      4b154038            ldrb w11, [x10], #1         2
      ebffff35            cbnz w11, 2
      f9ffff17            b    1
      3f0100f9            str  xzr, [x9]              3`,
    musl: `
      e90340f9            ldr  x9, [sp]
      e96f298b            add  x9, sp, x9, lsl #3
      29410091            add  x9, x9, #16            the environment
      0a[......]          adr  x10, ...
      4b014039            ldrb w11, [x10]             1
      eb000034            cbz  w11, 3
      2b0140f9            ldr  x11, [x9]
      ab0000b4            cbz  x11, 3
      2a8500f8            str  x10, [x9], #8
      4b154038            ldrb w11, [x10], #1         2
      ebffff35            cbnz w11, 2
      f9ffff17            b    1
      ea0309aa            mov  x10, x9                3
      4b8540f8            ldr  x11, [x10], #8         4
      ebffffb5            cbnz x11, 4
      3f8500f8            str  xzr, [x9], #8
      4b31c1a8            ldp  x11, x12, [x10], #16   5
      2b3181a8            stp  x11, x12, [x9], #16
      cbffffb5            cbnz x11, 5`,
  },
};

/** Bytes to be written at an offset of the file. */
export interface Patch {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

function jump(arch: Arch, from: number, to: number): Uint8Array {
  const bytes = new Uint8Array(arch === "x64" ? 5 : 4);
  const view = new DataView(bytes.buffer);
  if (arch === "x64") {
    view.setUint8(0, 0xe9);
    view.setInt32(1, to - (from + bytes.length), true);
  } else {
    view.setUint32(0, 0x14000000 | ((to - from) >> 2 & 0x3ffffff), true);
  }
  return bytes;
}

/** @returns `template` with the distance to what stands `behind` bytes after its end */
function instructions(arch: Arch, template: string, behind: number): Uint8Array {
  const text = template.trim().split("\n").map((line) => line.trim().split(/\s/)[0]).join("");
  // Of x64 the four bytes of a displacement; of arm64 those of ADR behind its register.
  const room = arch === "x64" ? "00000000" : "000000";
  const hex = text.replace(DISTANCE, room).match(/../g)!;
  const bytes = Uint8Array.from(hex, (byte) => Number.parseInt(byte, 16));
  const view = new DataView(bytes.buffer);
  const at = text.indexOf(DISTANCE) / 2 - (arch === "x64" ? 0 : 1);
  const distance = bytes.length + behind - at;
  if (arch === "x64") {
    view.setInt32(at, distance - 4, true);
  } else {
    const [low, high] = [distance & 3, distance >> 2 & 0x7ffff];
    view.setUint32(at, (0x10000000 | low << 29 | high << 5 | bytes[at]!) >>> 0, true);
  }
  return bytes;
}

/**
 * @param binary a program as `bun build --compile` makes it
 * @returns what to write into it
 * @throws {Error} why that cannot be done
 */
export function ownEnvironment(binary: Uint8Array): Patch[] {
  const elf = new Elf(binary);
  const [arch, libc] = [elf.arch(), elf.libc()];
  const place = elf.symbol(UNUSED_FUNCTION);
  const entry = elf.u64(ENTRY_AT);
  if (entry === place.address) throw new Error("that was done already");
  const own = new TextEncoder().encode(`${OWN_VARIABLES.join("\0")}\0\0`);
  // Its length is the same wherever it leads.
  const behind = jump(arch, 0, 0).length;
  const code = instructions(arch, INSTRUCTIONS[arch][libc], behind);
  const back = jump(arch, place.address + code.length, entry);
  if (code.length + back.length + own.length > place.size) {
    throw new Error(`${UNUSED_FUNCTION} is too short`);
  }
  const address = new Uint8Array(8);
  new DataView(address.buffer).setBigUint64(0, BigInt(place.address), true);
  return [
    { offset: elf.offsetOf(place.address), bytes: Uint8Array.of(...code, ...back, ...own) },
    { offset: ENTRY_AT, bytes: address },
  ];
}
