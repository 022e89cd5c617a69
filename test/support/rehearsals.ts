/** `baton rehearse` as tests call it, and whether this machine allows it. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import type { Attempt, Kept } from "../../src/rehearse/plan.ts";
import type { Verdict } from "../../src/rehearse/verdict.ts";
import { batonCommand, type CommandResult, runCommand, UNDER_TEST } from "./baton.ts";

const NOBODY = 65534;
export const isRoot = process.getuid?.() === 0;

/** What `--json` prints, as far as tests read it. */
export interface RehearsalReport extends Verdict {
  readonly command: string;
  readonly attempts: readonly Attempt[];
  readonly kept: readonly Kept[];
  readonly readOnly: readonly string[];
}

interface Given {
  readonly options?: readonly string[];
  readonly command: readonly string[];
  readonly uid?: number | undefined;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** Put in front of baton. */
  readonly wrapper?: readonly string[];
}

export function rehearsalWords({ options = [], command, wrapper = [] }: Given): string[] {
  return [...wrapper, ...batonCommand(), "rehearse", ...options, "--", ...command];
}

export function rehearseCommand({ uid, env, cwd, ...given }: Given): Promise<CommandResult> {
  return runCommand(rehearsalWords(given), { uid, cwd, ...env === undefined ? {} : { env } });
}

/** @returns the report, with the exit status and what was printed beside it */
export async function rehearsal(given: Given) {
  const options = [...given.options ?? [], "--json"];
  const { code, stdout, stderr } = await rehearseCommand({ ...given, options });
  if (stdout === "") throw new Error(`No report, status ${code}: ${stderr}`);
  return { ...JSON.parse(stdout) as RehearsalReport, code, stdout };
}

/** @param uid as whom @returns why not; false = it is allowed */
export function noRehearsal(uid?: number): string | false {
  if (!/\toverlay$/m.test(readFileSync("/proc/filesystems", "utf8"))) {
    return "the kernel has no overlayfs";
  }
  const asUser = uid !== undefined || !isRoot;
  const user = asUser ? ["--user", "--map-root-user"] : [];
  const words = [...user, "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "true"];
  const { status } = spawnSync("unshare", words, uid === undefined ? {} : { uid, gid: uid });
  return status === 0 ? false : `namespaces are not allowed${asUser ? " to an ordinary user" : ""}`;
}

/** As whom a test can rehearse here. Deno may be in the home of root. */
export const USERS: readonly (readonly [name: string, uid: number | undefined])[] = isRoot &&
    UNDER_TEST !== "deno"
  ? [["root", undefined], ["an ordinary user", NOBODY]]
  : [[isRoot ? "root" : "an ordinary user", undefined]];
