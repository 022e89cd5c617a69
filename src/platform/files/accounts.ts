/**
 * Names of users and groups as numbers, passwd(5), group(5). Only these two files are read: asking what else the machine
 * may be configured for (nsswitch.conf) would load code of others, and may wait for a network.
 */
import { readText } from "../process/proc.ts";

const FILES = { user: "/etc/passwd", group: "/etc/group" } as const;
/** The largest id. The next one is (uid_t) -1, which chown(2) takes for "leave it". */
const LARGEST_ID = 0xffff_fffe;

/** @param name or a number @returns null when it is not known */
export function accountId(
  kind: keyof typeof FILES,
  name: string,
  table: string | null = readText(FILES[kind]),
): number | null {
  if (/^\d+$/.test(name)) return Number(name) <= LARGEST_ID ? Number(name) : null;
  const rows = (table ?? "").split("\n").map((line) => line.split(":"));
  const id = rows.find(([known]) => known === name)?.[2] ?? "";
  return /^\d+$/.test(id) ? Number(id) : null;
}

/** A row of passwd(5). */
export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
}

/** @param account a name or a number @returns null when it has no row */
export function userOf(
  account: string,
  table: string | null = readText(FILES.user),
): User | null {
  const rows = (table ?? "").split("\n").map((line) => line.split(":"));
  const row = rows.find(([name]) => name === account) ??
    (/^\d+$/.test(account) ? rows.find(([, , uid]) => Number(uid) === Number(account)) : undefined);
  const [name = "", , uid = "", gid = "", , home = "", shell = ""] = row ?? [];
  if (!/^\d+$/.test(uid) || !/^\d+$/.test(gid)) return null;
  return { name, uid: Number(uid), gid: Number(gid), home, shell };
}

/** @returns the groups of which `name` is listed as a member, as initgroups(3) finds them, without `gid` */
export function groupsOf(
  name: string,
  gid: number,
  table: string | null = readText(FILES.group),
): number[] {
  const rows = (table ?? "").split("\n").map((line) => line.split(":"));
  const ids = rows.filter(([, , id = "", members = ""]) =>
    /^\d+$/.test(id) && members.split(",").includes(name)
  ).map(([, , id]) => Number(id));
  return [...new Set(ids)].filter((id) => id !== gid);
}
