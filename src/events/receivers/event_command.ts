/** `--on-event`: the user's command gets one event in its environment, and its JSON on standard input. */
import { Command, type CommandEnd, describeFailure } from "../../hooks/command.ts";
import { CandidateOutput } from "../../output/candidate_output.ts";
import type { Platform } from "../../platform/platform.ts";
import type { Children } from "../../process/children.ts";
import { commandPlan, type PlanContext } from "../../process/launch_plan.ts";
import type { EventRecord } from "../event.ts";
import type { Receiver } from "./delivery.ts";
import type { Outcome } from "./next_try.ts";

/** "Temporary failure" of sysexits.h: the command is to be run again. */
const EX_TEMPFAIL = 75;

interface EventCommandOptions {
  readonly platform: Platform;
  readonly plan: PlanContext;
  readonly children: Pick<Children, "addHelper">;
  readonly command: string;
}

export class EventCommand implements Receiver {
  readonly name = "on-event";

  constructor(readonly options: EventCommandOptions) {}

  attempt(record: EventRecord): { outcome: Promise<Outcome>; cancel: () => void } {
    const { platform, plan, children, command } = this.options;
    const { hookTimeoutMs: timeoutMs } = plan.config;
    const output = new CandidateOutput(platform);
    const { promise: end, resolve: onEnd } = Promise.withResolvers<CommandEnd>();
    const running = new Command(platform, {
      plan: () => {
        const made = commandPlan(plan, this.name, command, circumstancesOf(record, plan));
        return { ...made, env: { ...made.env, ...variablesOf(record) } };
      },
      input: `${JSON.stringify(record)}\n`,
      timeoutMs,
      output,
      follow: (pid, onExit) => children.addHelper(pid, onExit),
      onEnd,
    });
    const outcome = end.then((how): Outcome => {
      if (how.kind === "exited" && how.status.kind === "exited" && how.status.code === 0) {
        return { kind: "done" };
      }
      const last = output.tail.lines(1)[0];
      const why = describeFailure("the command", command, how, timeoutMs);
      const kind = isPassing(how) ? "retry" : "refused";
      return { kind, why: last === undefined ? why : `${why}: ${last}` };
    });
    return { outcome, cancel: () => running.kill() };
  }
}

function isPassing(end: CommandEnd): boolean {
  return end.kind === "exited" && end.status.kind === "exited" && end.status.code === EX_TEMPFAIL;
}

function circumstancesOf(record: EventRecord, { config }: PlanContext) {
  const { epoch, workers, reason } = record;
  return {
    name: record.name,
    current: typeof epoch === "number" ? { epoch, pid: null } : null,
    old: null,
    reason: typeof reason === "string" ? reason : record.message,
    workers: typeof workers === "number" ? workers : config.workers,
  };
}

function variablesOf(record: EventRecord): Record<string, string> {
  return {
    BATON_EVENT: record.event,
    BATON_EVENT_ID: String(record.id),
    BATON_EVENT_LEVEL: record.level,
    BATON_EVENT_MESSAGE: record.message,
  };
}
