/**
 * A program in a user namespace of its own, for an ordinary user. unshare(2) refuses CLONE_NEWUSER to a process with
 * threads, which a JavaScript runtime always is. So the first program of the new process is a tiny one, made here: it
 * leaves the user namespace, says so, waits until its ids are mapped, and executes the real program.
 *
 * It finds its control socket on descriptor 3, as every helper with three standard descriptors does. Its first argument
 * is the path of the real program, the others are that program's words.
 */
import { readlinkSync, writeFileSync } from "node:fs";
import { SystemCallError } from "../error.ts";
import type { Platform } from "../platform.ts";
import { type HelperOptions, HelperProcess, type HelperProgram } from "./helper_process.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** Number from which on descriptors are lifted, above every one that a helper gets. */
const FIRST_FREE = 64;
const MAP_TIMEOUT_MS = 10_000;
const GO = new Uint8Array([1]);

const HEADERS_SIZE = 64 + 56;
const LOAD_ADDRESS = 0x400000n;
const MACHINE = { x64: 62, arm64: 183 } as const;

// deno-fmt-ignore: one instruction a line
const CODE: Readonly<Record<Runtime["arch"], readonly number[]>> = {
  x64: [
    0xbf, 0, 0, 0, 0x10, //             mov edi, CLONE_NEWUSER
    0xb8, 0x10, 1, 0, 0, //             mov eax, SYS_unshare
    0x0f, 0x05, //                      syscall
    0xf7, 0xd8, //                      neg eax: errno, or 0
    0x50, //                            push rax
    0xba, 1, 0, 0, 0, //                mov edx, 1
    0x48, 0x89, 0xe6, //                mov rsi, rsp
    0xbf, 3, 0, 0, 0, //                mov edi, 3
    0xb8, 1, 0, 0, 0, //                mov eax, SYS_write
    0x0f, 0x05, //                      syscall
    0x80, 0x3c, 0x24, 0, //             cmp byte [rsp], 0
    0x75, 0x31, //                      jne exit
    0xba, 1, 0, 0, 0, //                mov edx, 1
    0x48, 0x89, 0xe6, //                mov rsi, rsp
    0xbf, 3, 0, 0, 0, //                mov edi, 3
    0x31, 0xc0, //                      xor eax, eax: SYS_read
    0x0f, 0x05, //                      syscall
    0x83, 0xf8, 1, //                   cmp eax, 1
    0x75, 0x1b, //                      jne exit
    0x58, //                            pop rax
    0x48, 0x8b, 0x0c, 0x24, //          mov rcx, [rsp]: argc
    0x48, 0x8b, 0x7c, 0x24, 0x10, //    mov rdi, [rsp+16]: argv[1]
    0x48, 0x8d, 0x74, 0x24, 0x18, //    lea rsi, [rsp+24]: argv + 2
    0x48, 0x8d, 0x54, 0xcc, 0x10, //    lea rdx, [rsp+rcx*8+16]: the environment
    0xb8, 59, 0, 0, 0, //               mov eax, SYS_execve
    0x0f, 0x05, //                      syscall
    0xbf, 126, 0, 0, 0, //        exit: mov edi, 126
    0xb8, 231, 0, 0, 0, //              mov eax, SYS_exit_group
    0x0f, 0x05, //                      syscall
  ],
  arm64: words(
    0x52a20000, // movz w0, #0x1000, lsl #16: CLONE_NEWUSER
    0xd2800c28, // movz x8, #97: unshare
    0xd4000001, // svc #0
    0x4b0003e0, // neg w0, w0
    0xd10043ff, // sub sp, sp, #16
    0x390003e0, // strb w0, [sp]
    0xd2800060, // movz x0, #3
    0x910003e1, // mov x1, sp
    0xd2800022, // movz x2, #1
    0xd2800808, // movz x8, #64: write
    0xd4000001, // svc #0
    0x394003e0, // ldrb w0, [sp]
    0x35000200, // cbnz w0, exit
    0xd2800060, // movz x0, #3
    0x910003e1, // mov x1, sp
    0xd2800022, // movz x2, #1
    0xd28007e8, // movz x8, #63: read
    0xd4000001, // svc #0
    0xf100041f, // cmp x0, #1
    0x54000121, // b.ne exit
    0x910043ff, // add sp, sp, #16
    0xf94003e3, // ldr x3, [sp]: argc
    0xf9400be0, // ldr x0, [sp, #16]: argv[1]
    0x910063e1, // add x1, sp, #24: argv + 2
    0x910043e2, // add x2, sp, #16
    0x8b030c42, // add x2, x2, x3, lsl #3: the environment
    0xd2801ba8, // movz x8, #221: execve
    0xd4000001, // svc #0
    0xd2800fc0, // exit: movz x0, #126
    0xd2800bc8, // movz x8, #94: exit_group
    0xd4000001, // svc #0
  ),
};

