/** config.json of a container (OCI runtime specification 1.0) over this machine's own programs. Pure. */
import { defaultCapabilities, type Engine } from "./engines.ts";

/** In what way a container is more restricted than its engine's default. */
export interface Situation {
  /** User and group in the container. @default 0 */
  readonly uid?: number;
  readonly noNewPrivileges?: boolean;
  readonly readOnlyRoot?: boolean;
  readonly dropsAll?: boolean;
  /** Option of /proc: other users' processes are invisible. */
  readonly hidesProcesses?: boolean;
  /** Its users are others on the machine: from this number on. */
  readonly mapsUsersTo?: number;
}

export interface Mount {
  readonly path: string;
  readonly isReadOnly: boolean;
}

export interface BundleOptions {
  readonly engine: Engine;
  readonly situation: Situation;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Capabilities that the engine is asked for besides: "CAP_SYS_PTRACE". */
  readonly added?: readonly string[];
  /** Paths of the machine that the container has under the same path. */
  readonly mounts: readonly Mount[];
  /** Path of its network namespace. @default one of its own */
  readonly network: string | null;
  readonly rootfs: string;
  readonly seccomp: (engine: Engine, capabilities: readonly string[]) => object | null;
}

export const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const FILES = 20_000;
const MAPPED_USERS = 65_536;
/** The machine's programs; /etc for users and dynamic linking. */
const SYSTEM: readonly string[] = ["/usr", "/etc"];
export const WRITABLE = ["/tmp", "/run", "/var/lib"];
/** Where merged-/usr systems have links. */
export const LINKS = ["bin", "lib", "lib64", "sbin"];
export const FOLDERS = ["proc", "dev", "sys", "usr", "etc", "tmp", "run", "var", "var/lib"];

/** What all engines mask, and make read-only, below /proc. */
const MASKED = ["acpi", "kcore", "keys", "latency_stats", "timer_list", "sched_debug", "scsi"];
const READ_ONLY = ["bus", "fs", "irq", "sys", "sysrq-trigger"];

const inProc = (name: string): string => `/proc/${name}`;

export function bundleConfig(options: BundleOptions): object {
  const { engine, situation, command, environment, network, rootfs } = options;
  const { uid = 0, mapsUsersTo } = situation;
  const base = situation.dropsAll ? [] : defaultCapabilities(engine);
  const bounding = [...base, ...options.added ?? []];
  const seccomp = options.seccomp(engine, bounding);
  // execve(2) by another user than root empties the other sets.
  const effective = uid === 0 ? bounding : [];
  const ids = [{ containerID: 0, hostID: mapsUsersTo, size: MAPPED_USERS }];
  const own = ["pid", "ipc", "uts", "mount", ...mapsUsersTo === undefined ? [] : ["user"]];
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: { uid, gid: uid },
      args: command,
      env: Object.entries({ PATH, HOME: "/tmp", ...environment }).map(([k, v]) => `${k}=${v}`),
      cwd: "/",
      capabilities: { bounding, effective, permitted: effective, inheritable: [] },
      noNewPrivileges: situation.noNewPrivileges ?? false,
      rlimits: [{ type: "RLIMIT_NOFILE", hard: FILES, soft: FILES }],
    },
    root: { path: rootfs, readonly: situation.readOnlyRoot ?? false },
    hostname: "container",
    mounts: mounts(options),
    linux: {
      namespaces: [
        ...own.map((type) => ({ type })),
        { type: "network", ...network === null ? {} : { path: network } },
      ],
      ...mapsUsersTo === undefined ? {} : { uidMappings: ids, gidMappings: ids },
      maskedPaths: MASKED.map(inProc),
      readonlyPaths: READ_ONLY.map(inProc),
      ...seccomp === null ? {} : { seccomp },
    },
  };
}

function mounts({ situation, mounts }: BundleOptions): object[] {
  const hidden = situation.hidesProcesses ? ["hidepid=2"] : [];
  return [
    mount("/proc", "proc", ["nosuid", "noexec", "nodev", ...hidden]),
    mount("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
    ...SYSTEM.map((path) => bind({ path, isReadOnly: true })),
    ...WRITABLE.map((path) => mount(path, "tmpfs", ["nosuid", "nodev", "mode=1777"])),
    ...mounts.map(bind),
  ];
}

function mount(destination: string, type: string, options: readonly string[]): object {
  return { destination, type, source: type, options };
}

function bind({ path, isReadOnly }: Mount): object {
  const options = ["rbind", isReadOnly ? "ro" : "rw"];
  return { destination: path, type: "bind", source: path, options };
}
