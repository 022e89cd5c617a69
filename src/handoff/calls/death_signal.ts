/**
 * With --survive a server outlives baton, even if it asks for a signal at its parent's death, prctl(2)
 * PR_SET_PDEATHSIG, as Envoy does with its hot restart. The call of a process that baton has started is answered with
 * success, and not carried out. What the server's own children ask for concerns the server, and is carried out.
 */
import type { ArchConstants } from "../../platform/libc/arch.ts";
import { C } from "../../platform/libc/constants.ts";
import type { CallRule } from "../../platform/process/call_filter.ts";
import * as proc from "../../platform/process/proc.ts";
import type { TrappedCall } from "../../platform/process/seccomp.ts";
import type { CallReply, ListenerOwner } from "../listener_owner.ts";

export function deathSignalRule({ SYS_prctl }: ArchConstants): CallRule {
  return { call: SYS_prctl, when: [{ argument: 0, values: [C.PR_SET_PDEATHSIG] }] };
}

/** @param trapped a call that the rule reports */
export function answerDeathSignal(
  trapped: TrappedCall,
  { leader }: Pick<ListenerOwner, "leader">,
): CallReply {
  return proc.processOfThread(trapped.tid) === leader ? "done" : "continue";
}