function words(...instructions: readonly number[]): number[] {
  return [...new Uint8Array(new Uint32Array(instructions).buffer)];
}

/** An ELF file with nothing but the code, elf(5): one segment that holds the whole file. */
function elfFile(arch: Runtime["arch"]): Uint8Array {
  const code = CODE[arch];
  const bytes = new Uint8Array(HEADERS_SIZE + code.length);
  const view = new DataView(bytes.buffer);
  const size = BigInt(bytes.length);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, MACHINE[arch], true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, LOAD_ADDRESS + BigInt(HEADERS_SIZE), true);
  view.setBigUint64(32, 64n, true);
  [64, 56, 1].forEach((value, i) => view.setUint16(52 + 2 * i, value, true));
  view.setUint32(64, 1, true); // PT_LOAD
  view.setUint32(68, 5, true); // readable, executable
  view.setBigUint64(80, LOAD_ADDRESS, true);
  view.setBigUint64(88, LOAD_ADDRESS, true);
  view.setBigUint64(96, size, true);
  view.setBigUint64(104, size, true);
  view.setBigUint64(112, 4096n, true);
  bytes.set(code, HEADERS_SIZE);
  return bytes;
}

interface Ids {
  /** User and group in the new namespace. */
  readonly inside: { readonly uid: number; readonly gid: number };
  /** User and group in this namespace that they stand for: this process's own. */
  readonly outside: { readonly uid: number; readonly gid: number };
}

/**
 * Starts a helper in a user namespace of its own. Blocks until it is there, and its ids are mapped.
 * @throws {SystemCallError} when it may not leave the namespace
 */
export function startAsUser(
  platform: Platform,
  ids: Ids,
  { program, ...options }: HelperOptions & { readonly program: HelperProgram },
): HelperProcess {
  const { descriptors, runtime } = platform;
  using memory = descriptors.sealedMemfd("baton-userns", elfFile(runtime.arch), "program");
  using file = descriptors.duplicate(memory, FIRST_FREE);
  const { path: real, argv } = program;
  // In the child that executes it, /proc/self/exe would be another program.
  const words = [argv[0]!, real === "/proc/self/exe" ? readlinkSync(real) : real, ...argv];
  const path = `/proc/self/fd/${file.number}`;
  const helper = new HelperProcess(platform, {
    ...options,
    program: { ...program, path, argv: words },
  });
  try {
    mapUser(helper, ids);
    return helper;
  } catch (error) {
    helper[Symbol.dispose]();
    throw error;
  }
}

function mapUser(helper: HelperProcess, { inside, outside }: Ids): void {
  const { data } = helper.awaitMessage(MAP_TIMEOUT_MS);
  const errno = data[0] ?? 0;
  if (errno !== 0) throw new SystemCallError("unshare", errno, "the user namespace");
  const write = (file: string, text: string) => writeFileSync(`/proc/${helper.pid}/${file}`, text);
  // Without this line the kernel takes no map of groups from an ordinary user: user_namespaces(7).
  write("setgroups", "deny");
  write("uid_map", `${inside.uid} ${outside.uid} 1`);
  write("gid_map", `${inside.gid} ${outside.gid} 1`);
  helper.send(GO);
}
