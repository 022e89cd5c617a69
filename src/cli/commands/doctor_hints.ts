/** What `baton doctor` looks at in addition to what `run` needs: advice, never a failure. */
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { prepareDirectory, runtimeDirectory } from "../../admin/paths.ts";
import type { Trial } from "../../handoff/capabilities.ts";
import { SINCE } from "../../platform/kernel.ts";
import { CAPABILITY } from "../../platform/libc/capability_bits.ts";
import type { Platform } from "../../platform/platform.ts";
import { CHROOTED, isChrooted, Namespaces } from "../../platform/process/namespaces.ts";
import * as proc from "../../platform/process/proc.ts";
import { ROOT_UID } from "../../platform/process/processes.ts";
import { originalFileLimit } from "../../process/launch_plan.ts";

const YAMA = "kernel/yama/ptrace_scope";
/** The scope at which no capability allows ptrace(2). Documentation/admin-guide/LSM/Yama.rst */
const NO_PROCESS = 3;
const FEW_CONNECTIONS = 1024;

/** Settings that keep ordinary users from making namespaces of their own, and the value with which they do. */
const USER_NAMESPACE_LIMITS = [
  ["user/max_user_namespaces", "0"],
  ["kernel/unprivileged_userns_clone", "0"],
  ["kernel/apparmor_restrict_unprivileged_userns", "1"],
] as const;

export const HINTS: readonly Trial[] = [
  {
    id: "new_privileges",
    title: "servers may gain privileges (sudo, file capabilities)",
    consequence: "sudo, su and file capabilities do not work in servers that baton adopts: start " +
      "baton as the user that the server needs",
    needed: "advice",
    find: () => {
      const status = readFileSync("/proc/self/status", "utf8");
      if (/^NoNewPrivs:\s*1$/m.test(status)) {
        throw new Error("no_new_privs is already set for baton");
      }
      if (proc.hasCapability(CAPABILITY.CAP_SYS_ADMIN)) {
        return "CAP_SYS_ADMIN: no_new_privs stays unset";
      }
      throw new Error("without CAP_SYS_ADMIN baton sets no_new_privs");
    },
  },
  {
    // With Docker's default set, root may become any user, but not inspect that user's processes.
    id: "other_users",
    title: "servers may change their user (gosu, setpriv)",
    consequence:
      "baton makes the servers' sockets itself (--duplicates socket-trap); what a server " +
      "opens as another user after its start is not handed over: start baton itself as that user, " +
      "or add CAP_SYS_PTRACE",
    needed: "advice",
    find: ({ processes }) => {
      if (proc.hasCapability(CAPABILITY.CAP_SYS_PTRACE)) return "CAP_SYS_PTRACE: baton can follow";
      if (processes.userId() !== ROOT_UID) return "not as this user anyway";
      throw new Error("root without CAP_SYS_PTRACE");
    },
  },
  {
    // Scope 1 was tried with a server that had outlived its baton: the next one is no ancestor of it.
    id: "yama",
    title: "kernel.yama.ptrace_scope",
    consequence:
      "a server that outlived its baton (--survive) serves on and is replaced as usual, " +
      "but what it opens later, and its kept connections, stay its own: CAP_SYS_PTRACE, or " +
      "sysctl -w kernel.yama.ptrace_scope=0",
    needed: "advice",
    find: () => {
      const scope = proc.sysctl(YAMA);
      if (scope === null) return "is not there: nothing is restricted";
      if (scope === "0") return "is 0";
      const isAbove = proc.hasCapability(CAPABILITY.CAP_SYS_PTRACE) && Number(scope) < NO_PROCESS;
      if (isAbove) return `is ${scope}, and CAP_SYS_PTRACE is above it`;
      throw new Error(`is ${scope}`);
    },
  },
  {
    id: "unix_diag",
    title: "the kernel's table of Unix sockets (unix_diag)",
    consequence: "Unix sockets are read from /proc/net/unix, which knows their paths only: " +
      "modprobe unix_diag on the host",
    needed: "advice",
    find: ({ unixDiag }) => {
      unixDiag.find();
      return "works";
    },
  },
  {
    id: "rehearse",
    title: `rehearsals (baton rehearse, Linux ${SINCE.rehearse})`,
    since: SINCE.rehearse,
    consequence: "baton rehearse refuses here; nothing else needs that",
    needed: "advice",
    find: findRehearsal,
  },
  {
    id: "other_processes",
    title: "processes of other users in /proc",
    consequence: "baton cannot name the program that holds a port; nothing else is lost",
    needed: "advice",
    find: () => {
      if (proc.processStat(1) !== null) return "visible";
      throw new Error("hidden (hidepid, ProtectProc=)");
    },
  },
  {
    // Measured: the kernel does not run the steering program for a connection that it migrates.
    id: "tcp_migrate_req",
    title: "net.ipv4.tcp_migrate_req",
    consequence:
      "when a socket is closed, the kernel moves its waiting connections without asking " +
      "the steering program: sysctl -w net.ipv4.tcp_migrate_req=0; baton drains queues itself",
    needed: "advice",
    find: () => {
      const value = proc.sysctl("net/ipv4/tcp_migrate_req");
      if (value === null) return "not visible here; baton does not need it";
      if (value === "0") return "is 0, as it should be: baton does not need it";
      throw new Error(`is ${value}`);
    },
  },
  {
    id: "somaxconn",
    title: "net.core.somaxconn",
    consequence: "accept queues are limited to that, and bursts may see connection timeouts: " +
      "sysctl -w net.core.somaxconn=4096",
    needed: "advice",
    find: () => {
      const value = proc.sysctl("net/core/somaxconn");
      if (value === null) return "not visible here";
      if (Number(value) >= FEW_CONNECTIONS) return `is ${value}`;
      throw new Error(`is ${value}`);
    },
  },
  {
    id: "nofile",
    title: "limit on open files (ulimit -n)",
    consequence:
      "a server runs out of descriptors at that many connections: raise the limit with " +
      "ulimit -n, LimitNOFILE= or --ulimit nofile=",
    needed: "advice",
    find: ({ processes }) => {
      const own = processes.fileLimit();
      const soft = originalFileLimit(processes.parentPid(), own) ?? own[0];
      const found = `a server gets ${soft}, at most ${own[1]}`;
      if (soft >= FEW_CONNECTIONS) return found;
      throw new Error(found);
    },
  },
  {
    id: "runtime_dir",
    title: "the runtime directory",
    consequence: "baton run needs --runtime-dir with a directory of your own here",
    needed: "advice",
    find: findRuntimeDirectory,
  },
];

