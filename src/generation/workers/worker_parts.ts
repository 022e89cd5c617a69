/** What a worker is made of, and from. */
import type { LaunchPlan } from "../../launcher/plan.ts";
import type { Fd } from "../../platform/fd.ts";
import type { ServerProcess, ServerRemains } from "../../process/server_process.ts";
import type { Member } from "../../steering/member.ts";
import type { WorkerFacts } from "../../succession/state/resume_state.ts";
import type { Admission } from "../admission.ts";
import type { Inspection } from "../candidate/inspection.ts";
import type { RunningContext } from "../context.ts";
import type { Gate } from "../gate.ts";
import type { GoodbyeSayer } from "../goodbye/farewell.ts";
import type { Stopping } from "../stopping.ts";

/** What the parts of one worker share. */
export interface WorkerParts {
  readonly context: RunningContext;
  readonly epoch: number;
  /** Its number in its generation. */
  readonly number: number;
  /** For people: "generation 3". */
  readonly name: () => string;
  readonly facts: WorkerFacts;
  /** Possible reasons, shown if its generation fails. */
  readonly hints: string[];
  readonly gate: Gate;
  readonly server: ServerProcess;
  readonly goodbye: GoodbyeSayer;
}

/** What a worker has of its generation. */
export interface GenerationParts extends Pick<WorkerParts, "context" | "epoch" | "hints"> {
  readonly inspection: Inspection | null;
  readonly wantsNotification: boolean;
  readonly admission: Pick<Admission, "isPending" | "explainExit">;
  readonly stopping: Pick<Stopping, "policy" | "spareRest" | "cutRest">;
  /** Crashed generation whose members it may take over. */
  readonly replacementOf: number | null;
}

/** What a worker is started with. */
export interface WorkerLaunch {
  readonly plan: LaunchPlan;
  readonly members: readonly Member[];
}

/** What is left of a worker that an earlier baton started. */
export interface WorkerRemains extends ServerRemains {
  readonly notifyPath: string;
  /** The socket behind that path. */
  readonly notify: Fd | null;
}
