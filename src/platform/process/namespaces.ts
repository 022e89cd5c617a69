/**
 * Namespaces and mounts: unshare(2), mount(2), pivot_root(2), mount_setattr(2). For a process that wants a view of its
 * own, never for the supervisor: what is mounted here is seen by every process of the mount namespace.
 */
import { readFileSync } from "node:fs";
import { Fd } from "../fd.ts";
import { C } from "../libc/constants.ts";
import { encodeAddress } from "../network/address.ts";
import { cString, type Libc, struct } from "../libc/libc.ts";

/** struct ifreq, netdevice(7): the name, then the flags. */
const IFREQ_SIZE = 40;
const IFREQ_VALUE = 16;
/** struct mount_attr: attr_set, attr_clr, propagation, userns_fd. */
const MOUNT_ATTR_SIZE = 32;

const KINDS = {
  mount: C.CLONE_NEWNS,
  net: C.CLONE_NEWNET,
  ipc: C.CLONE_NEWIPC,
  uts: C.CLONE_NEWUTS,
  pid: C.CLONE_NEWPID,
} as const;

type NamespaceKind = keyof typeof KINDS;

interface MountOptions {
  readonly source: string;
  readonly target: string;
  readonly type: string;
  readonly flags?: number;
  readonly data?: string;
}

/**
 * A chroot leaves the mount of its root outside: no mount there can be changed (mount(2) with MS_PRIVATE: EINVAL), and no
 * user namespace be made, user_namespaces(7). @returns false where /proc does not say
 */
export function isChrooted(path = "/proc/self/mountinfo"): boolean {
  try {
    const lines = readFileSync(path, "utf8").split("\n").filter((line) => line !== "");
    return lines.length > 0 && !lines.some((line) => line.split(" ")[4] === "/");
  } catch {
    return false;
  }
}

/** What a chroot lacks, and the cure, in one place for all who say it. */
export const CHROOTED = {
  what: "/ is no mount point, as in a chroot",
  remedy: "make it one before: mount --bind DIR DIR && chroot DIR",
} as const;

/** All verbs throw `SystemCallError`. */
export class Namespaces {
  constructor(readonly libc: Libc) {}

  /** Leaves namespaces of the calling thread; "pid": of the children that it starts from now on. */
  leave(kinds: readonly NamespaceKind[]): void {
    const flags = kinds.reduce((sum, kind) => sum | KINDS[kind], 0);
    this.libc.check(this.libc.c.unshare(flags), "unshare", `the namespaces ${kinds.join(", ")}`);
  }

  /**
   * Children that are started later are in this PID namespace again; before, no thread can be started. @returns false
   * where that is not allowed: in a user namespace
   */
  returnToPid(namespace: Fd): boolean {
    return this.libc.c.setns(namespace.number, C.CLONE_NEWPID) === 0;
  }

  /** From now on no mount or unmount here is seen in another namespace, or the other way round. */
  stopPropagation(): void {
    const flags = C.MS_REC | C.MS_PRIVATE;
    const result = this.libc.c.mount(cString("none"), cString("/"), null, flags, null);
    this.libc.check(result, "mount", "/ (private)");
  }

  mount({ source, target, type, flags = 0, data = "" }: MountOptions): void {
    const { c } = this.libc;
    const words = [cString(source), cString(target), cString(type), cString(data)] as const;
    const result = c.mount(words[0], words[1], words[2], flags, words[3]);
    this.libc.check(result, "mount", `${type} at ${target}`);
  }

  /** Shows `source` at `target`, too. @param deep with everything that is mounted below it */
  bind(source: string, target: string, deep = false): void {
    const flags = C.MS_BIND | (deep ? C.MS_REC : 0);
    const result = this.libc.c.mount(cString(source), cString(target), null, flags, null);
    this.libc.check(result, "mount", `${source} at ${target}`);
  }

  /** @throws {SystemCallError} where mount_setattr(2) is missing or refused; changes nothing */
  findMountSetattr(): void {
    const { c, arch } = this.libc;
    // The structure has no size, which is looked at before the path is.
    const result = c.syscall(arch.SYS_mount_setattr, C.AT_FDCWD, 0, 0, 0, 0);
    if (result < 0 && this.libc.errno === C.EINVAL) return;
    this.libc.check(result, "mount_setattr", "nothing");
  }

  /** mount_setattr(2), Linux 5.12. Unlike a remount it keeps all other flags, which may be locked. */
  makeReadOnly(target: string, deep = false): void {
    const { c, arch } = this.libc;
    const { bytes, view } = struct(MOUNT_ATTR_SIZE);
    view.setBigUint64(0, BigInt(C.MOUNT_ATTR_RDONLY), true);
    const path = cString(target);
    const [at, attributes] = [this.libc.addressOf(path), this.libc.addressOf(bytes)];
    const flags = deep ? C.AT_RECURSIVE : 0;
    const call = arch.SYS_mount_setattr;
    const result = c.syscall(call, C.AT_FDCWD, at, flags, attributes, MOUNT_ATTR_SIZE);
    this.libc.check(result, "mount_setattr", target);
  }

  /** `target` becomes the root of this namespace, and nothing of the old one can be reached by a path. */
  enterRoot(target: string): void {
    const { c, arch } = this.libc;
    this.libc.check(c.chdir(cString(target)), "chdir", target);
    const here = cString(".");
    const address = this.libc.addressOf(here);
    // The old root lands on top of the new one, pivot_root(2) NOTES, and is taken off again.
    const result = c.syscall(arch.SYS_pivot_root, address, address, 0, 0, 0);
    this.libc.check(result, "pivot_root", target);
    this.libc.check(c.umount2(here, C.MNT_DETACH), "umount2", "the old root");
  }

  /**
   * A network namespace begins with a loopback interface that is down. netdevice(7)
   * @param addresses of IPv4 that it has besides 127.0.0.1
   */
  raiseLoopback(addresses: readonly string[] = []): void {
    const { c } = this.libc;
    const type = C.SOCK_DGRAM | C.SOCK_CLOEXEC;
    using socket = Fd.of(this.libc, c.socket(C.AF_INET, type, 0), "socket", "AF_INET");
    const ask = (request: number, bytes: Uint8Array, call: string) =>
      this.libc.check(c.ioctl(socket.number, request, bytes), call, "the loopback interface");
    const { bytes, view } = interfaceRequest("lo");
    ask(C.SIOCGIFFLAGS, bytes, "ioctl(SIOCGIFFLAGS)");
    view.setInt16(IFREQ_VALUE, view.getInt16(IFREQ_VALUE, true) | C.IFF_UP, true);
    ask(C.SIOCSIFFLAGS, bytes, "ioctl(SIOCSIFFLAGS)");
    addresses.forEach((host, i) => {
      const request = interfaceRequest(`lo:${i}`);
      const address = { family: "inet", host, port: 0, scope: 0 } as const;
      request.bytes.set(encodeAddress(address), IFREQ_VALUE);
      ask(C.SIOCSIFADDR, request.bytes, "ioctl(SIOCSIFADDR)");
    });
  }

  /** No program that is executed later gets these. @param bits capabilities(7) that this kernel has not are skipped */
  dropCapabilities(bits: readonly number[]): void {
    bits.forEach((bit) => this.libc.c.prctl(C.PR_CAPBSET_DROP, bit, 0, 0, 0));
  }
}

function interfaceRequest(name: string) {
  const request = struct(IFREQ_SIZE);
  request.bytes.set(cString(name));
  return request;
}
