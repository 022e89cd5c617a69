/**
 * What this kernel and container let baton do: each fact tried, not guessed from a version. `run`
 * chooses by them, `doctor` prints them.
 *
 * The rights over a server are tried on a launcher in mid-start (`Rehearsal`): baton may always look
 * into itself, so trying on itself would prove nothing. It is ended before it becomes a program, and
 * reaped: nothing is left behind.
 */
import { SystemCallError } from "../platform/error.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import type { Sockets } from "../platform/network/sockets.ts";
import { assemble, encode } from "../steering/bpf_program.ts";
import { AdoptProbe, failureText } from "./adopt_probe.ts";

export interface Capability {
  /** Stable name for `--json`. */
  readonly id: string;
  readonly title: string;
  readonly ok: boolean;
  /** What was found. */
  readonly detail: string;
  /** What follows when it is missing, and what to do about it; null when nothing does. */
  readonly consequence: string | null;
  /** Without it: adopt does not work / baton refuses to run / only a hint. */
  readonly needed: "adopt" | "always" | "advice";
}

const LOOPBACK = { family: "inet", host: "127.0.0.1", port: 0, scope: 0 } as const;
const USE_LISTEN = "or use --listen with a server that takes descriptors";

/** Tries everything; leaves nothing behind. */
export function probeCapabilities(platform: Platform): Capability[] {
  using rehearsal = new AdoptProbe(platform);
  return [
    launcher(rehearsal),
    closeRange(platform),
    processTable(platform, rehearsal),
    steering(platform),
    sockDiag(platform),
    outerBaton(platform),
    userNotification(platform, rehearsal),
    duplicateDescriptors(platform, rehearsal),
    movingConnections(platform, rehearsal),
  ];
}

/** @returns the capabilities that adopt lacks here; empty = it works */
export function missingForAdopt(capabilities: readonly Capability[]): Capability[] {
  return capabilities.filter(({ ok, needed }) => !ok && needed === "adopt");
}

/** @returns the capability: there, with what `action` found, or missing, with what it failed with */
export function tried(facts: Omit<Capability, "ok" | "detail">, action: () => string): Capability {
  try {
    return { ...facts, ok: true, detail: action() };
  } catch (error) {
    return { ...facts, ok: false, detail: failureText(error) };
  }
}

function launcher({ launched, failure }: AdoptProbe): Capability {
  return tried({
    id: "launcher",
    title: "starting a server",
    consequence: "no server can be started: see what keeps baton from starting processes here",
    needed: "always",
  }, () => {
    if (launched) return "the launcher works";
    throw new Error(`the launcher failed: ${failure}`);
  });
}

function closeRange({ processes }: Platform): Capability {
  return tried({
    id: "close_range",
    title: "closing what is not the server's (close_range, Linux 5.11)",
    consequence: "baton's own descriptors would reach the server: use a newer kernel, or a " +
      "seccomp profile that allows close_range",
    needed: "always",
  }, () => {
    processes.closeOnExecFrom(0x7ffffff0); // Higher than any.
    return "works";
  });
}

function processTable({ runtime }: Platform, { pid }: AdoptProbe): Capability {
  return tried({
    id: "proc",
    title: "/proc of this PID namespace",
    consequence: "baton cannot tell which processes belong to which generation: inside, " +
      "mount -t proc proc /proc",
    needed: "always",
  }, () => {
    const [self, byNumber] = [proc.processStat("self"), proc.processStat(runtime.pid)];
    if (self === null) throw new Error("/proc is not mounted");
    if (self.startTime !== byNumber?.startTime || self.parent !== byNumber.parent) {
      throw new Error("it shows another PID namespace: mount it anew (unshare --mount-proc)");
    }
    if (pid !== null && !proc.childrenOf(runtime.pid).includes(pid)) {
      throw new Error("it does not list child processes");
    }
    return "shows baton's own processes";
  });
}

