/**
 * `baton doctor`: reports what works on this kernel and in this container, what does not, and the remedy. Tries what
 * `run` tries (`handoff/capabilities.ts`), and adds hints that `run` does not need: those are never a failure.
 */
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { prepareDirectory, runtimeDirectory } from "../../admin/paths.ts";
import {
  type Capability,
  missingForAdopt,
  probeCapabilities,
  type Trial,
} from "../../handoff/capabilities.ts";
import type { Platform } from "../../platform/platform.ts";
import * as proc from "../../platform/process/proc.ts";
import { originalFileLimit } from "../../process/launch_plan.ts";
import { EXIT_OK, EXIT_SYSTEM } from "../console/exit_status.ts";
import type { Printer } from "../console/printer.ts";
import { VERSION } from "../console/version.ts";
import type { Command } from "../words/parse.ts";
import { ROOT_UID } from "../../platform/process/processes.ts";

/** capabilities(7) */
const CAP_SYS_PTRACE = 19;
const CAP_SYS_ADMIN = 21;
const FEW_CONNECTIONS = 1024;
/** The initial namespaces: `PROC_PID_INIT_INO`, `PROC_USER_INIT_INO`, <linux/proc_ns.h>. */
const FIRST_NAMESPACES = { pid: "pid:[4026531836]", user: "user:[4026531837]" } as const;

export function commandDoctor(
  platform: Platform,
  { json }: Extract<Command, { verb: "doctor" }>,
  print: Printer,
): number {
  const capabilities = probeCapabilities(platform, HINTS);
  const assessment = assess(capabilities);
  const host = describeHost(platform);
  if (json) {
    const { name, version, arch } = platform.runtime;
    const runtime = `${name} ${version}`;
    const report = { version: VERSION, runtime, arch, ...host, ...assessment, capabilities };
    print.out(JSON.stringify(report, null, 2));
  } else {
    textLines(platform, host, assessment, capabilities).forEach((line) => print.out(line));
  }
  return assessment.works === "nothing" ? EXIT_SYSTEM : EXIT_OK;
}

function textLines(
  { runtime: { name, version, arch } }: Platform,
  { kernel, uid, environment }: ReturnType<typeof describeHost>,
  { modes, summary }: ReturnType<typeof assess>,
  capabilities: readonly Capability[],
): string[] {
  return [
    `baton ${VERSION} on ${name} ${version}, ${arch}, Linux ${kernel}, user ${uid}`,
    ...environment.length > 0 ? [environment.join(", ")] : [],
    "",
    ...modes.map(({ name, works, means }) =>
      `${name.padEnd(9)} ${works ? "yes" : "NO "}  ${means}`
    ),
    "",
    ...capabilities.flatMap(({ ok, needed, title, detail, consequence }) => [
      `${ok ? "ok  " : needed === "advice" ? "note" : "FAIL"}  ${title}: ${detail}`,
      ...!ok && consequence !== null ? [`      ${consequence}`] : [],
    ]),
    "",
    summary,
  ];
}

function assess(capabilities: readonly Capability[]) {
  const has = (id: string) => capabilities.some((each) => each.id === id && each.ok);
  const broken = capabilities.filter(({ ok, needed }) => !ok && needed === "always");
  const inherit = broken.length === 0;
  const adopt = inherit && missingForAdopt(capabilities).length === 0;
  const steering = has("steering") && has("outer_baton");
  const drain = has("sock_diag") && has("proc");
  const modes = [
    { name: "adopt", works: adopt, means: "any server, unmodified" },
    { name: "inherit", works: inherit, means: "servers that accept passed sockets (--listen)" },
    { name: "steering", works: steering, means: "a single generation gets the new connections" },
    {
      name: "drain",
      works: drain,
      means: "an old generation stops when its connections have finished",
    },
  ];
  if (adopt) {
    return { works: "everything", modes, summary: "baton can hand over any server here." };
  }
  if (inherit) {
    const summary = "baton works here with --listen only: for servers that accept passed sockets.";
    return { works: "inherit", modes, summary };
  }
  return { works: "nothing", modes, summary: "baton cannot hand connections over here." };
}

function describeHost({ processes, runtime }: Platform) {
  const env = runtime.env();
  const container = existsSync("/.dockerenv")
    ? "docker"
    : existsSync("/run/.containerenv")
    ? "podman"
    : env["KUBERNETES_SERVICE_HOST"]
    ? "kubernetes"
    : env["container"] ?? null;
  const hasOwnNamespace = (kind: "pid" | "user") =>
    existsSync(`/proc/self/ns/${kind}`) && proc.ownNamespace(kind) !== FIRST_NAMESPACES[kind];
  return {
    kernel: proc.sysctl("kernel/osrelease") ?? "(unknown)",
    uid: processes.userId(),
    /** For people: "in a container (docker)", "PID 1". */
    environment: [
      ...container !== null ? [`in a container (${container})`] : [],
      ...runtime.pid === 1 ? ["PID 1: orphans are reaped"] : [],
      ...hasOwnNamespace("pid") ? ["in its own PID namespace"] : [],
      ...hasOwnNamespace("user") ? ["in its own user namespace"] : [],
    ],
  };
}

/** What `run` does not need: never a failure. */
const HINTS: readonly Trial[] = [
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
      if (proc.hasCapability(CAP_SYS_ADMIN)) return "CAP_SYS_ADMIN: no_new_privs stays unset";
      throw new Error("without CAP_SYS_ADMIN baton sets no_new_privs");
    },
  },
  {
    // With Docker's default set, root may become any user, but not inspect that user's processes.
    id: "other_users",
    title: "servers may change their user (gosu, setpriv)",
    consequence: "a server that becomes another user before it listens is refused, with --listen " +
      "too: start baton itself as that user, or add CAP_SYS_PTRACE",
    needed: "advice",
    find: ({ processes }) => {
      if (proc.hasCapability(CAP_SYS_PTRACE)) return "CAP_SYS_PTRACE: baton can follow";
      if (processes.userId() !== ROOT_UID) return "not as this user anyway";
      throw new Error("root without CAP_SYS_PTRACE");
    },
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
