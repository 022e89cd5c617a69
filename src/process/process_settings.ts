/** What the options of a server's process (`--user`, `--rlimit`, ...) mean on this machine, at the time of its start. */
import type { Config } from "../config/config.ts";
import { UserError } from "../config/values/errors.ts";
import type { Account, LaunchPlan } from "../launcher/plan.ts";
import { accountId, groupsOf, type User, userOf } from "../platform/files/accounts.ts";
import { RLIMITS } from "../platform/libc/rlimits.ts";

type Given = Pick<Config, "user" | "group" | "rlimit" | "nice" | "umask">;
type Settings = Pick<LaunchPlan, "limits" | "nice" | "umask" | "account">;

/** Reads passwd(5) and group(5). */
interface Accounts {
  readonly userOf: (name: string) => User | null;
  readonly groupId: (name: string) => number | null;
  readonly groupsOf: (name: string, gid: number) => readonly number[];
}

const OF_THE_MACHINE: Accounts = {
  userOf: (name) => userOf(name),
  groupId: (name) => accountId("group", name),
  groupsOf: (name, gid) => groupsOf(name, gid),
};

/** @throws {UserError} for an account that does not exist */
export function processSettings(
  { rlimit, nice, umask, ...asked }: Given,
  accounts: Accounts = OF_THE_MACHINE,
): Settings {
  const limits = rlimit.map((limit) => ({ ...limit, resource: RLIMITS[limit.name] }));
  return { limits, nice, umask, account: accountOf(asked, accounts)?.account ?? null };
}

/** @returns the variables that name the user, as login(1) sets them */
export function accountEnvironment(
  asked: Pick<Given, "user" | "group">,
  accounts: Accounts = OF_THE_MACHINE,
): Record<string, string> {
  if (asked.user === null) return {};
  const user = accountOf(asked, accounts)?.user ?? null;
  if (user === null) return { HOME: "/" };
  const { name, home, shell } = user;
  return { HOME: home || "/", USER: name, LOGNAME: name, SHELL: shell || "/bin/sh" };
}

function accountOf(
  { user: asked, group }: Pick<Given, "user" | "group">,
  accounts: Accounts,
): { readonly account: Account; readonly user: User | null } | null {
  if (asked === null) {
    if (group === null) return null;
    throw new UserError("Cannot use --group without --user", {
      remedy: "Add --user: root would keep its rights with any group",
    });
  }
  const user = accounts.userOf(asked);
  const uid = user?.uid ?? (/^\d+$/.test(asked) ? accountId("user", asked) : null);
  if (uid === null) throw unknown("--user", asked, "/etc/passwd");
  const gid = group === null ? user?.gid ?? null : accounts.groupId(group);
  if (gid === null) {
    if (group !== null) throw unknown("--group", group, "/etc/group");
    throw new UserError(`Cannot use --user ${asked}: no account has this number, and so no group`, {
      remedy: "Add --group",
    });
  }
  const groups = user === null ? [] : [...accounts.groupsOf(user.name, gid)];
  const text = group === null ? `user ${asked}` : `user ${asked}, group ${group}`;
  return { account: { uid, gid, groups, text }, user };
}

function unknown(option: string, name: string, file: string): UserError {
  return new UserError(`Cannot use ${option} ${name}: there is no such name in ${file}`, {
    remedy:
      "Create it (useradd --system), or give a number; accounts of a directory service need a number",
  });
}
