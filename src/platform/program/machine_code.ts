/**
 * The program that runs a call_list.ts, and nothing else: a loop of a few dozen instructions, linked with nothing. A new
 * process has it in half a millisecond; one with a JavaScript runtime needs ten times that. elf(5)
 *
 * `test/platform/program_test.ts` runs it, for arm64 in QEMU, beside run_calls.ts, which says the same in JavaScript.
 */
import type { Runtime } from "../runtime/runtime.ts";
import { MEMORY_ADDRESS, MEMORY_OFFSET, PROGRAM_ADDRESS } from "./call_list.ts";

/** The offsets are those of call_list.ts. */
const INSTRUCTIONS: Readonly<Record<Runtime["arch"], string>> = {
  x64: `
    48bb4000010004000000  movabs rbx, 0x400010040     the first call
    488b03                mov  rax, [rbx]             1
    488b7b08              mov  rdi, [rbx+8]
    488b7310              mov  rsi, [rbx+16]
    488b5318              mov  rdx, [rbx+24]
    4c8b5320              mov  r10, [rbx+32]
    4c8b4328              mov  r8, [rbx+40]
    0f05                  syscall
    4885c0                test rax, rax
    781a                  js   3                      an error
    488b4b30              mov  rcx, [rbx+48]
    4885c9                test rcx, rcx
    7805                  js   2                      anything is expected
    4839c8                cmp  rax, rcx
    751e                  jne  4
    488b4b58              mov  rcx, [rbx+88]          2
    8901                  mov  [rcx], eax
    48035b50              add  rbx, [rbx+80]
    ebc8                  jmp  1
    483b4338              cmp  rax, [rbx+56]          3
    7429                  je   5
    483b4340              cmp  rax, [rbx+64]
    7423                  je   5
    483b4348              cmp  rax, [rbx+72]
    741d                  je   5
    48b90000010004000000  movabs rcx, 0x400010000     4: the failure
    8901                  mov  [rcx], eax
    895904                mov  [rcx+4], ebx
    488b5908              mov  rbx, [rcx+8]
    488b5110              mov  rdx, [rcx+16]
    48895108              mov  [rcx+8], rdx
    eb99                  jmp  1
    4883c360              add  rbx, 96                5: tolerated
    eb93                  jmp  1`,
  arm64: `
    130880d2  movz x19, #0x0040             the first call
    3300a0f2  movk x19, #0x0001, lsl #16
    9300c0f2  movk x19, #0x0004, lsl #32
    680240f9  ldr  x8, [x19]                1
    608640a9  ldp  x0, x1, [x19, #8]
    628e41a9  ldp  x2, x3, [x19, #24]
    641640f9  ldr  x4, [x19, #40]
    010000d4  svc  #0
    2001f8b7  tbnz x0, #63, 3               an error
    691a40f9  ldr  x9, [x19, #48]
    6900f8b7  tbnz x9, #63, 2               anything is expected
    1f0009eb  cmp  x0, x9
    a1010054  b.ne 4
    692a45a9  ldp  x9, x10, [x19, #80]      2
    400100b9  str  w0, [x10]
    7302098b  add  x19, x19, x9
    f3ffff17  b    1
    69aa43a9  ldp  x9, x10, [x19, #56]      3
    1f0009eb  cmp  x0, x9
    a0010054  b.eq 5
    1f000aeb  cmp  x0, x10
    60010054  b.eq 5
    692640f9  ldr  x9, [x19, #72]
    1f0009eb  cmp  x0, x9
    00010054  b.eq 5
    0b0080d2  movz x11, #0x0000             4: the failure
    2b00a0f2  movk x11, #0x0001, lsl #16
    8b00c0f2  movk x11, #0x0004, lsl #32
    604d0029  stp  w0, w19, [x11]
    73a540a9  ldp  x19, x9, [x11, #8]
    690500f9  str  x9, [x11, #8]
    e4ffff17  b    1
    73820191  add  x19, x19, #96            5: tolerated
    e2ffff17  b    1`,
};

/** <elf.h> */
const MACHINES = { x64: 62, arm64: 183 } as const;
const MAGIC = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1];
const TYPE_EXECUTABLE = 2;
const HEADER_SIZE = 64;
const SEGMENT_SIZE = 56;
const LOAD = 1;
const STACK = 0x6474e551; // PT_GNU_STACK
const [EXECUTE, WRITE, READ] = [1, 2, 4];
const CODE_AT = 0x100;

/** @param memory a list that is laid out @returns an executable file */
export function programFile(arch: Runtime["arch"], memory: Uint8Array): Uint8Array {
  const words = INSTRUCTIONS[arch].trim().split("\n").map((line) => line.trim().split(/\s/)[0]);
  const code = Uint8Array.from(words.join("").match(/../g)!, (byte) => Number.parseInt(byte, 16));
  const file = new Uint8Array(MEMORY_OFFSET + memory.length);
  const view = new DataView(file.buffer);
  file.set(MAGIC);
  view.setUint16(16, TYPE_EXECUTABLE, true);
  view.setUint16(18, MACHINES[arch], true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(PROGRAM_ADDRESS + CODE_AT), true);
  view.setBigUint64(32, BigInt(HEADER_SIZE), true);
  view.setUint16(52, HEADER_SIZE, true);
  view.setUint16(54, SEGMENT_SIZE, true);
  const segments = [
    { type: LOAD, flags: READ | EXECUTE, offset: 0, size: CODE_AT + code.length },
    { type: LOAD, flags: READ | WRITE, offset: MEMORY_OFFSET, size: memory.length },
    { type: STACK, flags: READ | WRITE, offset: 0, size: 0 },
  ];
  view.setUint16(56, segments.length, true);
  segments.forEach(({ type, flags, offset, size }, i) => {
    const at = HEADER_SIZE + i * SEGMENT_SIZE;
    view.setUint32(at, type, true);
    view.setUint32(at + 4, flags, true);
    const address = type === STACK ? 0 : PROGRAM_ADDRESS + offset;
    [offset, address, address, size, size, MEMORY_ADDRESS - PROGRAM_ADDRESS].forEach((value, n) =>
      view.setBigUint64(at + 8 + 8 * n, BigInt(value), true)
    );
  });
  file.set(code, CODE_AT);
  file.set(memory, MEMORY_OFFSET);
  return file;
}
