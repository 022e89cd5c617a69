/**
 * The view of the files in a rehearsal: everything that is there, copy-on-write. Writes go to a bounded tmpfs, and what
 * was written can be listed. Runs in a mount and PID namespace that is left by nothing but its own end.
 *
 * Root gets an overlay for each mount. A user namespace may not do that: the mounts in it are locked together, and
 * overlayfs cannot copy what belongs to a user without a number there. So an ordinary user gets everything read-only,
 * and an overlay for each directory that it may write to.
 *
 * A Unix socket of the machine is never reached: overlayfs has inodes of its own, so connect(2) is refused there, and
 * elsewhere the path is covered. Pid files and sockets in /run are left out, as after a boot.
 */
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import { Namespaces } from "../platform/process/namespaces.ts";
import { allProcesses, ownNamespace, sysctl } from "../platform/process/proc.ts";
import { escapeLower, isBelow, parseMounts, planMounts } from "./mount_table.ts";
import type { RehearsalPlan } from "./plan.ts";
import { filesBelow } from "./tree.ts";
import { writablePlaces } from "./writable_places.ts";

/**
 * Where the layers are made: it covers the machine's /proc, which nothing needs meanwhile, and is covered by the new
 * one.
 */
const SCRATCH = "/proc";
const ROOT = `${SCRATCH}/root`;
const DEVICES = ["null", "zero", "full", "random", "urandom", "tty"];
const LINKS = {
  fd: "/proc/self/fd",
  stdin: "fd/0",
  stdout: "fd/1",
  stderr: "fd/2",
  ptmx: "pts/ptmx",
};
/** Place of baton's own control socket and output: on the new /dev, where no server keeps anything. */
export const BATON_PLACE = "/dev/baton-rehearsal";
const LEAST_SPACE = 64 * 1024 * 1024;
const FIRST_USER_NAMESPACE = "user:[4026531837]";
/** Settings of a network namespace that a server may depend on; a new one has the kernel's defaults. */
const NET_SETTINGS = [
  "net/ipv4/ip_unprivileged_port_start",
  "net/core/somaxconn",
  "net/ipv6/bindv6only",
];
/** The first pid of the rehearsal, so that a pid file of the machine never names one of its processes. */
const PIDS_APART = 10_000;

interface Layer {
  /** Where the layer is seen. */
  readonly path: string;
  /** Directory of what was written below that path. */
  readonly upper: string;
}

export interface View {
  readonly scratch: Fd;
  readonly layers: readonly Layer[];
  /** Mounts that could not get a layer. */
  readonly readOnly: readonly string[];
}

/** @throws {SystemCallError} naming what the kernel refused */
export function enterView(platform: Platform, plan: RehearsalPlan): View {
  const namespaces = new Namespaces(platform.libc);
  const mounts = parseMounts(readFileSync("/proc/self/mountinfo", "utf8"));
  const settings = NET_SETTINGS.map((path) => [path, sysctl(path)] as const);
  const firstPid = Math.max(...allProcesses()) + PIDS_APART;
  const isFirst = ownNamespace("user") === FIRST_USER_NAMESPACE;
  const space = Math.max(LEAST_SPACE, Math.floor(availableMemory() / 2));
  const places = plan.user === null && isFirst ? [] : writablePlaces(plan);
  namespaces.stopPropagation();
  namespaces.mount({
    source: "baton-rehearsal",
    target: SCRATCH,
    type: "tmpfs",
    flags: C.MS_NODEV,
    data: `size=${space},mode=0755`,
  });
  const scratch = platform.descriptors.open(SCRATCH, C.O_PATH);
  ["root", "upper", "work"].forEach((name) => mkdirSync(`${SCRATCH}/${name}`));
  const maker = new ViewMaker(namespaces, isFirst);
  const isWhole = plan.user === null && maker.overlaysRoot();
  if (isWhole) {
    const isDirectory = (path: string) => orFalse(() => statSync(path).isDirectory());
    for (const { path, as } of planMounts(mounts, isDirectory).slice(1)) {
      if (as === "overlay") maker.overlayOrReadOnly(path);
      else maker.readOnlyBind(path);
    }
  } else {
    namespaces.bind("/", ROOT, true);
    namespaces.makeReadOnly(ROOT, true);
    places.forEach((path) => maker.overlayTree(path));
  }
  makeDevices(namespaces);
  if (isWhole) {
    namespaces.bind("/sys", `${ROOT}/sys`, true);
    namespaces.makeReadOnly(`${ROOT}/sys`, true);
  }
  mountProc(namespaces, settings, firstPid);
  const { layers, readOnly } = maker;
  namespaces.enterRoot(ROOT);
  // Sockets are covered only from here on: a link in a path below ROOT would have led back to the machine's own files.
  coverSockets(namespaces, plan.unixPaths, layers);
  clearRun(layers);
  platform.processes.changeDirectory(plan.directory);
  return { scratch, layers, readOnly };
}

class ViewMaker {
  readonly layers: Layer[] = [];
  readonly readOnly: string[] = [];

  constructor(readonly namespaces: Namespaces, readonly isFirstUserNamespace: boolean) {}

  /** @returns false where mounts are locked together: in a user namespace that has not made them */
  overlaysRoot(): boolean {
    try {
      this.#overlay("/");
      return true;
    } catch (error) {
      if (this.isFirstUserNamespace || !(error instanceof SystemCallError)) throw error;
      return false;
    }
  }

  overlayOrReadOnly(path: string): void {
    try {
      this.#overlay(path);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      this.readOnlyBind(path);
      this.readOnly.push(path);
    }
  }

