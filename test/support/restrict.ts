/**
 * Runs a program with some system calls failing, as old kernels and container profiles make them fail.
 *
 *   bun test/support/restrict.ts pidfd_getfd=EPERM,netlink=EACCES -- baton doctor
 *
 * A classic seccomp filter is installed on this process, which then becomes the program; everything below is under
 * it. Works for any user: without CAP_SYS_ADMIN no_new_privs is set first, which seccomp(2) asks for.
 *
 * `listener` takes no errno: its filter allows every call but has a notify descriptor, which the program inherits and
 * so keeps open. A second listener below it is refused with EBUSY, as under some container runtimes.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { children } from "./proc.ts";
import { findBun, REPOSITORY, required } from "./programs.ts";
import { Platform } from "../../src/platform/platform.ts";
import { hasCapability } from "../../src/platform/process/proc.ts";
import { CAPABILITY } from "../../src/platform/libc/capability_bits.ts";
import { C } from "../../src/platform/libc/constants.ts";
import { resolveProgram } from "../../src/launcher/resolve.ts";

/** A condition on the low 32 bits of an argument. */
interface Condition {
  readonly argument: number;
  readonly test: "equal" | "has_bits";
  readonly value: number;
}

/** The calls that one restriction is about. */
interface Target {
  /** System call number by architecture; `<asm/unistd.h>`. */
  readonly call: { readonly x64: number; readonly arm64: number };
  /** All must hold. */
  readonly when: readonly Condition[];
}

const equal = (argument: number, value: number): Condition => ({ argument, test: "equal", value });

const SECCOMP = { x64: 317, arm64: 277 };

/** What can be made to fail, by its name on the command line. */
const TARGETS = {
  pidfd_open: { call: { x64: 434, arm64: 434 }, when: [] },
  pidfd_getfd: { call: { x64: 438, arm64: 438 }, when: [] },
  close_range: { call: { x64: 436, arm64: 436 }, when: [] },
  memfd_create: { call: { x64: 319, arm64: 279 }, when: [] },
  unshare: { call: { x64: 272, arm64: 97 }, when: [] },
  mount: { call: { x64: 165, arm64: 40 }, when: [] },
  /** seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, ...) */
  new_listener: {
    call: SECCOMP,
    when: [
      equal(0, C.SECCOMP_SET_MODE_FILTER),
      { argument: 1, test: "has_bits", value: C.SECCOMP_FILTER_FLAG_NEW_LISTENER },
    ],
  },
  /** seccomp(SECCOMP_GET_ACTION_AVAIL, ...) */
  action_avail: { call: SECCOMP, when: [equal(0, C.SECCOMP_GET_ACTION_AVAIL)] },
  /** ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, ...): kernels before 5.9 */
  addfd: { call: { x64: 16, arm64: 29 }, when: [equal(1, C.SECCOMP_IOCTL_NOTIF_ADDFD)] },
  /** setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, ...) */
  reuseport_cbpf: {
    call: { x64: 54, arm64: 208 },
    when: [equal(1, C.SOL_SOCKET), equal(2, C.SO_ATTACH_REUSEPORT_CBPF)],
  },
  /** socket(AF_NETLINK, ...) */
  netlink: { call: { x64: 41, arm64: 198 }, when: [equal(0, C.AF_NETLINK)] },
} as const satisfies Record<string, Target>;

export type TargetName = keyof typeof TARGETS;
/** For example `pidfd_getfd=EPERM`, or `listener`. */
export type Restriction = `${TargetName}=${string}` | "listener";

/** The words to put in front of a command, so that it runs restricted. */
export function restrictedBy(...restrictions: readonly Restriction[]): string[] {
  const script = join(REPOSITORY, "test", "support", "restrict.ts");
  return [required("bun", findBun()), script, restrictions.join(","), "--"];
}

/** Why a program that restricts what it runs (`unshare --net`) does not work here; false = it does. */
export function notPermitted(
  wrapper: readonly string[],
  command: readonly string[] = ["true"],
): string | false {
  const words = [...wrapper, ...command];
  const [program = "", ...argv] = words;
  const { error, status, stderr } = spawnSync(program, argv, { encoding: "utf8" });
  if (error !== undefined) return `${program}: ${error.message}`;
  return status === 0 ? false : `"${words.join(" ")}" fails here: ${stderr.trim()}`;
}

/**
 * The number here of a process below `ancestor`, or of itself, by its number in its own PID namespace.
 *
 * @throws {Error} when there is none.
 */
export function processNumbered(inside: number, ancestor: number): number {
  const found = [ancestor, ...children(ancestor)].find((pid) => numberInside(pid) === inside);
  if (found === undefined) throw new Error(`Cannot find process ${inside} below ${ancestor}`);
  return found;
}

