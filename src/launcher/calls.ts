/**
 * From the plan of a start to the system calls that make a new process the program. Pure.
 *
 * Guarantees to the program: exactly descriptors 0 to 2 and the members, its LISTEN_PID, the file limit that baton was
 * started with; its own process group and default signals are posix_spawn's. To the supervisor: a report before anything
 * can fail unseen, and no half-started server: any failure ends the process.
 */
import { SystemCallError } from "../platform/error.ts";
import { FIRST_PASSED_DESCRIPTOR } from "../platform/fd.ts";
import type { ArchConstants } from "../platform/libc/arch.ts";
import { C } from "../platform/libc/constants.ts";
import { filterProgram } from "../platform/process/call_filter.ts";
import { LARGEST_DESCRIPTOR } from "../platform/process/close_on_exec.ts";
import { environmentStrings } from "../platform/process/environment.ts";
import { SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV } from "../platform/process/seccomp.ts";
import {
  type Block,
  block,
  message,
  numbered,
  type Place,
  pointers,
  text,
} from "../platform/program/call_list.ts";
import { accountCalls, settingCalls } from "./account_calls.ts";
import { call, code, type LaunchCall, STATUS_SYSTEM } from "./launch_call.ts";
import type { LaunchFailure, LaunchPlan } from "./plan.ts";
import { STATUS_NOT_EXECUTABLE, STATUS_NOT_FOUND } from "./resolve.ts";

const SHELL = "/bin/sh";
/** The go-ahead: the process's own number, in digits, and NULs. */
export const GO_SIZE = 16;

type Program = NonNullable<LaunchPlan["program"]>;

/** What the supervisor has found out. */
export interface LaunchFacts {
  readonly arch: ArchConstants;
  /** Number of the descriptor that leads to the supervisor. */
  readonly control: number;
  /** The directory that the process starts in, perhaps one that its user may not enter a second time. */
  readonly directory: string;
  readonly hardFileLimit: number;
  /** Whether it runs as the plan's account already, and that is not root's: then it could not have other groups. */
  readonly isAlready: boolean;
  /** Whether it has CAP_SYS_ADMIN: then no_new_privs stays unset, so that setuid programs (sudo -u) still work. */
  readonly isPrivileged: boolean;
  /** The program to execute; or why there is none, which is said when the directory has been entered. */
  readonly program: Program | LaunchFailure;
}

/** Whether the launcher asks for a go-ahead in its first message. */
export function waitsForGo({ trap, waits }: LaunchPlan): boolean {
  return trap.length > 0 || waits;
}

export function launchCalls(plan: LaunchPlan, facts: LaunchFacts): LaunchCall[] {
  const { arch, directory, program } = facts;
  const account = facts.isAlready ? null : plan.account;
  const environment = environmentOf(plan);
  const receive = receiveGo(facts, environment.pid);
  return [
    // Where no go-ahead is asked for, it is sent at once, and received here: a failure before that would take it for
    // the exit status.
    ...(plan.members > 0 && !waitsForGo(plan) ? [receive] : []),
    ...(account === null ? bondToParent(plan, arch) : []),
    // `directory` comes from the kernel: Bun keeps naming the directory that the process was started in.
    ...(plan.cwd === null || plan.cwd === directory ? [] : [enter(arch, plan.cwd)]),
    ...("status" in program ? [refuse(arch, program)] : []),
    ...limitFiles(plan, facts),
    ...settingCalls(plan, arch),
    ...(waitsForGo(plan) ? [...askForGo(plan, facts), receive] : []),
    ...keepMembers(plan, arch),
    // A filter needs the rights of baton's own user.
    ...(account === null ? [] : [
      ...accountCalls(account, arch),
      // The kernel forgets the death signal when the user changes, so it is asked for after that:
      // PR_SET_PDEATHSIG(2const).
      ...bondToParent(plan, arch),
    ]),
    ...("status" in program ? [] : execute(arch, program, plan, environment.block)),
  ];
}

/** The environment as execve(2) takes it, and where in it the process's own number belongs. */
function environmentOf({ env, members }: LaunchPlan): { block: Block; pid: Place } {
  const name = "LISTEN_PID=";
  const strings = environmentStrings(members > 0 ? { ...env, LISTEN_PID: "" } : env);
  const at = members > 0 ? strings.indexOf(name) : -1;
  const blocks = strings.map((each, i) => text(each, i === at ? GO_SIZE : 0));
  const place = blocks[at] ?? block(new Uint8Array(name.length + GO_SIZE));
  return { block: pointers(blocks), pid: { block: place, at: name.length } };
}