  /**
   * Makes a layer for a directory. Where other mounts are below it, which the kernel does not let a user namespace look
   * behind, its directories get one each.
   */
  overlayTree(path: string, depth = 3): void {
    try {
      this.#overlay(path);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      const inner = depth === 0 ? [] : filesBelow(path, 1).filter(({ stat }) => stat.isDirectory());
      inner.forEach((each) => this.overlayTree(each.path, depth - 1));
      this.readOnly.push(path);
    }
  }

  readOnlyBind(path: string): void {
    const target = under(path);
    try {
      this.namespaces.bind(path, target);
      this.namespaces.makeReadOnly(target);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      // What cannot be shown is absent: never writable.
      this.readOnly.push(path);
    }
  }

  #overlay(path: string): void {
    const [upper, work] = ["upper", "work"].map((name) =>
      `${SCRATCH}/${name}/${this.layers.length}`
    );
    const { mode, uid, gid } = statSync(path);
    mkdirSync(upper!, { recursive: true });
    mkdirSync(work!, { recursive: true });
    // The root of an overlay looks like that of its upper layer.
    if (this.isFirstUserNamespace) chownSync(upper!, uid, gid);
    chmodSync(upper!, mode & 0o7777);
    const options = [`lowerdir=${escapeLower(path)}`, `upperdir=${upper}`, `workdir=${work}`];
    const data = [...options, this.isFirstUserNamespace ? "redirect_dir=on" : "userxattr"];
    this.namespaces.mount({
      source: "overlay",
      target: under(path),
      type: "overlay",
      data: data.join(","),
    });
    this.layers.push({ path, upper: `upper/${this.layers.length}` });
  }
}

function under(path: string): string {
  return path === "/" ? ROOT : `${ROOT}${path}`;
}

function makeDevices(namespaces: Namespaces): void {
  const dev = `${ROOT}/dev`;
  namespaces.mount({
    source: "dev",
    target: dev,
    type: "tmpfs",
    flags: C.MS_NOSUID,
    data: "mode=0755,size=64m",
  });
  for (const name of DEVICES) {
    writeFileSync(`${dev}/${name}`, "");
    tolerate(() => namespaces.bind(`/dev/${name}`, `${dev}/${name}`));
  }
  Object.entries(LINKS).forEach(([name, target]) => symlinkSync(target, `${dev}/${name}`));
  mkdirSync(`${dev}/pts`);
  tolerate(() =>
    namespaces.mount({
      source: "devpts",
      target: `${dev}/pts`,
      type: "devpts",
      flags: C.MS_NOSUID | C.MS_NOEXEC,
      data: "newinstance,ptmxmode=0666,mode=0620",
    })
  );
  mkdirSync(`${dev}/shm`);
  chmodSync(`${dev}/shm`, 0o1777);
  mkdirSync(`${ROOT}${BATON_PLACE}`);
}

/** Covers sockets by /dev/null: a connect(2) to what is no socket is refused, as to a socket without a listener. */
function coverSockets(
  namespaces: Namespaces,
  paths: readonly string[],
  layers: readonly Layer[],
): void {
  const isOpen = (path: string) => !layers.some((layer) => isBelow(path, layer.path));
  for (const path of paths.filter(isOpen)) {
    if (orFalse(() => lstatSync(path).isSocket())) namespaces.bind("/dev/null", path);
  }
}

const MOST_ENTRIES = 5000;
const LONGEST_PID_FILE = 64;

/** Removes sockets and pid files of the machine's services from the view of /run. */
function clearRun(layers: readonly Layer[]): void {
  if (!existsSync(BATON_PLACE)) throw new Error("the view of the files is not entered");
  const isOurs = (path: string) => layers.some((layer) => isBelow(path, layer.path));
  for (const { path, stat } of filesBelow("/run", 6, MOST_ENTRIES)) {
    if (!isOurs(path)) continue;
    const isPidFile = stat.isFile() && stat.size <= LONGEST_PID_FILE &&
      orFalse(() => /^\s*\d+\s*$/.test(readFileSync(path, "utf8")));
    if (stat.isSocket() || isPidFile) tolerate(() => rmSync(path));
  }
}

function mountProc(
  namespaces: Namespaces,
  settings: readonly (readonly [string, string | null])[],
  firstPid: number,
): void {
  const proc = `${ROOT}/proc`;
  const flags = C.MS_NOSUID | C.MS_NODEV | C.MS_NOEXEC;
  namespaces.mount({ source: "proc", target: proc, type: "proc", flags });
  // A server may bind the machine's addresses of IPv6, which are not here.
  for (const [path, value] of [...settings, ["net/ipv6/ip_nonlocal_bind", "1"]] as const) {
    if (value !== null) tolerate(() => writeFileSync(`${proc}/sys/${path}`, value));
  }
  tolerate(() => writeFileSync(`${proc}/sys/kernel/ns_last_pid`, String(firstPid)));
  for (const name of ["sys", "sysrq-trigger", "irq", "bus"]) {
    tolerate(() => {
      namespaces.bind(`${proc}/${name}`, `${proc}/${name}`);
      namespaces.makeReadOnly(`${proc}/${name}`);
    });
  }
}

function availableMemory(): number {
  const text = readFileSync("/proc/meminfo", "utf8");
  const available = Number(/^MemAvailable:\s+(\d+)/m.exec(text)?.[1] ?? 0) * 1024;
  const limit = orFalse(() => Number(readFileSync("/sys/fs/cgroup/memory.max", "utf8")));
  return limit ? Math.min(available, limit) : available;
}

function tolerate(step: () => void): void {
  orFalse(() => {
    step();
    return true;
  });
}

function orFalse<T>(ask: () => T): T | false {
  try {
    return ask();
  } catch {
    return false;
  }
}
