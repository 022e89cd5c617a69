/** What is mounted, proc_pid_mountinfo(5), and how each mount is shown in a rehearsal. Pure. */

interface Mount {
  readonly point: string;
  readonly type: string;
  readonly isReadOnly: boolean;
}

/** How one mount appears: a copy-on-write layer over it, or itself without the right to write. */
interface MountStep {
  readonly path: string;
  readonly as: "overlay" | "read-only";
}

/** Mounts that the rehearsal makes itself: nothing of the machine's is to be reached through them. */
const REPLACED = ["/proc", "/dev", "/sys"];
/** File systems without files of anybody; automounts would be triggered by a look. */
const WITHOUT_FILES = new Set(
  ("proc sysfs cgroup cgroup2 devtmpfs devpts mqueue debugfs tracefs securityfs bpf configfs pstore " +
    "efivarfs fusectl hugetlbfs autofs rpc_pipefs binfmt_misc nsfs").split(" "),
);
/** Mounts that are layers of containers: each is mounted once more, and is no place of a server on the host. */
const CONTAINERS = /^\/var\/lib\/(docker|containers|containerd|kubelet)\/.*/;

/** @param text of /proc/self/mountinfo @returns in the order of mounting; of several at one place the last */
export function parseMounts(text: string): Mount[] {
  const mounts = new Map<string, Mount>();
  for (const line of text.split("\n")) {
    const words = line.split(" ");
    const dash = words.indexOf("-");
    if (dash < 6) continue;
    const point = unescape(words[4]!);
    const flags = [words[5], words[dash + 3]].map((options) => (options ?? "").split(","));
    mounts.delete(point);
    mounts.set(point, {
      point,
      type: words[dash + 1]!,
      isReadOnly: flags.some((list) => list.includes("ro")),
    });
  }
  return [...mounts.values()];
}

/** Undoes the escapes of mountinfo: space, tab, newline and backslash are octal there. */
function unescape(text: string): string {
  return text.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
}

/** @returns the steps from the top down, "/" first @param isDirectory a single file may be mounted, too */
export function planMounts(
  mounts: readonly Mount[],
  isDirectory: (path: string) => boolean,
): MountStep[] {
  const shown = mounts.filter(({ point, type }) =>
    !REPLACED.some((path) => isBelow(point, path)) && !WITHOUT_FILES.has(type) &&
    !CONTAINERS.test(point)
  );
  return shown.sort((a, b) => depth(a.point) - depth(b.point)).map(({ point, isReadOnly }) => ({
    path: point,
    as: point !== "/" && (isReadOnly || !isDirectory(point)) ? "read-only" : "overlay",
  }));
}

export function isBelow(path: string, above: string): boolean {
  return path === above || path.startsWith(above === "/" ? "/" : `${above}/`);
}

/** @returns the paths of which none is below another */
export function topmost(paths: readonly string[]): string[] {
  const unique = [...new Set(paths)].sort((a, b) => depth(a) - depth(b));
  return unique.filter((path, i) => !unique.slice(0, i).some((above) => isBelow(path, above)));
}

function depth(path: string): number {
  return path === "/" ? 0 : path.split("/").length - 1;
}

/** Escapes a path for the options of mount(2) of overlayfs, where these characters separate. */
export function escapeLower(path: string): string {
  return path.replace(/[\\:,]/g, (char) => `\\${char}`);
}

/** @returns the absolute paths in the words of a command: `/srv/app`, `--dir=/srv/app` */
export function pathsIn(words: readonly string[]): string[] {
  return words.flatMap((word) =>
    [...word.matchAll(/(?:^|[=,:])(\/[^=,:\s]+)/g)].map(([, path]) => path!)
  );
}