function bondToParent(
  { parentDeathSignal, parentPid }: LaunchPlan,
  { SYS_prctl, SYS_getppid }: ArchConstants,
): LaunchCall[] {
  if (parentDeathSignal === 0) return [];
  return [
    call("prctl", "PR_SET_PDEATHSIG", SYS_prctl, [C.PR_SET_PDEATHSIG, parentDeathSignal]),
    // The parent may have died before the request was made: then no signal will come.
    { ...call("getppid", "its parent", SYS_getppid, []), expects: parentPid },
  ];
}

function enter({ SYS_chdir }: ArchConstants, cwd: string): LaunchCall {
  return {
    number: SYS_chdir,
    args: [text(cwd)],
    explain: (result) => ({
      status: STATUS_NOT_EXECUTABLE,
      message: `Cannot enter working directory "${cwd}": ${code(result)}`,
    }),
  };
}

function refuse({ SYS_getpid }: ArchConstants, failure: LaunchFailure): LaunchCall {
  // A call whose result is never 0, so that the failure is reported: no process has this number for itself.
  return { number: SYS_getpid, args: [], expects: 0, explain: () => failure };
}

function limitFiles(
  { fileLimit, limits }: LaunchPlan,
  { arch, hardFileLimit }: LaunchFacts,
): LaunchCall[] {
  if (fileLimit === null || limits.some(({ resource }) => resource === C.RLIMIT_NOFILE)) return [];
  // RLIM_INFINITY is -1, and exact in no number of JavaScript.
  const hard = hardFileLimit >= 2 ** 63 ? -1 : hardFileLimit;
  const limit = numbered([[0, fileLimit], [8, hard]], 16);
  const args = [0, C.RLIMIT_NOFILE, limit, 0];
  return [call("setrlimit", "RLIMIT_NOFILE", arch.SYS_prlimit64, args)];
}

function askForGo(plan: LaunchPlan, facts: LaunchFacts): LaunchCall[] {
  const { arch: { SYS_sendmsg }, control } = facts;
  const { trap } = plan;
  // struct cmsghdr and the descriptor of the filter, unix(7).
  const passed = trap.length === 0 ? null : numbered([
    [0, 20],
    [8, C.SCM_RIGHTS * 2 ** 32 + C.SOL_SOCKET],
  ], 24);
  const filter = passed === null ? [] : filterCalls(plan, facts, { block: passed, at: 16 });
  const prepared = message(block(Uint8Array.of(1)), 1, passed);
  const args = [control, prepared, C.MSG_NOSIGNAL];
  return [...filter, call("sendmsg", "the go-ahead's request", SYS_sendmsg, args)];
}

/** Receives the go-ahead. Fails when the supervisor is gone: a server without one would be unmanaged. */
function receiveGo({ arch: { SYS_read }, control }: LaunchFacts, pid: Place): LaunchCall {
  const args = [control, pid, GO_SIZE];
  return { ...call("read", "the go-ahead", SYS_read, args), expects: GO_SIZE };
}

function filterCalls(plan: LaunchPlan, facts: LaunchFacts, resultTo: Place): LaunchCall[] {
  const { arch, isPrivileged } = facts;
  const spared = { call: arch.SYS_kill, pids: plan.spared };
  const program = filterProgram(arch.AUDIT_ARCH, plan.trap, spared);
  const argument = numbered([[0, program.length / 8]], 16, [{ at: 8, to: block(program) }]);
  // Without SPEC_ALLOW kernels before 5.16 slow a filtered process down (SSBD, STIBP).
  const flags = C.SECCOMP_FILTER_FLAG_NEW_LISTENER | C.SECCOMP_FILTER_FLAG_SPEC_ALLOW;
  const install = (more: number, tolerates: readonly number[], skips: number): LaunchCall => ({
    number: arch.SYS_seccomp,
    args: [C.SECCOMP_SET_MODE_FILTER, flags | more, argument],
    tolerates,
    skips,
    resultTo,
    explain: explainFilter,
  });
  const killable = SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  const give = call("prctl", "PR_SET_NO_NEW_PRIVS", arch.SYS_prctl, [C.PR_SET_NO_NEW_PRIVS, 1]);
  return [
    // The capability may be lost at the launcher's own exec (securebits), and is missed then.
    ...(isPrivileged
      ? [install(killable, [C.EINVAL, C.EACCES], 4), install(0, [C.EACCES], 3)]
      : []),
    give,
    install(killable, [C.EINVAL], 1),
    install(0, [], 0),
  ];
}

