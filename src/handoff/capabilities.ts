/**
 * What this kernel and container let baton do: each fact is tried, not guessed from a version. `run` chooses by
 * them, `doctor` prints them. The rights over a server are tried on a launcher (`AdoptProbe`): baton may always look
 * into itself, so trying on itself would prove nothing.
 */
import { SystemCallError } from "../platform/error.ts";
import { CAPABILITY } from "../platform/libc/capability_bits.ts";
import { C } from "../platform/libc/constants.ts";
import { SINCE, tooOld } from "../platform/kernel.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import { ROOT_UID } from "../platform/process/processes.ts";
import { HIGHEST_TAG, SocketTags } from "../platform/network/socket_tag.ts";
import type { Sockets } from "../platform/network/sockets.ts";
import { AdoptProbe, failureText } from "./adopt_probe.ts";
import { chooseDuplicates } from "./duplicates/choose.ts";
import { programFor } from "../steering/bpf_program.ts";

export interface Capability {
  /** Stable name for `--json`. */
  readonly id: string;
  readonly title: string;
  readonly ok: boolean;
  readonly detail: string;
  /** What follows when it is missing, and what to do about it; null when nothing does. */
  readonly consequence: string | null;
  /** The kernel version that brought it; left out where that is not the point. */
  readonly since?: string;
  /** Without it: adopt does not work / baton refuses to run / only a hint. */
  readonly needed: "adopt" | "always" | "advice";
}

const LOOPBACK = { family: "inet", host: "127.0.0.1", port: 0, scope: 0 } as const;
const USE_LISTEN = "or use --listen with a server that takes descriptors";

/** A limit on open files with which launching works, and a few reloads do. */
const LEAST_FILES = 128;

/** Something to try: `find` says what was found, or throws. */
export interface Trial extends Omit<Capability, "ok" | "detail"> {
  readonly find: (platform: Platform, probe: AdoptProbe) => string;
}

