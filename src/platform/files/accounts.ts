/**
 * Names of users and groups as numbers, passwd(5), group(5). Only these two files are read: asking what else the machine
 * may be configured for (nsswitch.conf) would load code of others, and may wait for a network.
 */
import { readText } from "../process/proc.ts";

const FILES = { user: "/etc/passwd", group: "/etc/group" } as const;
/** The largest is (uid_t) -1, which chown(2) takes for "leave it". */
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
