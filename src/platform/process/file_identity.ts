/** What the kernel gives a file that a thread makes. /proc/TID/status, proc(5) */
import { readText } from "./proc.ts";

export interface FileIdentity {
  readonly uid: number;
  readonly gid: number;
  /** The mask for modes, which /proc shows since Linux 4.7. */
  readonly umask: number;
}

const IDS = { uid: /^Uid:(?:\s+\d+){3}\s+(\d+)$/m, gid: /^Gid:(?:\s+\d+){3}\s+(\d+)$/m };
const UMASK = /^Umask:\s+([0-7]+)$/m;

/** @param tid -1 for an id: unknown, the thread is gone */
export function fileIdentityOf(tid: number | "self"): FileIdentity {
  const text = readText(`/proc/${tid}/status`) ?? "";
  return {
    uid: Number(IDS.uid.exec(text)?.[1] ?? -1),
    gid: Number(IDS.gid.exec(text)?.[1] ?? -1),
    umask: parseInt(UMASK.exec(text)?.[1] ?? "022", 8),
  };
}
