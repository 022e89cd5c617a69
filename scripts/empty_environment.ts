/**
 * Makes a compiled binary start with an environment of its own, so that no variable of the user's can change baton.
 *
 * Bun reads some hundred variables before any code of ours runs: `BUN_BE_BUN` makes the binary be Bun, `BUN_OPTIONS`
 * loads files into it, `BUN_INSPECT` takes a port, and there are all the options of JavaScriptCore (`BUN_JSC_*`), the
 * allocators and simdutf. They are meant for the server. No option of `bun build` turns them off.
 *
 * The kernel puts the environment on the stack, as pointers behind the arguments, and keeps the strings for
 * `/proc/self/environ`. A few instructions in front of the program's own entry point put one pointer of baton's own in
 * place of the first, and end the list behind it. From then on getenv(3) and `environ` have that variable only, for any
 * caller, and `/proc/self/environ` has everything as it was: from there baton takes what it passes on to the server.
 * An environment without variables has no room for one, and stays as it is.
 *
 * The instructions stand in place of a function that only native modules call, which baton never loads: so they are in
 * a section that belongs to the program, and no header but the entry point has to change.
 */

import { type Arch, Elf, type Libc } from "./elf.ts";

const ENTRY_AT = 24;
/** Native modules call it when they are loaded. */
const UNUSED_FUNCTION = "napi_module_register";
/**
 * Bun wakes once a second, and all its threads with it, to look for garbage. baton says itself when there may be some
 * (src/platform/memory_return.ts).
 */
export const OWN_VARIABLE = "BUN_GC_TIMER_DISABLE=1";
/** In `INSTRUCTIONS`: the distance to `OWN_VARIABLE`. */
const DISTANCE = "[......]";

/**
 * What runs before the entry point, without the jump there. At that moment the stack has argc, argv, NULL, environment,
 * NULL, auxiliary vector. No register that the entry point looks at is changed.
 *
 * glibc: the loader has found the auxiliary vector already, so the second pointer to a variable becomes NULL.
 * musl looks for it once more behind the environment's NULL, so it is moved there.
 */
const INSTRUCTIONS: Readonly<Record<Arch, Readonly<Record<Libc, string>>>> = {
  x64: {
    glibc: `
      f30f1efa            endbr64
      488b0424            mov  rax, [rsp]
      488d44c410          lea  rax, [rsp+rax*8+16]    the environment
      48833800            cmp  qword ptr [rax], 0
      7412                je   1
      488d0d[......]      lea  rcx, [rip+...]
      488908              mov  [rax], rcx
      48c7400800000000    mov  qword ptr [rax+8], 0   1`,
    musl: `
      f30f1efa            endbr64
      488b0424            mov  rax, [rsp]
      488d44c410          lea  rax, [rsp+rax*8+16]    the environment
      48833800            cmp  qword ptr [rax], 0
      743f                je   3
      488d35[......]      lea  rsi, [rip+...]
      488930              mov  [rax], rsi
      4889c1              mov  rcx, rax
      4883c008            add  rax, 8
      488b31              mov  rsi, [rcx]             1
      4883c108            add  rcx, 8
      4885f6              test rsi, rsi
      75f4                jnz  1
      488930              mov  [rax], rsi
      4883c008            add  rax, 8
      488b31              mov  rsi, [rcx]             2
      488b7908            mov  rdi, [rcx+8]
      488930              mov  [rax], rsi
      48897808            mov  [rax+8], rdi
      4883c010            add  rax, 16
      4883c110            add  rcx, 16
      4885f6              test rsi, rsi
      75e5                jnz  2                      3`,
  },
  arm64: {
    glibc: `
      e90340f9            ldr  x9, [sp]
      e96f298b            add  x9, sp, x9, lsl #3
      2a0940f9            ldr  x10, [x9, #16]         the environment
      6a0000b4            cbz  x10, 1
      0a[......]          adr  x10, ...
      2a7d01a9            stp  x10, xzr, [x9, #16]    1`,
    musl: `
      e90340f9            ldr  x9, [sp]
      e96f298b            add  x9, sp, x9, lsl #3
      29410091            add  x9, x9, #16            the environment
      ea0309aa            mov  x10, x9
      2b0140f9            ldr  x11, [x9]
      2b0100b4            cbz  x11, 3
      0b[......]          adr  x11, ...
      2b8500f8            str  x11, [x9], #8
      4b8540f8            ldr  x11, [x10], #8         1
      ebffffb5            cbnz x11, 1
      3f8500f8            str  xzr, [x9], #8
      4b31c1a8            ldp  x11, x12, [x10], #16   2
      2b3181a8            stp  x11, x12, [x9], #16
      cbffffb5            cbnz x11, 2                 3`,
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
export function emptyEnvironment(binary: Uint8Array): Patch[] {
  const elf = new Elf(binary);
  const [arch, libc] = [elf.arch(), elf.libc()];
  const place = elf.symbol(UNUSED_FUNCTION);
  const entry = elf.u64(ENTRY_AT);
  if (entry === place.address) throw new Error("that was done already");
  const own = new TextEncoder().encode(`${OWN_VARIABLE}\0`);
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
