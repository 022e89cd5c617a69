/**
 * Where the administration interface of an Envoy is, by its command line and the configuration that this names. Reads
 * files by `look` only: the same text, the same answer.
 */
import type { FoundControl } from "../config/servers/control.ts";
import type { CallPlace } from "../config/values/drain_call_spec.ts";
import { optionValues } from "../config/servers/server_files.ts";
import type { ControlLook } from "../config/servers/control.ts";

/** What is known of where an administration interface is; null: nothing that baton can call. */
type Found = CallPlace | "any port" | null;

/** Lines of a configuration that baton understands, as a part of a sentence. */
export const EXAMPLE = "admin: {address: {pipe: {path: /run/envoy.sock}}}, or " +
  "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}";
const BINARY = /\.(pb|pb_text|pb_bin)$/;

/** @param words after the program */
export async function findEnvoyAdmin(
  words: readonly string[],
  look: ControlLook,
): Promise<FoundControl> {
  const isPath = () => false;
  const path = optionValues(words, "-c --config-path", isPath).at(-1) ?? null;
  const inline = optionValues(words, "--config-yaml", isPath).at(-1) ?? null;
  const written = optionValues(words, "--admin-address-path", isPath).at(-1) ?? null;
  const text = path === null || BINARY.test(path) ? null : look.read(path);
  const [own, added] = [await adminIn(text), await adminIn(inline)];
  // An address on the command line wins over the file's.
  const found = added ?? own;
  if (found !== null && found !== "any port") return { place: found };
  const chosen = written === null ? null : placeIn(look.read(written) ?? "");
  if (chosen !== null && look.listensAt(chosen)) return { place: chosen };
  if (written !== null) return { later: `Envoy has not written ${written} yet` };
  return { notice: noticeOf(path, text !== null || path === null, found) };
}

function noticeOf(path: string | null, isRead: boolean, found: Found): string {
  const what = "baton cannot tell it to say goodbye to its clients (POST /healthcheck/fail): " +
    "at a reload those that keep connections may lose a request";
  if (!isRead) {
    return `${path}, the configuration of Envoy, cannot be read here, so ${what}. ` +
      "Name its admin address: --drain-call POST:PORT/healthcheck/fail, or none for silence";
  }
  if (found === "any port") {
    return `Envoy's admin port is a different one at each start, so ${what}. ` +
      "Add --admin-address-path FILE{epoch}, or choose a port";
  }
  const where = path === null ? "its command line" : path;
  return `Envoy has no admin interface in ${where}, so ${what}. Add ${EXAMPLE}; ` +
    "--drain-call none: no more of this";
}

/** @returns what a configuration says of `admin`; null: it has none */
async function adminIn(text: string | null): Promise<Found> {
  if (text === null || !text.includes("admin")) return null;
  const admin = field(await partOf(text), "admin");
  return placeOf(field(admin, "address"));
}

/** Reads a document as a whole, or as much as is needed of it: a configuration may be many megabytes. */
async function partOf(text: string): Promise<unknown> {
  if (/^\s*\{/.test(text)) {
    try {
      return JSON.parse(text);
    } catch {
      // The text is in the braces of YAML, and no JSON.
    }
  }
  const { parse } = await import("./parse_yaml.ts");
  const read = (part: string): unknown => parse(part, { uniqueKeys: false, logLevel: "silent" });
  // The block of `admin`: from its line to the next one that is not deeper.
  const block = /^(["']?)admin\1[ \t]*:.*(?:\n(?:[ \t#].*)?)*/m.exec(text)?.[0];
  for (const part of block === undefined ? [text] : [block, text]) {
    try {
      return read(part);
    } catch {
      // The part may need an anchor of the rest.
    }
  }
  return null;
}

/** A field, by its name in a proto file, or as JSON has it: `socket_address`, `socketAddress`. */
function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  const other = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const record = value as Readonly<Record<string, unknown>>;
  return record[name] ?? record[other];
}

function placeOf(address: unknown): Found {
  const unix = field(field(address, "pipe"), "path");
  if (typeof unix === "string" && /^[/@]./.test(unix)) return { unix };
  const socket = field(address, "socket_address");
  const host = field(socket, "address");
  const port = Number(field(socket, "port_value") ?? NaN);
  if (typeof host !== "string" || !Number.isInteger(port)) return null;
  return port === 0 ? "any port" : { host, port };
}

/** An address as Envoy writes it down: "127.0.0.1:9901", "[::1]:9901", or a path. */
function placeIn(text: string): CallPlace | null {
  const line = text.trim();
  if (/^[/@]./.test(line)) return { unix: line };
  const [, host = "", port = ""] = /^\[?([0-9a-fA-F.:]+?)\]?:(\d+)$/.exec(line) ?? [];
  return host === "" ? null : { host, port: Number(port) };
}
