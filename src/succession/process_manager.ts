/**
 * Finds a process manager that started this baton, and would take the end of its process for the end of the service:
 * then an upgrade must keep the process, that is, be in place. Pure except for `ancestorsOf`.
 *
 * A manager that learns the new process id from MAINPID= is not one of these, nor is an interactive shell.
 */
import { commandLineOf, processName, processStat } from "../platform/process/proc.ts";

interface Ancestor {
  /** 0: it is not in this PID namespace. */
  readonly pid: number;
  /** At most 15 bytes. */
  readonly name: string;
  readonly argv: readonly string[];
}

/** Base names of programs that start one process and supervise it -> what their users call them. */
const MANAGERS: Readonly<Record<string, string>> = {
  "supervisord": "Supervisor",
  "supervisor.supervisord": "Supervisor",
  "runsv": "runit",
  "s6-supervise": "s6",
  "supervise": "daemontools",
  "perpd": "perp",
  "dinit": "dinit",
  "supervise-daemon": "OpenRC",
  "circusd": "circus",
  "foreman": "foreman",
  "honcho": "honcho",
  "hivemind": "hivemind",
  "goreman": "goreman",
  "forego": "forego",
  "process-compose": "process-compose",
  // Process 1 of a container, which ends with its child.
  "tini": "tini",
  "docker-init": "docker --init",
  "dumb-init": "dumb-init",
  "catatonit": "podman --init",
};
const PM2_TITLE = /^PM2 v/;
const LONGEST_NAME = 15;
/** Programs in between, which exit when their child does. Not an interactive shell, which has no arguments. */
const SHELLS = ["sh", "bash", "dash", "ash", "zsh", "ksh", "busybox"];
const WRAPPERS = ["sudo", "su", "runuser", "timeout", "npm", "xargs", "time"];
const MOST_ANCESTORS = 8;

function baseName(word: string): string {
  return word.slice(word.lastIndexOf("/") + 1);
}

function managerNamed({ name, argv }: Ancestor): string | null {
  if (PM2_TITLE.test(argv[0] ?? "")) return "pm2";
  // Behind an interpreter the program is its script, or the module behind -m.
  const words = [name, ...argv.slice(0, 3).map(baseName)];
  const found = Object.entries(MANAGERS).find(([each]) =>
    words.some((word) => word === each || word === name && each.slice(0, LONGEST_NAME) === word)
  );
  return found?.[1] ?? null;
}

function isWrapper({ name, argv }: Ancestor): boolean {
  const program = baseName(argv[0] ?? "");
  if (SHELLS.includes(program)) return argv.slice(1).some((word) => !/^-[il]+$/.test(word));
  // npm sets its title to the command: "npm start".
  return WRAPPERS.includes(name.split(" ")[0]!) || WRAPPERS.includes(program);
}

/** @param ancestors of this baton, its parent first. @returns null: a child can take over */
export function whyInPlace(
  own: { readonly pid: number; readonly env: Readonly<Record<string, string>> },
  ancestors: readonly Ancestor[],
): string | null {
  if (own.pid === 1) return "it is process 1, with which all others end";
  // systemd.exec(5); with Type=notify the manager learns the new main process.
  if (own.env["SYSTEMD_EXEC_PID"] === String(own.pid) && !own.env["NOTIFY_SOCKET"]) {
    return "systemd would stop the unit with its main process (Type=notify would follow the new one)";
  }
  for (const ancestor of ancestors) {
    if (ancestor.pid === 0) return "the container ends with its first process";
    const manager = managerNamed(ancestor);
    if (manager !== null) {
      return `${manager} (pid ${ancestor.pid}) would take the end of this process for the end of the service`;
    }
    if (!isWrapper(ancestor)) return null;
  }
  return null;
}

/** The processes above `pid` that are in its PID namespace. */
export function ancestorsOf(pid: number | string): Ancestor[] {
  const ancestors: Ancestor[] = [];
  let parent = processStat(pid)?.parent;
  while (parent !== undefined && ancestors.length < MOST_ANCESTORS) {
    ancestors.push({ pid: parent, name: processName(parent) ?? "", argv: commandLineOf(parent) });
    parent = parent <= 1 ? undefined : processStat(parent)?.parent;
  }
  return ancestors;
}
