/** The calls that give a process its limits, nice value and umask, and those that make it another user's. Pure. */
import type { ArchConstants } from "../platform/libc/arch.ts";
import { C } from "../platform/libc/constants.ts";
import { block, numbered } from "../platform/program/call_list.ts";
import { call, code, type LaunchCall, STATUS_SYSTEM } from "./launch_call.ts";
import type { Account, LaunchPlan } from "./plan.ts";

/** @returns the calls that need the rights which the process has before it becomes another user's */
export function settingCalls(
  { limits, nice, umask }: Pick<LaunchPlan, "limits" | "nice" | "umask">,
  { SYS_prlimit64, SYS_setpriority, SYS_umask }: ArchConstants,
): LaunchCall[] {
  const limited = limits.map(({ name, resource, soft, hard }) => {
    const limit = numbered([[0, rlimOf(soft)], [8, rlimOf(hard)]], 16);
    return refusable(
      call("setrlimit", name, SYS_prlimit64, [0, resource, limit, 0]),
      `Cannot use --rlimit ${name}`,
      `only root, or CAP_SYS_RESOURCE, may raise a hard limit: "prlimit --${name}" shows baton's own` +
        (resource === C.RLIMIT_NOFILE ? `; the most for all is in /proc/sys/fs/nr_open` : ""),
    );
  });
  const niced = nice === null ? [] : [refusable(
    call("setpriority", String(nice), SYS_setpriority, [C.PRIO_PROCESS, 0, nice]),
    `Cannot use --nice ${nice}`,
    "only root, or CAP_SYS_NICE, may lower it below baton's own",
  )];
  const masked = umask === null ? [] : [call("umask", String(umask), SYS_umask, [umask])];
  return [...limited, ...niced, ...masked];
}

/** The user comes last: it takes away the right to change the groups. */
export function accountCalls(
  { uid, gid, groups, text }: Account,
  { SYS_setgroups, SYS_setresgid, SYS_setresuid }: ArchConstants,
): LaunchCall[] {
  const list = block(new Uint8Array(Uint32Array.from(groups).buffer));
  const calls = [
    call("setgroups", groups.join(","), SYS_setgroups, [groups.length, list]),
    call("setresgid", String(gid), SYS_setresgid, [gid, gid, gid]),
    call("setresuid", String(uid), SYS_setresuid, [uid, uid, uid]),
  ];
  const remedy = "baton must run as root, or have CAP_SETUID and CAP_SETGID";
  return calls.map((each) => refusable(each, `Cannot run the server as ${text}`, remedy));
}

function refusable(each: LaunchCall, cannot: string, remedy: string): LaunchCall {
  return {
    ...each,
    explain: (result) => {
      const isForbidden = -result === C.EPERM || -result === C.EACCES;
      const why = isForbidden ? `${code(result)}: ${remedy}` : code(result);
      return { status: STATUS_SYSTEM, message: `${cannot}: ${why}` };
    },
  };
}

/** RLIM_INFINITY is -1. */
function rlimOf(value: number): number {
  return value === Infinity ? -1 : value;
}
