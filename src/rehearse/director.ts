/**
 * The director: the first process in the PID namespace of a rehearsal. Makes the view of the files, lets the service
 * live once as the user wrote it, and a second time with the change that seems to be needed; and sends what it saw.
 */
import { readFileSync, statfsSync } from "node:fs";
import { jsonBytes } from "../platform/bytes.ts";
import { errorText, SystemCallError } from "../platform/error.ts";
import { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import { HELPER_MESSAGE_LIMIT } from "../platform/process/helper_process.ts";
import { Namespaces } from "../platform/process/namespaces.ts";
import { ChildProcesses } from "./child_processes.ts";
import { keptLife } from "./kept_life.ts";
import { isGood, nextKeptTrial, nextTrial } from "./next_trial.ts";
import {
  type Attempt,
  type Kept,
  parsePlan,
  type RehearsalMessage,
  type RehearsalPlan,
} from "./plan.ts";
import { ServiceLife } from "./service_life.ts";
import { enterView, type View } from "./view.ts";

/**
 * What a server could change on the whole machine, and no namespace holds: the clock, modules, the raw disks, the
 * kernel's log. capabilities(7)
 */
const DROPPED = {
  CAP_LINUX_IMMUTABLE: 9,
  CAP_SYS_MODULE: 16,
  CAP_SYS_RAWIO: 17,
  CAP_SYS_PACCT: 20,
  CAP_SYS_BOOT: 22,
  CAP_SYS_TIME: 25,
  CAP_MKNOD: 27,
  CAP_AUDIT_CONTROL: 30,
  CAP_MAC_OVERRIDE: 32,
  CAP_MAC_ADMIN: 33,
  CAP_SYSLOG: 34,
  CAP_WAKE_ALARM: 35,
  CAP_BLOCK_SUSPEND: 36,
  CAP_PERFMON: 38,
  CAP_BPF: 39,
} as const;
const MOST_ATTEMPTS = 3;
const MOST_KEPT = 2;
const LONGEST_ATTEMPT = HELPER_MESSAGE_LIMIT - 1024;

/** @returns an exit status */
export async function runDirector(platform: Platform, control: number): Promise<number> {
  const { processes, descriptors, libc } = platform;
  processes.signalOnParentDeath(C.SIGKILL);
  const send = (message: RehearsalMessage) =>
    descriptors.send(new Fd(libc, control), jsonBytes(message));
  const plan = parsePlan(readFileSync(`/proc/self/fd/${control + 1}`, "utf8"));
  processes.closeOnExecFrom(control);
  try {
    await direct(platform, plan, send);
    return 0;
  } catch (error) {
    const code = error instanceof SystemCallError ? error.code : "";
    send({ kind: "refused", what: errorText(error), code });
    return 1;
  }
}

async function direct(
  platform: Platform,
  plan: RehearsalPlan,
  send: (message: RehearsalMessage) => void,
): Promise<void> {
  const view = enterView(platform, plan);
  send({ kind: "view", readOnly: [...view.readOnly] });
  if (plan.user === null) new Namespaces(platform.libc).dropCapabilities(Object.values(DROPPED));
  if (plan.fileLimit !== null) platform.processes.setFileLimit(plan.fileLimit);
  await attempts(platform, plan, view, send);
  const { bavail } = statfsSync(`/proc/self/fd/${view.scratch.number}/.`);
  send({ kind: "end", spaceRanOut: bavail === 0 });
}

async function attempts(
  platform: Platform,
  plan: RehearsalPlan,
  view: View,
  send: (message: RehearsalMessage) => void,
): Promise<void> {
  const children = new ChildProcesses(platform);
  const say = (text: string) => send({ kind: "step", text });
  const seen: Attempt[] = [];
  let words: { options: readonly string[]; command: readonly string[] } | null = plan;
  for (let number = 0; words !== null && number < MOST_ATTEMPTS; number++) {
    const { options, command } = words;
    const life = new ServiceLife({ platform, plan, view, children, say, number, options, command });
    const attempt = await life.run();
    send({ kind: "attempt", attempt: fitting(attempt) });
    seen.push(attempt);
    words = nextTrial(seen);
  }
  const best = seen.find(isGood);
  if (best === undefined) return;
  const kept: Kept[] = [];
  for (let number = seen.length; number < seen.length + MOST_KEPT; number++) {
    const options = nextKeptTrial(best, kept);
    if (options === null || best.keeps === null) return;
    say(`reloading under clients that keep their connections${kept.length > 0 ? ", moved" : ""}`);
    const { command } = best;
    const life = { platform, plan, view, children, say, number, options, command };
    const result = await keptLife(life, best.keeps);
    if (result === null) return;
    send({ kind: "kept", kept: result });
    kept.push(result);
  }
}

/** Paths and output may be of any length, a message not. */
function fitting(attempt: Attempt): Attempt {
  if (jsonBytes(attempt).length < LONGEST_ATTEMPT) return attempt;
  const { holds, rewritten } = attempt;
  return { ...attempt, output: [], holds: holds.slice(0, 3), rewritten: rewritten.slice(0, 3) };
}