const TOO_FEW =
  "EMFILE: --rlimit nofile, or the limit that baton has, is too small to watch the server's sockets";

function explainFilter(result: number): LaunchFailure {
  if (-result === C.EMFILE) return { status: STATUS_SYSTEM, message: `Cannot launch: ${TOO_FEW}` };
  const why = -result === C.EBUSY
    ? "another seccomp listener is above baton (a container runtime?)"
    : new SystemCallError("seccomp", -result, "a filter with a listener").message;
  const message = `Cannot watch the server's sockets: ${why}: run "baton doctor", or use --listen`;
  return { status: STATUS_SYSTEM, message };
}

/** Keeps the members open over execve(2), which closes all others. */
function keepMembers({ members, readyDescriptor }: LaunchPlan, arch: ArchConstants): LaunchCall[] {
  const first = FIRST_PASSED_DESCRIPTOR + members;
  const args = [first, LARGEST_DESCRIPTOR, C.CLOSE_RANGE_CLOEXEC];
  const close = call("close_range", `descriptors from ${first}`, arch.SYS_close_range, args);
  return [
    // Where it is missing, the launcher has done it already (launcher.ts).
    { ...close, tolerates: [C.EINVAL, C.ENOSYS, C.EPERM] },
    ...(readyDescriptor === undefined ? [] : [
      call("fcntl(F_SETFD)", `descriptor ${readyDescriptor}`, arch.SYS_fcntl, [
        readyDescriptor,
        C.F_SETFD,
        0,
      ]),
    ]),
  ];
}

function execute(
  { SYS_openat, SYS_execveat, SYS_execve }: ArchConstants,
  { path, isHeld }: Program,
  { argv, account }: LaunchPlan,
  env: Block,
): LaunchCall[] {
  const [file, words] = [text(path), pointers(argv.map((each) => text(each)))];
  const name = account === null ? `"${path}"` : `"${path}" as ${account.text}`;
  const explain = (result: number) => explainExecution(name, result);
  const held: LaunchCall[] = !isHeld ? [] : [
    {
      number: SYS_openat,
      args: [C.AT_FDCWD, file, C.O_PATH | C.O_CLOEXEC],
      resultTo: "next",
      explain,
    },
    {
      // By descriptor the process is named as the file is since Linux 6.14; by path always after the number.
      number: SYS_execveat,
      args: [-1, text(""), words, env, C.AT_EMPTY_PATH],
      // A script: its interpreter needs a path.
      tolerates: [C.ENOENT, C.ENOEXEC],
      explain,
    },
  ];
  const shell = pointers([SHELL, path, ...argv.slice(1)].map((each) => text(each)));
  return [
    ...held,
    { number: SYS_execve, args: [file, words, env], tolerates: [C.ENOEXEC], explain },
    // A script without "#!": execvp(3) and every shell run it with sh.
    call("execve", SHELL, SYS_execve, [text(SHELL), shell, env]),
  ];
}

/** What to do about what execve(2) has said. */
const ADVICE: ReadonlyMap<number, string> = new Map([
  [
    C.E2BIG,
    "its arguments and environment are too long: 128 KiB for each, a quarter of `ulimit -s` for all",
  ],
  [
    C.EACCES,
    "check the rights of the file and of its interpreter, and whether its file system is mounted noexec",
  ],
  [C.EAGAIN, "its user has as many processes as --rlimit nproc allows"],
  [C.EMFILE, "--rlimit nofile is too small for what it is given"],
  [C.ETXTBSY, "it is open for writing: try again when it has been copied"],
]);

function explainExecution(name: string, result: number): LaunchFailure {
  if (-result === C.ENOENT) {
    return {
      status: STATUS_NOT_FOUND,
      message:
        `Cannot execute ${name}: the interpreter in its first line, or its loader, is missing`,
    };
  }
  const advice = ADVICE.get(-result);
  const why = advice === undefined ? code(result) : `${code(result)}, ${advice}`;
  return { status: STATUS_NOT_EXECUTABLE, message: `Cannot execute ${name}: ${why}` };
}
