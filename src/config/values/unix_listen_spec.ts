/**
 * `unix:/PATH[,mode=0660][,user=NAME][,group=NAME]` of `--listen`.
 *
 * Guarantees: the path is absolute, in its shortest form, and fits into a socket address; names of users and groups are
 * not looked up here.
 */
import type { UserError } from "./errors.ts";

export interface UnixListenSpec {
  readonly name: string;
  readonly family: "unix";
  readonly path: string;
  /** Mode of the socket's node; null: as bind(2) makes it, 0777 without the bits of baton's umask. */
  readonly mode: number | null;
  /** A name or a number; null: that of baton. */
  readonly user: string | null;
  readonly group: string | null;
  /** For messages and logs: `unix:/run/web.sock`. */
  readonly text: string;
}

/** sizeof(sun_path), unix(7), without the final NUL. */
const LONGEST_PATH = 107;
const EXAMPLE = "Write [NAME=]unix:/PATH[,mode=0660][,user=NAME][,group=NAME]";
const SETTINGS = ["mode", "user", "group"] as const;
const MODE = /^0?[0-7]{3}$/;
const ACCOUNT = /^[A-Za-z0-9_.][A-Za-z0-9_.-]*\$?$/;

type Refuse = (reason: string, remedy?: string) => UserError;

export function isUnixText(text: string): boolean {
  return /^unix:/i.test(text);
}

/** @param text with the scheme */
export function parseUnixPlace(name: string, text: string, refuse: Refuse): UnixListenSpec {
  const [place = "", ...settings] = text.slice("unix:".length).split(",");
  const path = parsePath(place.replace(/^\/\/(?=\/)/, ""), refuse);
  const given = new Map(settings.map((setting) => parseSetting(setting, refuse)));
  if (given.size < settings.length) throw refuse("a setting is given twice", EXAMPLE);
  const mode = given.get("mode");
  return {
    name,
    family: "unix",
    path,
    mode: mode === undefined ? null : parseInt(mode, 8),
    user: given.get("user") ?? null,
    group: given.get("group") ?? null,
    text: unixText(path),
  };
}

/** How a path, or an abstract name, is shown. */
export function unixText(path: string): string {
  return `unix:${path}`;
}

function parsePath(path: string, refuse: Refuse): string {
  if (path.startsWith("@")) {
    throw refuse(
      "an abstract name cannot be passed from one generation to the next",
      "Use a path, for example unix:/run/web.sock",
    );
  }
  if (!path.startsWith("/")) throw refuse("its path must begin with /", EXAMPLE);
  if (!path.isWellFormed() || path.includes("\0")) throw refuse("its path must be UTF-8");
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  if (names.includes("..")) throw refuse("its path must not contain ..");
  if (names.length === 0 || path.endsWith("/")) throw refuse("its path is a directory");
  const shortest = `/${names.join("/")}`;
  const length = new TextEncoder().encode(shortest).length;
  if (length > LONGEST_PATH) {
    throw refuse(
      `its path has ${length} bytes, and a socket address has room for ${LONGEST_PATH}`,
      "Use a shorter path",
    );
  }
  return shortest;
}

function parseSetting(text: string, refuse: Refuse): [key: string, value: string] {
  const [, key = "", value = ""] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  if (!SETTINGS.some((known) => known === key)) {
    const why = `${JSON.stringify(text)} is not mode=, user= or group= (a path has no commas)`;
    throw refuse(why, EXAMPLE);
  }
  const pattern = key === "mode" ? MODE : ACCOUNT;
  if (pattern.test(value)) return [key, value];
  const wanted = key === "mode" ? "an octal mode such as 0660" : `a ${key}, by name or number`;
  throw refuse(`${JSON.stringify(value)} is not ${wanted}`, EXAMPLE);
}
