/**
 * The server in a command line: behind wrappers that become it, behind those that stay in front of it, and behind a shell
 * that execs it. Pure.
 */
import type { SignalName } from "../values/signals.ts";
import { isShell, lastCommand } from "./shell_script.ts";
import { baseName, unwrap } from "./wrappers.ts";

export interface CommandLine {
  /** The server's own words. */
  readonly argv: readonly string[];
  /** The outermost program that stays in front of the server, and so gets its signals; null: none does. */
  readonly front: {
    readonly program: string;
    readonly way: "relays" | "stays" | "leaves";
    /** The signals that it relays; null: all. */
    readonly signals: readonly SignalName[] | null;
  } | null;
  /** A shell that may stay in front: some become the last command of their script even without `exec`. */
  readonly behindShell: string | null;
  /** Whether the server's root directory is another one than baton's. */
  readonly isElsewhere: boolean;
}

/** How deep scripts in scripts and wrappers in wrappers are followed. */
const MOST_LAYERS = 16;

/** Scripts of container images: by convention they end with `exec "$@"`. */
const ENTRY_SCRIPT = /(^|\/)(docker-)?entrypoint(\.sh)?$/;

export function commandLine(argv: readonly string[]): CommandLine {
  let rest = argv;
  let front = null as CommandLine["front"];
  let behindShell = null as string | null;
  let isElsewhere = false;
  for (let i = 0; i < MOST_LAYERS; i++) {
    const inner = unwrap(rest);
    if (inner !== null) {
      const { wrapper, way, signals } = inner;
      if (way !== "exec" && front?.way !== "stays") {
        front = { program: front?.program ?? wrapper, way, signals };
      }
      isElsewhere ||= inner.wrapper === "chroot";
      rest = inner.rest;
      continue;
    }
    if (ENTRY_SCRIPT.test(rest[0] ?? "") && rest.length > 1) {
      if (front === null) behindShell ??= baseName(rest[0]!);
      rest = rest.slice(1);
      continue;
    }
    const last = lastCommand(rest);
    if (last === null || last.words.length === 0) break;
    if (!last.isExec && front === null) behindShell ??= baseName(rest[0] ?? "");
    rest = last.words;
  }
  return { argv: rest, front, behindShell, isElsewhere };
}

/** @returns the command without what becomes it, or stays in front: a shell is still one */
export function withoutWrappers(argv: readonly string[]): readonly string[] {
  let rest = argv;
  for (let inner = unwrap(rest); inner !== null; inner = unwrap(rest)) rest = inner.rest;
  return rest;
}

/**
 * @param leader name of the process that leads a generation which serves
 * @returns what to do about a program in front of the server that keeps its signals; null: nothing
 */
export function wrapperNotice(line: CommandLine, leader: string): string | null {
  const { argv: [server = ""], front } = line;
  const name = baseName(server);
  if (staysInFront(line, leader)) {
    const example = isShell(leader) ? `: ${leader} -c 'exec ${name} ...'` : "";
    return `${leader} stays in front of ${name} and gets its signals: put exec before it${example}`;
  }
  if (front?.way !== "stays") return null;
  const remedy = front.program === "runuser"
    ? "setpriv --reuid USER becomes the program"
    : "leave it out";
  return `${front.program} stays in front of ${name} and keeps its signals: ${remedy}`;
}

/** @param name of a process that leads a generation */
export function staysInFront({ behindShell }: CommandLine, name: string): boolean {
  return behindShell !== null && (isShell(name) || name !== "" && behindShell.startsWith(name));
}
