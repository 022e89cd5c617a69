/**
 * Programs that start the rest of their command line, and what becomes of them: some become that program by execve(2),
 * others stay in front of it and get its signals. Pure.
 *
 * Guarantees: each row is what the wrapper's manual says; test/integration/wrappers_test.ts runs those that are installed
 * and looks which program the process is then.
 */
import type { SignalName } from "../values/signals.ts";

/**
 * - exec: becomes the program, which so keeps the process id.
 * - relays: stays, and sends its signals on.
 * - stays: waits for the program, and keeps its signals to itself.
 * - leaves: starts the program and exits.
 */
type Way = "exec" | "relays" | "stays" | "leaves";

/** What is special about a wrapper. */
interface Extras {
  /** Word that must come first: `bundle exec`. */
  readonly verb?: string;
  /** Options that make it another way. */
  readonly unless?: readonly [options: string, way: Way];
  /** What it relays; missing: every signal. */
  readonly signals?: readonly SignalName[];
}

/** Names, way, options with a value, words before the command that are no options (a user, a priority), rest. */
type Row = readonly [string, Way, string?, number?, Extras?];

// deno-fmt-ignore: one wrapper per entry, so that it reads as a table
const ROWS: readonly Row[] = [
  ["env", "exec", "-u --unset -C --chdir"],
  ["nice", "exec", "-n --adjustment"],
  ["ionice", "exec", "-c --class -n --classdata"],
  ["chrt", "exec", "-T --sched-runtime -P --sched-period -D --sched-deadline", 1],
  ["taskset", "exec", "", 1],
  ["nohup", "exec"],
  ["stdbuf", "exec", "-i --input -o --output -e --error"],
  ["setpriv", "exec", "--reuid --regid --ruid --euid --rgid --egid --groups --inh-caps --ambient-caps " +
    "--bounding-set --securebits --pdeathsig --selinux-label --apparmor-profile"],
  ["prlimit", "exec"],
  ["setarch linux64 linux32 i386 x86_64", "exec"],
  ["chroot", "exec", "", 1],
  ["numactl", "exec", "-i --interleave -p --preferred -m --membind -N --cpunodebind -C --physcpubind"],
  ["unshare", "exec", "-S --setuid -G --setgid -R --root -w --wd --propagation --setgroups", 0,
    { unless: ["-f --fork", "stays"] }],
  ["systemd-cat", "exec", "-t --identifier -p --priority --stderr-priority --level-prefix"],
  ["gosu su-exec", "exec", "", 1],
  // daemontools, runit, s6
  ["setuidgid envuidgid envdir s6-setuidgid s6-envdir s6-envuidgid", "exec", "", 1],
  ["pgrphack", "exec"],
  ["softlimit s6-softlimit", "exec", "-a -c -d -f -l -m -o -p -r -s -t"],
  ["chpst", "exec", "-u -U -b -e -/ -C -n -l -L -m -d -o -p -f -c -r -t"],
  ["bundle", "exec", "", 0, { verb: "exec" }],
  ["tini docker-init catatonit", "relays", "-p -e"],
  ["dumb-init", "relays", "-r --rewrite"],
  ["sudo", "relays", "-u --user -g --group -D --chdir -R --chroot -h --host -p --prompt -r --role -t --type " +
    "-T --command-timeout -C --close-from", 0,
    { signals: ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"] }],
  ["timeout", "relays", "-k --kill-after -s --signal", 1,
    { signals: ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP"] }],
  // At TERM it sends TERM, and KILL two seconds later: setpriv is better.
  ["runuser", "stays", "-u --user -g --group -G --supp-group"],
  ["time", "stays", "-o --output -f --format"],
  ["flock", "stays", "-w --wait --timeout -E --conflict-exit-code", 1, { unless: ["-F --no-fork", "exec"] }],
  ["strace", "stays", "-e -o -p -s -u -E -O -S -a -b -I -P -X"],
  // A leader of a process group, as every server of baton is, cannot lead a session: it forks, and exits.
  ["setsid", "leaves", "", 0, { unless: ["-w --wait", "stays"] }],
];

interface Wrapper extends Extras {
  readonly way: Way;
  readonly valued: string;
  readonly operands: number;
}

const WRAPPER_BY_NAME: ReadonlyMap<string, Wrapper> = new Map(
  ROWS.flatMap(([names, way, valued = "", operands = 0, extras]) =>
    names.split(" ").map((name) => [name, { ...extras, way, valued, operands }] as const)
  ),
);

/** One wrapper taken off. */
interface Unwrapped {
  readonly wrapper: string;
  readonly way: Way;
  /** What it relays; null: every signal. */
  readonly signals: readonly SignalName[] | null;
  /** The command that it starts; not empty. */
  readonly rest: readonly string[];
}

export function has(words: string | undefined, word: string): boolean {
  return words !== undefined && words.split(" ").includes(word);
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** @returns null when `argv` begins with no wrapper, or nothing follows it; an unknown option has no value */
export function unwrap(argv: readonly string[]): Unwrapped | null {
  const name = baseName(argv[0] ?? "");
  const wrapper = WRAPPER_BY_NAME.get(name);
  if (wrapper === undefined) return null;
  const { valued, verb, unless, signals = null } = wrapper;
  let { way, operands } = wrapper;
  let at = 1;
  if (verb !== undefined && argv[at++] !== verb) return null;
  for (let isOptions = true; at < argv.length; at++) {
    const word = argv[at] ?? "";
    if (isOptions && word === "--") isOptions = false;
    else if (isOptions && word.startsWith("-") && word !== "-") {
      if (unless !== undefined && has(unless[0], word)) way = unless[1];
      if (has(valued, word)) at++;
    } else if (!/^(env|sudo)$/.test(name) || !/^[^=]+=/.test(word)) {
      if (operands-- === 0) break;
      isOptions = false;
    }
  }
  return at < argv.length ? { wrapper: name, way, signals, rest: argv.slice(at) } : null;
}
