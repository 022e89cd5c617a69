/**
 * Placeholders in the words of a server's command. Pure.
 *
 * - {epoch}, {generation}: number of the generation, as in the log. Always filled in: a pid file or lock for each.
 * - {worker}: number of the worker in its generation, from 0 on. Always filled in.
 * - {fd:NAME}, {port:NAME}, {path:NAME}: of a listener. Without any listener they are the server's own, `node -e "f({fd:1})"`.
 *
 * Two braces keep one: {{epoch}} becomes {epoch}. After a dollar sign braces are a shell's, ${port:-80}.
 */
import { FIRST_PASSED_DESCRIPTOR } from "../../platform/fd.ts";
import type { ListenSpec } from "./listen_spec.ts";

const CONTENT = "(epoch|generation|worker|(?:fd|port|path):[^{}]*)";
const PLACEHOLDER = new RegExp(`(?<!\\$)(?:\\{\\{${CONTENT}\\}\\}|\\{${CONTENT}\\})`, "g");

interface Placeholder {
  readonly text: string;
  readonly kind: "fd" | "port" | "path";
  readonly name: string;
}

/** @returns the command with its placeholders filled in; unknown names stay as they are */
export function fillPlaceholders(
  command: readonly string[],
  specs: readonly ListenSpec[],
  epoch: number,
  worker = 0,
): string[] {
  const fill = (whole: string, literal: string | undefined, content = literal ?? ""): string => {
    const { kind, name } = listenerIn(content) ?? { kind: null, name: null };
    if (kind !== null && specs.length === 0) return whole;
    if (literal !== undefined) return `{${literal}}`;
    if (kind === null) return String(content === "worker" ? worker : epoch);
    const index = specs.findIndex((spec) => spec.name === name);
    const spec = specs[index];
    if (spec === undefined) return whole;
    return kind === "fd" ? String(FIRST_PASSED_DESCRIPTOR + index) : placeOf(spec, kind) ?? whole;
  };
  return command.map((word) => word.replace(PLACEHOLDER, fill));
}

/** The placeholders that name a listener. */
export function listenerPlaceholders(command: readonly string[]): Placeholder[] {
  return command.flatMap((word) => [...word.matchAll(PLACEHOLDER)])
    .flatMap(([, , content]) => listenerIn(content ?? "") ?? [])
    .map(({ kind, name }) => ({ text: `{${kind}:${name}}`, kind, name }));
}

function listenerIn(content: string): Omit<Placeholder, "text"> | null {
  const [kind, ...name] = content.split(":");
  const isKnown = kind === "fd" || kind === "port" || kind === "path";
  return isKnown ? { kind, name: name.join(":") } : null;
}

/** @returns null: a Unix socket has no port, and a TCP port no path */
export function placeOf(spec: ListenSpec, kind: "port" | "path"): string | null {
  if (spec.family === "unix") return kind === "path" ? spec.path : null;
  return kind === "port" ? String(spec.port) : null;
}