const TRIALS: readonly Trial[] = [
  {
    id: "launcher",
    title: "starting a server",
    consequence: "no server can be started: see what keeps baton from starting processes here",
    needed: "always",
    find: ({ processes }, { launched, failure }) => {
      if (launched) return "the launcher works";
      const [most] = processes.fileLimit();
      const remedy = "ulimit -n, LimitNOFILE= or --ulimit nofile= must be higher";
      const few = most < LEAST_FILES ? `; only ${most} files may be open here: ${remedy}` : "";
      throw new Error(`the launcher failed: ${failure}${few}`);
    },
  },
  {
    id: "close_range",
    title: "closing what is not the server's",
    consequence:
      "baton's own descriptors would reach the server: allow close_range, or mount /proc",
    needed: "always",
    find: ({ processes }) => {
      const how = processes.closeOnExecFrom(0x7ffffff0); // Higher than any.
      if (how === "close_range") return "works";
      const why = tooOld(SINCE.close_range) ?? "close_range is refused here";
      return `works, one by one (${why})`;
    },
  },
  {
    id: "proc",
    title: "/proc of this PID namespace",
    consequence: "baton cannot tell which processes belong to which generation: inside, " +
      "mount -t proc proc /proc",
    needed: "always",
    find: findProcessTable,
  },
  {
    id: "steering",
    since: SINCE.steering,
    title: `steering new connections to one generation (Linux ${SINCE.steering})`,
    consequence: "the kernel would spread new connections over old and new alike: use a kernel " +
      "(not gVisor) and a seccomp profile that allow SO_ATTACH_REUSEPORT_CBPF",
    needed: "always",
    find: ({ sockets }) => {
      using socket = sockets.stream("inet");
      sockets.setOption(socket, C.SOL_SOCKET, C.SO_REUSEPORT, 1);
      sockets.bindInet(socket, LOOPBACK);
      sockets.attachReuseportProgram(socket, programFor({ receiving: [0] }));
      return "SO_ATTACH_REUSEPORT_CBPF works";
    },
  },
  {
    id: "sock_diag",
    title: "the kernel's socket table (netlink sock_diag)",
    consequence: "baton cannot see when a generation is drained: allow AF_NETLINK sockets " +
      "(seccomp profile, RestrictAddressFamilies=), or load the module on the host: modprobe tcp_diag",
    needed: "always",
    find: ({ sockDiag }) => {
      try {
        sockDiag.tcpByLocalPort(1);
      } catch (error) {
        throw error instanceof SystemCallError && error.errno === C.ENOENT
          ? noDiagModule(error)
          : error;
      }
      return "works";
    },
  },
  {
    id: "tags",
    since: SINCE.tags,
    title: `whose a connection is, without /proc (tags of listeners, Linux ${SINCE.tags})`,
    consequence: "baton reads what the server's processes have open: slower with thousands of " +
      "connections, and those of another user's server are not counted unless baton may look into it",
    needed: "advice",
    find: findTags,
  },
  {
    id: "outer_baton",
    title: "a baton above this one",
    consequence: "two batons cannot steer one port: after a few reloads connections would wait " +
      "at sockets that no process accepts from",
    needed: "always",
    find: ({ sockets }) => {
      if (!getsReuseport(sockets)) return "none";
      throw new Error("it adopts every socket below it: run the server directly under it");
    },
  },
  {
    id: "seccomp_user_notification",
    since: SINCE.adopt,
    title: `watching a server's sockets (seccomp user notification, Linux ${SINCE.adopt})`,
    consequence: "adopt cannot see a server's sockets: use a newer kernel or a container runtime " +
      `that leaves seccomp listeners to baton, ${USE_LISTEN}`,
    needed: "adopt",
    find: findUserNotification,
  },
  {
    id: "pidfd_getfd",
    since: SINCE.pidfd_getfd,
    title: `duplicating a server's socket (pidfd_getfd, Linux ${SINCE.pidfd_getfd})`,
    get consequence() {
      const scope = Number(proc.sysctl("kernel/yama/ptrace_scope"));
      const yama = scope > 1 ? `set sysctl kernel.yama.ptrace_scope=1 (it is ${scope}), ` : "";
      return "baton makes the servers' sockets itself (--duplicates socket-trap), which costs an " +
        `outgoing connection more: ${yama}add CAP_SYS_PTRACE or a seccomp profile with ` +
        "pidfd_getfd to the container if that matters";
    },
    needed: "advice",
    find: findDuplication,
  },
  {
    // Only --keep-alive needs this beyond what adopt needs.
    id: "addfd_send",
    since: SINCE.keep_alive,
    title: `moving connections that clients keep open (--keep-alive, Linux ${SINCE.keep_alive})`,
    consequence: "they stay with the old generation: use a newer kernel",
    needed: "advice",
    find: ({ seccomp }, { notify }) => {
      if (notify === null) throw new Error("it could not be tried without a listener");
      if (seccomp.canAnswerWithDescriptor(notify)) {
        if (seccomp.takesTurns(notify)) return "works";
        return `works; an accept costs more before Linux ${SINCE.taking_turns}`;
      }
      throw new Error("SECCOMP_ADDFD_FLAG_SEND: EINVAL");
    },
  },
];

/** Tries everything, and `more`; leaves nothing behind. */
export function probeCapabilities(platform: Platform, more: readonly Trial[] = []): Capability[] {
  using probe = new AdoptProbe(platform);
  return [...TRIALS, ...more].map(({ find, ...facts }) => {
    try {
      return { ...facts, ok: true, detail: find(platform, probe) };
    } catch (error) {
      const old = facts.since === undefined ? null : tooOld(facts.since);
      const detail = failureText(error) + (old === null ? "" : ` (${old})`);
      return { ...facts, ok: false, detail };
    }
  });
}

