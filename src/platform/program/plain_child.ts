/**
 * A child as fork(2) and execve(2) make it, which inherits everything: process group, signal mask and what is ignored, and
 * the descriptors that were passed to this process. `Processes.spawn` starts one that inherits nothing.
 */
import { SystemCallError } from "../error.ts";
import { type Fd, FIRST_PASSED_DESCRIPTOR } from "../fd.ts";
import { C } from "../libc/constants.ts";
import { cString, cStringArray, struct } from "../libc/libc.ts";
import type { Platform } from "../platform.ts";
import { layOut } from "./call_list.ts";
import { programFile } from "./machine_code.ts";
import { environmentStrings } from "../process/environment.ts";
import { descriptorTarget, namesIn } from "../process/proc.ts";

const STANDARD_ERROR = 2;
/** posix_spawnattr_t is 336 bytes in glibc and musl, posix_spawn_file_actions_t 80; room to spare. */
const ATTRIBUTES_SIZE = 1024;
const SIGSET_SIZE = 128;
/** Signals that the C libraries use themselves. */
const RESERVED_SIGNALS = [32, 33, 34];

interface PlainChild {
  /** The program's path, which is not searched in PATH. */
  readonly path: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Where the child writes its errors; null: this process's own standard error. */
  readonly standardError: Fd | null;
}

/** @throws {SystemCallError} when the program cannot be executed */
export function startPlainChild(
  { libc }: Pick<Platform, "libc">,
  { path, argv, env, standardError }: PlainChild,
): number {
  const pid = struct(4);
  const words = cStringArray(libc, argv);
  const variables = cStringArray(libc, environmentStrings(env));
  const { c } = libc;
  const attributes = new Uint8Array(ATTRIBUTES_SIZE);
  c.posix_spawnattr_init(attributes);
  // Without this, glibc lets the child ignore these signals.
  c.posix_spawnattr_setsigdefault(attributes, signalSet(RESERVED_SIGNALS));
  c.posix_spawnattr_setflags(attributes, C.POSIX_SPAWN_SETSIGDEF);
  const actions = new Uint8Array(ATTRIBUTES_SIZE);
  c.posix_spawn_file_actions_init(actions);
  if (standardError !== null) {
    c.posix_spawn_file_actions_adddup2(actions, standardError.number, STANDARD_ERROR);
  }
  const errno = c.posix_spawn(
    pid.bytes,
    cString(path),
    actions,
    attributes,
    words.array,
    variables.array,
  );
  c.posix_spawnattr_destroy(attributes);
  c.posix_spawn_file_actions_destroy(actions);
  if (errno !== 0) throw new SystemCallError("execute", errno, path);
  return pid.view.getInt32(0, true);
}

function signalSet(signals: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(SIGSET_SIZE);
  for (const signal of signals) bytes[(signal - 1) >> 3]! |= 1 << ((signal - 1) & 7);
  return bytes;
}

/** Starts a child that does nothing but end with 1. @throws {SystemCallError} when there cannot be one */
export function startFailedChild(platform: Platform): number {
  const { descriptors, libc, runtime } = platform;
  const fail = [{ number: libc.arch.SYS_exit_group, args: [1] }];
  using file = descriptors.sealedMemfd(
    "baton-failed",
    programFile(runtime.arch, layOut(libc.arch, fail, 0)),
    "program",
  );
  const child = { argv: ["baton"], env: {}, standardError: null };
  try {
    return startPlainChild(platform, { path: `/proc/self/fd/${file.number}`, ...child });
  } catch (error) {
    // The program may not be executed: vm.memfd_noexec, SELinux, fapolicyd.
    if (!(error instanceof SystemCallError)) throw error;
    return startPlainChild(platform, { path: "/bin/false", ...child });
  }
}

/** Number from which on up Bun puts its copy of standard input. */
const BUN_COPIES_FROM = 1023;

/**
 * Takes back that Bun sets close-on-exec for what it was passed, from 4 on, before any code of ours runs. Bun's own
 * ones are anonymous inodes, and a copy of standard input with a high number.
 */
export function passOnDescriptors({ processes, runtime }: Platform): void {
  if (runtime.name !== "bun") return;
  const input = descriptorTarget("self", 0);
  for (const number of namesIn("/proc/self/fd").map(Number)) {
    const target = descriptorTarget("self", number);
    // The descriptor of the list itself is closed by now.
    if (number <= FIRST_PASSED_DESCRIPTOR || target === null) continue;
    const isOwn = target.startsWith("anon_inode:") || number >= BUN_COPIES_FROM && target === input;
    if (!isOwn) processes.keepOnExec(number, 1);
  }
}