/** /proc/PID/status, proc_pid_status(5): NSpid ends with the number in the innermost namespace. */
function numberInside(pid: number): number | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/^NSpid:.*?(\d+)$/m.exec(status)?.[1]);
  } catch {
    return null; // ended meanwhile
  }
}

type Instruction = readonly [code: number, jt: number, jf: number, k: number];

const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_BITS = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K
/** offsetof(struct seccomp_data, ...); an argument's low half comes first on both architectures. */
const DATA_NR = 0;
const DATA_ARCH = 4;
const DATA_ARGS = 16;

/** One block for each rule; a condition that does not hold jumps to the next block. */
function program(
  auditArch: number,
  rules: readonly { target: Target; call: number; errno: number }[],
): Instruction[] {
  const blocks = rules.flatMap(({ target, call, errno }) => {
    const tests = target.when.flatMap(({ argument, test, value }): Instruction[] => [
      [LOAD, 0, 0, DATA_ARGS + 8 * argument],
      [test === "equal" ? JUMP_EQUAL : JUMP_BITS, 0, 0, value >>> 0],
    ]);
    const body: Instruction[] = [
      [LOAD, 0, 0, DATA_NR],
      [JUMP_EQUAL, 0, 0, call],
      ...tests,
      [RETURN, 0, 0, C.SECCOMP_RET_ERRNO | errno],
    ];
    return body.map(([code, jt, jf, k], at): Instruction =>
      code === JUMP_EQUAL || code === JUMP_BITS ? [code, jt, body.length - at - 1, k] : [
        code,
        jt,
        jf,
        k,
      ]
    );
  });
  return [
    [LOAD, 0, 0, DATA_ARCH],
    [JUMP_EQUAL, 1, 0, auditArch],
    [RETURN, 0, 0, C.SECCOMP_RET_ALLOW],
    ...blocks,
    [RETURN, 0, 0, C.SECCOMP_RET_ALLOW],
  ];
}

function encode(instructions: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(instructions.length * 8);
  const view = new DataView(bytes.buffer);
  instructions.forEach(([code, jt, jf, k], i) => {
    view.setUint16(i * 8, code, true);
    view.setUint8(i * 8 + 2, jt);
    view.setUint8(i * 8 + 3, jf);
    view.setUint32(i * 8 + 4, k, true);
  });
  return bytes;
}

function install(platform: Platform, instructions: readonly Instruction[]): void {
  const { libc } = platform;
  const code = encode(instructions);
  const fprog = new Uint8Array(16);
  const view = new DataView(fprog.buffer);
  view.setUint16(0, instructions.length, true);
  view.setBigUint64(8, BigInt(libc.addressOf(code)), true);
  const { SYS_seccomp } = libc.arch;
  const address = libc.addressOf(fprog);
  libc.check(
    libc.c.syscall(SYS_seccomp, C.SECCOMP_SET_MODE_FILTER, 0, address, 0, 0),
    "seccomp",
    `a filter of ${code.length} bytes`,
  );
}

function errnoOf(name: string): number {
  const errno = (constants.errno as Record<string, number>)[name];
  if (errno === undefined) throw new RangeError(`Cannot find the errno "${name}"`);
  return errno;
}

function restrict(platform: Platform, list: string): void {
  if (!hasCapability(CAPABILITY.CAP_SYS_ADMIN)) platform.processes.setNoNewPrivileges();
  const rules = list.split(",").filter((word) => word !== "listener").map((word) => {
    const [name = "", errno = ""] = word.split("=");
    const target: Target | undefined = (TARGETS as Record<string, Target>)[name];
    if (target === undefined) throw new RangeError(`Cannot restrict "${name}": no such target`);
    return { target, call: target.call[platform.runtime.arch], errno: errnoOf(errno) };
  });
  if (list.split(",").includes("listener")) {
    const notify = platform.seccomp.installFilter([]);
    const { c } = platform.libc;
    platform.libc.check(c.fcntl(notify.number, C.F_SETFD, 0), "fcntl(F_SETFD)", "a listener");
  }
  if (rules.length > 0) install(platform, program(platform.libc.arch.AUDIT_ARCH, rules));
}

async function main(): Promise<void> {
  const { bunRuntime } = await import("../../src/platform/runtime/bun.ts");
  const platform = new Platform(bunRuntime());
  const [list = "", separator, ...command] = process.argv.slice(2);
  if (separator !== "--" || command.length === 0) {
    throw new TypeError(
      "Usage: restrict.ts TARGET=ERRNO[,TARGET=ERRNO...] -- PROGRAM [ARGUMENT...]",
    );
  }
  const found = resolveProgram(
    command[0] ?? "",
    process.env["PATH"],
    process.cwd(),
    platform.files,
  );
  if (found.kind === "failed") throw new Error(found.message);
  restrict(platform, list);
  platform.processes.resetSignals();
  platform.processes.exec(found.path, command, { ...process.env } as Record<string, string>);
}

if (import.meta.main) await main();