/** @returns the capabilities that adopt lacks here; empty = it works */
export function missingForAdopt(capabilities: readonly Capability[]): Capability[] {
  return capabilities.filter(({ ok, needed }) => !ok && needed === "adopt");
}

function findProcessTable({ runtime }: Platform, { pid }: AdoptProbe): string {
  const self = proc.processStat("self");
  const byNumber = proc.processStat(runtime.pid);
  if (self === null) throw new Error("/proc is not mounted");
  if (self.startTime !== byNumber?.startTime || self.parent !== byNumber.parent) {
    throw new Error("it shows another PID namespace: mount it again (unshare --mount-proc)");
  }
  if (pid !== null && !proc.childrenOf(runtime.pid).includes(pid)) {
    throw new Error("it does not list child processes");
  }
  return "shows baton's own processes";
}

/** The module is loaded at the first request, but not where modprobe is missing or forbidden. */
function noDiagModule(cause: SystemCallError): Error {
  return new Error("the kernel has no module tcp_diag, and cannot load it: ENOENT", { cause });
}

function findTags({ sockets, sockDiag }: Platform): string {
  using socket = sockets.stream("inet");
  new SocketTags(sockets).set(socket, HIGHEST_TAG);
  sockets.bindInet(socket, LOOPBACK);
  sockets.listen(socket, 1);
  const { port } = sockets.localAddress(socket)!;
  const shown = sockDiag.tagsAt(new Set([port]));
  if (shown.has(HIGHEST_TAG)) return "works";
  throw new Error("the kernel's socket table does not show them");
}

/** Whether an outer baton sets SO_REUSEPORT on sockets that are bound here: one that adopts does so below it. */
function getsReuseport(sockets: Sockets): boolean {
  try {
    using first = sockets.stream("inet");
    using second = sockets.stream("inet");
    sockets.bindInet(first, LOOPBACK);
    const free = sockets.localAddress(first)!;
    first.close();
    sockets.bindInet(second, free);
    return sockets.option(second, C.SOL_SOCKET, C.SO_REUSEPORT) !== 0;
  } catch {
    return false; // Another process was faster at the port.
  }
}

function findUserNotification({ seccomp }: Platform, probe: AdoptProbe): string {
  const { launched, notify, failure } = probe;
  if (!seccomp.hasUserNotification()) throw new Error("SECCOMP_RET_USER_NOTIF is not available");
  if (!launched) throw new Error("it could not be tried without a launcher");
  if (notify === null) throw new Error(failure ?? "the launcher sent no listener");
  try {
    seccomp.replaceDescriptor(notify, 0n, { source: notify, target: 0, closeOnExec: true });
  } catch (error) {
    // ENOENT shows that the kernel knows the request: no call with id 0 waits.
    if (!(error instanceof SystemCallError) || error.errno !== C.ENOENT) throw error;
  }
  return "works";
}

/**
 * What `--duplicates auto` chooses here.
 * @param hasGetfd whether pidfd_getfd(2) was found to work
 * @param becomesOther the server runs as another user (--user)
 */
export function suitedDuplicates(
  { processes }: Platform,
  hasGetfd: boolean,
  becomesOther: boolean,
): ReturnType<typeof chooseDuplicates> {
  const isRoot = becomesOther || processes.userId() === ROOT_UID;
  return chooseDuplicates({
    hasGetfd,
    isRoot,
    mayTraceOthers: proc.hasCapability(CAPABILITY.CAP_SYS_PTRACE),
  });
}

/** Both are one right, ptrace(2): the socket itself, and the address that it is bound to. */
function findDuplication(platform: Platform, { notify, pid }: AdoptProbe): string {
  const subject = notify === null || pid === null ? platform.runtime.pid : pid;
  using pidfd = platform.processes.openPidfd(subject);
  platform.processes.duplicateFrom(pidfd, 0).close();
  platform.descriptors.open(`/proc/${subject}/mem`, C.O_RDONLY).close();
  return "works";
}