function steering({ sockets }: Platform): Capability {
  return tried({
    id: "steering",
    title: "steering new connections to one generation (Linux 4.5)",
    consequence: "the kernel would spread new connections over old and new alike: use a kernel " +
      "(not gVisor) and a seccomp profile that allow SO_ATTACH_REUSEPORT_CBPF",
    needed: "always",
  }, () => {
    using socket = sockets.stream("inet");
    sockets.setOption(socket, C.SOL_SOCKET, C.SO_REUSEPORT, 1);
    sockets.bindInet(socket, LOOPBACK);
    sockets.attachReuseportProgram(socket, encode(assemble({ kind: "one", index: 0 })));
    return "SO_ATTACH_REUSEPORT_CBPF works";
  });
}

function sockDiag(platform: Platform): Capability {
  return tried({
    id: "sock_diag",
    title: "the kernel's socket table (netlink sock_diag)",
    consequence: "baton cannot see when a generation is drained: allow AF_NETLINK sockets " +
      "(seccomp profile, RestrictAddressFamilies=), modprobe tcp_diag",
    needed: "always",
  }, () => {
    platform.sockDiag.tcpByLocalPort(1);
    return "works";
  });
}

/** A baton that adopts sets SO_REUSEPORT on whatever is bound below it, also on this socket. */
function outerBaton({ sockets }: Platform): Capability {
  return tried({
    id: "outer_baton",
    title: "a baton above this one",
    consequence: "two batons cannot steer one port: after a few reloads connections would wait " +
      "at sockets that nobody accepts from",
    needed: "always",
  }, () => {
    if (!getsReuseport(sockets)) return "none";
    throw new Error("it adopts every socket below it: run the server directly under it");
  });
}

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
    return false; // Somebody was faster at the port.
  }
}

function userNotification({ seccomp }: Platform, rehearsal: AdoptProbe): Capability {
  const { launched, notify, failure } = rehearsal;
  return tried({
    id: "seccomp_user_notification",
    title: "watching a server's sockets (seccomp user notification, Linux 5.9)",
    consequence: "adopt cannot see a server's sockets: use a newer kernel or a container runtime " +
      `that leaves seccomp listeners to baton, ${USE_LISTEN}`,
    needed: "adopt",
  }, () => {
    if (!seccomp.hasUserNotification()) throw new Error("SECCOMP_RET_USER_NOTIF is not available");
    if (!launched) throw new Error("it could not be tried without a launcher");
    if (notify === null) throw new Error(failure ?? "the launcher sent no listener");
    try {
      seccomp.replaceDescriptor(notify, 0n, { source: notify, target: 0, closeOnExec: true });
    } catch (error) {
      // The kernel knows the request, and that no call with id 0 waits.
      if (!(error instanceof SystemCallError) || error.errno !== C.ENOENT) throw error;
    }
    return "works";
  });
}

/** Both are one right, ptrace(2): the socket itself, and the address that it is bound to. */
function duplicateDescriptors(platform: Platform, { notify, pid }: AdoptProbe): Capability {
  const subject = notify === null || pid === null ? platform.runtime.pid : pid;
  const scope = Number(proc.sysctl("kernel/yama/ptrace_scope"));
  const yama = scope > 1 ? `set sysctl kernel.yama.ptrace_scope=1 (it is ${scope}), ` : "";
  return tried({
    id: "pidfd_getfd",
    title: "duplicating a server's socket (pidfd_getfd, Linux 5.6)",
    consequence: `adopt cannot hold a server's sockets: ${yama}add CAP_SYS_PTRACE or a seccomp ` +
      `profile with pidfd_getfd to the container, ${USE_LISTEN}`,
    needed: "adopt",
  }, () => {
    using pidfd = platform.processes.openPidfd(subject);
    platform.processes.duplicateFrom(pidfd, 0).close();
    platform.descriptors.open(`/proc/${subject}/mem`, C.O_RDONLY).close();
    return "works";
  });
}

/** Only for --keep-alive: the rest of what it needs is what adopt needs. */
function movingConnections({ seccomp }: Platform, { notify }: AdoptProbe): Capability {
  return tried({
    id: "addfd_send",
    title: "moving connections that clients keep open (--keep-alive, Linux 5.14)",
    consequence: "they stay with the old generation: use a newer kernel",
    needed: "advice",
  }, () => {
    if (notify === null) throw new Error("it could not be tried without a listener");
    if (!seccomp.canAnswerWithDescriptor(notify)) {
      throw new Error("SECCOMP_ADDFD_FLAG_SEND: EINVAL");
    }
    return "works";
  });
}
