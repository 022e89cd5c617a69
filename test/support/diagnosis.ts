/** Surroundings that lack something baton needs, for the tests of `baton doctor` and `baton run` in them. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import type { Capability } from "../../src/handoff/capabilities.ts";
import { batonCommand } from "./baton.ts";
import { notPermitted, type Restriction } from "./restrict.ts";

export const NOBODY = 65534;

export const SUMMARY = {
  inherit: "baton works here with --listen only: for servers that accept passed sockets.",
  nothing: "baton cannot hand connections over here.",
} as const;

export interface Case {
  readonly by: Restriction;
  readonly works: keyof typeof SUMMARY;
  /** The capabilities that must fail, and no other. */
  readonly fails: readonly string[];
  readonly detail: RegExp;
  /** What an operator can do about it. */
  readonly remedy: RegExp;
}

/** Without these baton makes the servers' sockets itself. */
export const WITHOUT_GETFD: readonly Restriction[] = [
  "pidfd_getfd=EPERM",
  "pidfd_getfd=ENOSYS",
  "pidfd_open=ENOSYS",
];

const NO_LISTENER = { works: "inherit", fails: ["seccomp_user_notification"] } as const;

export const CASES: readonly Case[] = [
  { by: "new_listener=EINVAL", ...NO_LISTENER, detail: /EINVAL/, remedy: /newer kernel.*--listen/ },
  { by: "new_listener=EPERM", ...NO_LISTENER, detail: /EPERM/, remedy: /--listen/ },
  { by: "action_avail=EOPNOTSUPP", ...NO_LISTENER, detail: /USER_NOTIF/, remedy: /newer kernel/ },
  { by: "addfd=EINVAL", ...NO_LISTENER, detail: /ADDFD.*EINVAL/, remedy: /newer kernel/ },
  {
    by: "listener",
    ...NO_LISTENER,
    detail: /another seccomp listener/,
    remedy: /container runtime/,
  },
  {
    by: "reuseport_cbpf=EPERM",
    works: "nothing",
    fails: ["steering"],
    detail: /setsockopt: EPERM/,
    remedy: /seccomp profile/,
  },
  {
    by: "netlink=EPERM",
    works: "nothing",
    fails: ["sock_diag"],
    detail: /socket: EPERM/,
    remedy: /allow AF_NETLINK/,
  },
  {
    by: "memfd_create=ENOSYS",
    works: "nothing",
    fails: ["launcher", "seccomp_user_notification"],
    detail: /the launcher failed: memfd_create: ENOSYS/,
    remedy: /starting processes/,
  },
];

/** Docker's default set of capabilities: root, but without CAP_SYS_PTRACE and CAP_SYS_ADMIN. */
export const DOCKER_CAPABILITIES = "chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap," +
  "net_bind_service,net_raw,sys_chroot,mknod,audit_write,setfcap";

export const DOCKER = [
  "setpriv",
  `--bounding-set=-all,${DOCKER_CAPABILITIES.replaceAll(/(^|,)/g, "$1+")}`,
];

export const AS_NOBODY = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];

const OTHERS_PROC = ["unshare", "--pid", "--fork", "--kill-child"];

/** PID 1 stays root's, so that there is something to hide; the runtime directory becomes that user's. */
export const HIDEPID_SCRIPT = `mount -t proc -o hidepid=2 proc /proc || exit
for word; do [ "$last" = --runtime-dir ] && chown ${NOBODY} "$word"; last=$word; done
"$@"
exit $?`;

export const HIDEPID = [...OTHERS_PROC, "--mount", "sh", "-c", HIDEPID_SCRIPT, "sh", ...AS_NOBODY];

export interface Report {
  readonly works: string;
  readonly summary: string;
  readonly kernel: string;
  readonly environment: readonly string[];
  readonly modes: readonly { readonly name: string; readonly works: boolean }[];
  readonly capabilities: readonly Capability[];
}

export function failing({ capabilities }: Report): Capability[] {
  return capabilities.filter(({ ok, needed }) => !ok && needed !== "advice");
}

/** Processes that were started with this variable in their environment. */
export function marked(mark: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, "utf8").includes(mark);
    } catch {
      return false;
    }
  });
}

/** The tests take things away from a machine that has them all. */
export function incomplete(): string | false {
  const [program = "", ...argv] = [...batonCommand(), "doctor", "--json"];
  const { stdout } = spawnSync(program, argv, { encoding: "utf8" });
  const [missing] = failing(JSON.parse(stdout) as Report);
  return missing !== undefined && `this machine lacks: ${missing.title}: ${missing.detail}`;
}

/** The Deno of npx is in root's home: then only the compiled baton can run as another user. */
export function nobodyCannot(wrapper: readonly string[] = AS_NOBODY): string | false {
  return process.getuid?.() !== 0
    ? "only root can become another user"
    : notPermitted(wrapper, ["test", "-x", batonCommand()[0] ?? ""]);
}

/** For another user setpriv does nothing, and says nothing. */
export const NO_DOCKER = process.getuid?.() === 0 ? notPermitted(DOCKER) : "it is about root";

export const skip = incomplete();
