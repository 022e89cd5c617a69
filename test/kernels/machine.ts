/** The virtual machines of `make test-kernels`: which kernel, which C library, and what is tried in each. */

export type Architecture = "amd64" | "arm64";
export type Libc = "glibc" | "musl";

export interface Machine {
  readonly title: string;
  /** The Debian release whose kernel, C library and busybox it has. */
  readonly suite: "bullseye" | "bookworm" | "trixie";
  readonly architecture: Architecture;
  readonly libcs: readonly Libc[];
}

export const MACHINES: readonly Machine[] = [
  { title: "Debian 11", suite: "bullseye", architecture: "amd64", libcs: ["glibc"] },
  { title: "Debian 12", suite: "bookworm", architecture: "amd64", libcs: ["glibc", "musl"] },
  { title: "Debian 13", suite: "trixie", architecture: "amd64", libcs: ["glibc"] },
  { title: "Debian 12", suite: "bookworm", architecture: "arm64", libcs: ["glibc", "musl"] },
];

/** A step of `guest/main.go`. */
export interface Step {
  readonly id: string;
  readonly do: "doctor" | "reloads" | "keep-alive" | "survive" | "write";
  readonly baton?: string;
  readonly uid?: number;
  readonly reloads?: number;
  /** Options of `baton run`. */
  readonly options?: readonly string[];
  readonly path?: string;
  readonly text?: string;
}

const USER = 1000;
const SOCKET_TRAP = ["--duplicates", "socket-trap"];
const YAMA = "/proc/sys/kernel/yama/ptrace_scope";
const MODPROBE = "/proc/sys/kernel/modprobe";

export function batonPath(libc: Libc): string {
  return `/bin/baton-${libc}`;
}

/** What is tried, in this order: the last steps take things away for good. */
export function storyOf({ architecture, libcs }: Machine): Step[] {
  const [baton] = libcs.map(batonPath);
  if (baton === undefined) return [];
  const others = libcs.slice(1);
  return [
    // First, so that nothing has loaded the kernel's modules before: without modprobe, then with it.
    { id: "no modprobe", do: "write", path: MODPROBE, text: "/bin/false\n" },
    { id: "doctor without modprobe", do: "doctor", baton },
    { id: "modprobe", do: "write", path: MODPROBE, text: "/sbin/modprobe\n" },
    yama(0),
    { id: "doctor", do: "doctor", baton },
    { id: "root", do: "reloads", baton, reloads: 3 },
    { id: "user", do: "reloads", baton, uid: USER, reloads: 1 },
    { id: "socket trap", do: "reloads", baton, reloads: 2, options: SOCKET_TRAP },
    { id: "keep-alive", do: "keep-alive", baton, reloads: 2 },
    ...others.flatMap((libc): Step[] => [
      { id: `${libc} doctor`, do: "doctor", baton: batonPath(libc) },
      { id: `${libc} root`, do: "reloads", baton: batonPath(libc), reloads: 3 },
    ]),
    ...architecture === "amd64" ? underYama(baton) : [],
  ];
}

function yama(scope: number): Step {
  return { id: `yama ${scope}`, do: "write", path: YAMA, text: `${scope}\n` };
}

/** On one processor: Yama is the same on all, and emulated arm64 slow. */
function underYama(baton: string): Step[] {
  return [
    yama(1),
    { id: "yama 1 doctor", do: "doctor", baton, uid: USER },
    { id: "yama 1 user", do: "reloads", baton, uid: USER, reloads: 1 },
    { id: "yama 1 survive", do: "survive", baton, uid: USER, reloads: 1 },
    yama(2),
    { id: "yama 2 doctor", do: "doctor", baton, uid: USER },
    { id: "yama 2 user", do: "reloads", baton, uid: USER, reloads: 1 },
    { id: "yama 2 survive", do: "survive", baton, uid: USER, reloads: 1 },
    // Not even root may look into another process then.
    yama(3),
    { id: "yama 3 root", do: "reloads", baton, reloads: 1 },
  ];
}
