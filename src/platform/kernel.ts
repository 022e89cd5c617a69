/**
 * Since which Linux each thing that baton uses is there. Nothing is decided by these numbers, because distributions bring
 * features to older kernels, and containers take them away: everything is tried. They explain why something failed.
 */
import { sysctl } from "./process/proc.ts";

/** Versions by what is needed: the highest that a feature of baton needs. docs/kernels.md has the same table. */
export const SINCE = {
  /** SO_ATTACH_REUSEPORT_CBPF, socket(7) */
  steering: "4.5",
  /** pidfd_getfd(2) */
  pidfd_getfd: "5.6",
  /** SECCOMP_IOCTL_NOTIF_ADDFD, seccomp_unotify(2) */
  adopt: "5.9",
  /** INET_DIAG_SOCKOPT, sock_diag(7); before: whose a connection is, is read from /proc/PID/fd */
  tags: "5.10",
  /** CLOSE_RANGE_CLOEXEC, close_range(2); before: one fcntl(2) for each descriptor */
  close_range: "5.11",
  /** mount_setattr(2) */
  rehearse: "5.12",
  /** SECCOMP_ADDFD_FLAG_SEND */
  keep_alive: "5.14",
  /** SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP; before: an accept with --keep-alive costs more */
  taking_turns: "6.6",
  /** PIDFD_THREAD, pidfd_open(2) */
  threads_descriptors: "6.9",
} as const;

/** The release of this kernel as uname(1) prints it: 5.10.0-32-cloud-amd64. */
export function kernelRelease(): string {
  return sysctl("kernel/osrelease") ?? "(unknown)";
}

function isOlder(release: string, than: string): boolean {
  const [major, minor] = numbers(release);
  const [wantedMajor, wantedMinor] = numbers(than);
  if (Number.isNaN(major) || Number.isNaN(minor)) return false;
  return major === wantedMajor ? minor < wantedMinor : major < wantedMajor;
}

/** @returns "needs Linux 5.14: this is 5.10.0-32-cloud-amd64"; null where the kernel is new enough: something else is wrong */
export function tooOld(since: string, release = kernelRelease()): string | null {
  return isOlder(release, since) ? `needs Linux ${since}: this is ${release}` : null;
}

function numbers(version: string): [major: number, minor: number] {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  return [Number(major), Number(minor)];
}