/** Says what is known to be in a rehearsal's way, without mounting anything. */
function findRehearsal({ libc, processes }: Platform): string {
  new Namespaces(libc).findMountSetattr();
  if (isChrooted()) throw new Error(`${CHROOTED.what}; ${CHROOTED.remedy}`);
  if (proc.hasCapability(CAPABILITY.CAP_SYS_ADMIN)) return "nothing is in the way";
  if (processes.userId() === ROOT_UID) throw new Error("root without CAP_SYS_ADMIN");
  for (const [name, forbids] of USER_NAMESPACE_LIMITS) {
    if (proc.sysctl(name) !== forbids) continue;
    throw new Error(`no user namespaces: sysctl ${name.replaceAll("/", ".")} is ${forbids}`);
  }
  return "nothing is in the way";
}

/** The default directory of the control socket of `run`; creates nothing. */
function findRuntimeDirectory({ processes, runtime }: Platform): string {
  const uid = processes.userId();
  const directory = runtimeDirectory(null, runtime.env(), uid);
  let nearest = directory;
  while (!existsSync(nearest) && nearest !== dirname(nearest)) nearest = dirname(nearest);
  if (nearest === directory) prepareDirectory(directory, uid);
  try {
    accessSync(nearest, constants.W_OK | constants.X_OK);
  } catch {
    throw new Error(`${directory} is not writable`);
  }
  return nearest === directory ? directory : `${directory} can be created`;
}
