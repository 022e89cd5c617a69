/**
 * Makes a compiled binary start with an empty environment, so that no variable can change baton.
 *
 * Bun reads some hundred variables before any code of ours runs: `BUN_BE_BUN` makes the binary be Bun, `BUN_OPTIONS`
 * loads files into it, `BUN_INSPECT` takes a port, and there are all the options of JavaScriptCore (`BUN_JSC_*`), the
 * allocators and simdutf. They are meant for the server. No option of `bun build` turns them off.
 *
 * The kernel puts the environment on the stack, as pointers behind the arguments, and keeps the strings for
 * `/proc/self/environ`. A few instructions in front of the program's own entry point end the list of pointers before its
 * first one. From then on getenv(3) and `environ` have nothing for any caller and any name, and
 * `/proc/self/environ` has everything as it was: from there baton takes what it passes on to the server.
 *
 * The instructions stand in place of a function that only native modules call, which baton never loads: so they are in
 * a section that belongs to the program, and no header but the entry point has to change.
 */

import { type Arch, Elf, type Libc } from "./elf.ts";

const ENTRY_AT = 24;
/** Native modules call it when they are loaded. */
const UNUSED_FUNCTION = "napi_module_register";

/**
 * What runs before the entry point, without the jump there. At that moment the stack has argc, argv, NULL, environment,
 * NULL, auxiliary vector. No register that the entry point looks at is changed.
 *
 * glibc: the loader has found the auxiliary vector already, so the first pointer to a variable becomes NULL.
 * musl looks for it once more behind the environment's NULL, so it is moved there.
 */
const INSTRUCTIONS: Readonly<Record<Arch, Readonly<Record<Libc, string>>>> = {
  x64: {
    glibc: `
      f30f1efa            endbr64
      488b0424            mov  rax, [rsp]
      48c744c41000000000  mov  qword ptr [rsp+rax*8+16], 0`,
    musl: `
      f30f1efa            endbr64
      488b0424            mov  rax, [rsp]
      488d44c410          lea  rax, [rsp+rax*8+16]    the environment
      4889c1              mov  rcx, rax
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
      75e5                jnz  2`,
  },
  arm64: {
    glibc: `
      e90340f9            ldr  x9, [sp]
      e96f298b            add  x9, sp, x9, lsl #3
      3f0900f9            str  xzr, [x9, #16]`,
    musl: `
      e90340f9            ldr  x9, [sp]
      e96f298b            add  x9, sp, x9, lsl #3
      29410091            add  x9, x9, #16            the environment
      ea0309aa            mov  x10, x9
      4b8540f8            ldr  x11, [x10], #8         1
      ebffffb5            cbnz x11, 1
      3f8500f8            str  xzr, [x9], #8
      4b31c1a8            ldp  x11, x12, [x10], #16   2
      2b3181a8            stp  x11, x12, [x9], #16
      cbffffb5            cbnz x11, 2`,
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
  const text = INSTRUCTIONS[arch][libc].trim().split("\n").map((line) => line.trim().split(/\s/)[0])
    .join("");
  const code = Uint8Array.from(text.match(/../g)!, (byte) => Number.parseInt(byte, 16));
  const back = jump(arch, place.address + code.length, entry);
  if (code.length + back.length > place.size) throw new Error(`${UNUSED_FUNCTION} is too short`);
  const address = new Uint8Array(8);
  new DataView(address.buffer).setBigUint64(0, BigInt(place.address), true);
  return [
    { offset: elf.offsetOf(place.address), bytes: Uint8Array.of(...code, ...back) },
    { offset: ENTRY_AT, bytes: address },
  ];
}
