/**
 * A child as fork(2) and execve(2) make it, which inherits everything: process group, signal mask and what is ignored, and
 * the descriptors that were passed to this process. `Processes.spawn` starts one that inherits nothing.
 */
import { readlinkSync } from "node:fs";
import { errorText, SystemCallError } from "../error.ts";
import { FIRST_PASSED_DESCRIPTOR } from "../fd.ts";
import { cString, cStringArray, struct } from "../libc/libc.ts";
import type { Platform } from "../platform.ts";
import { layOut } from "./call_list.ts";
import { programFile } from "./machine_code.ts";
import { environmentStrings } from "../process/environment.ts";
import { namesIn } from "../process/proc.ts";

interface PlainChild {
  /** No PATH search. */
  readonly path: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** @throws {SystemCallError} when the program cannot be executed */
export function startPlainChild(
  { libc }: Pick<Platform, "libc">,
  { path, argv, env }: PlainChild,
): number {
  const pid = struct(4);
  const words = cStringArray(libc, argv);
  const variables = cStringArray(libc, environmentStrings(env));
  const { posix_spawn } = libc.c;
  const errno = posix_spawn(
    pid.bytes,
    cString(path),
    null,
    null,
    words.array,
    variables.array,
  );
  if (errno !== 0) throw new SystemCallError("execute", errno, path);
  return pid.view.getInt32(0, true);
}

/** A child that does nothing but end with 1. @throws {SystemCallError} when there cannot be one */
export function startFailedChild(platform: Platform): number {
  const { descriptors, libc, runtime } = platform;
  const fail = [{ number: libc.arch.SYS_exit_group, args: [1] }];
  using file = descriptors.sealedMemfd(
    "baton-failed",
    programFile(runtime.arch, layOut(libc.arch, fail, 0)),
    "program",
  );
  const child = { argv: ["baton"], env: {} };
  try {
    return startPlainChild(platform, { path: `/proc/self/fd/${file.number}`, ...child });
  } catch (error) {
    // vm.memfd_noexec, SELinux, fapolicyd.
    if (!(error instanceof SystemCallError)) throw error;
    return startPlainChild(platform, { path: "/bin/false", ...child });
  }
}

/**
 * Bun sets close-on-exec for what it was passed from 4 on, before any code of ours runs: takes that back. Bun's own ones are
 * anonymous inodes, and a copy of descriptor 0 with a high number.
 */
export function passOnDescriptors({ processes, runtime }: Platform): void {
  if (runtime.name !== "bun") return;
  for (const number of namesIn("/proc/self/fd").map(Number)) {
    if (number > FIRST_PASSED_DESCRIPTOR && number < BUN_COPIES_FROM && isPassed(number)) {
      processes.keepOnExec(number, 1);
    }
  }
}

/** Where Bun puts its copy of standard input. */
const BUN_COPIES_FROM = 1023;

function isPassed(number: number): boolean {
  try {
    return !/^anon_inode:|^\/proc\/\d+\/fd$/.test(readlinkSync(`/proc/self/fd/${number}`));
  } catch (error) {
    // That of the list itself.
    return errorText(error) === "";
  }
}
