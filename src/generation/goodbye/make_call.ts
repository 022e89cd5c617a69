/**
 * One call to one worker of one generation: the connection is led to it as a check is, whatever generation clients get
 * there. Loaded when the first call is made.
 */
import type { DrainCall } from "../../config/values/drain_call_spec.ts";
import type { StatusRange } from "../../config/values/check_values.ts";
import { type SignalName, signalNumber } from "../../config/values/signals.ts";
import { type AdminAnswer, askOnRoute } from "../../envoy/admin_client.ts";
import { errorText } from "../../platform/error.ts";
import { beginExecCheck } from "../checks/exec_command.ts";
import type { CheckTarget } from "../checks/check_request.ts";
import type { RunningContext } from "../context.ts";
import { type CallListeners, routeForCall } from "./call_route.ts";
import type { DrainFiles } from "./drain_files.ts";

type CallContext =
  & Pick<RunningContext, "config" | "platform" | "children" | "leftovers" | "logError">
  & { readonly listeners: CallListeners };

interface CallTarget extends CheckTarget<CallContext> {
  /** Sends a signal to the server. @returns false: it has no process */
  signal(signal: number): boolean;
}

interface CallResult {
  readonly hasWorked: boolean;
  /** "status 200", "refused" */
  readonly text: string;
}

export interface MadeCall {
  /** Never settles after `cancel`. */
  readonly result: Promise<CallResult>;
  cancel(): void;
}

const USUAL: readonly StatusRange[] = [{ from: 200, to: 299 }];
const LONGEST_REASON = 100;

export function makeCall(target: CallTarget, call: DrainCall, isUndo: boolean): MadeCall {
  if (call.kind === "exec") return execute(target, call.command, isUndo);
  if (call.kind === "signal") return signal(target, call.signal);
  if (call.kind === "file") return mark(target.context.leftovers.drainFiles, call.file, isUndo);
  if (call.kind === "none") return over({ hasWorked: true, text: "nothing to call" });
  const { config, platform, listeners } = target.context;
  const route = routeForCall(platform, listeners, target, call.place);
  if ("failure" in route) {
    // Where another baton steers, that one makes this call (succession/predecessor_goodbye.ts).
    const isElsewhere = route.why === "elsewhere";
    const text = isElsewhere ? `${route.failure}, and asks it` : route.failure;
    return over({ hasWorked: isElsewhere, text });
  }
  const request = { method: call.method, path: call.path, timeoutMs: config.drainCallTimeoutMs };
  const { answer, cancel } = askOnRoute(platform, route, request);
  return { result: answer.then((got) => judge(got, config.drainCallStatus ?? USUAL)), cancel };
}

function judge(answer: AdminAnswer, expected: readonly StatusRange[]): CallResult {
  if ("failure" in answer) return { hasWorked: false, text: answer.failure };
  const { status, body } = answer;
  const hasWorked = expected.some(({ from, to }) => status >= from && status <= to);
  const [reason = ""] = body.trim().split("\n");
  const why = hasWorked || reason === "" ? "" : `: ${reason.slice(0, LONGEST_REASON)}`;
  return { hasWorked, text: `status ${status}${why}` };
}

function execute(target: CallTarget, command: string, isUndo: boolean): MadeCall {
  const { promise, resolve } = Promise.withResolvers<CallResult>();
  const check = beginExecCheck(target, {
    command,
    occasion: isUndo ? "drain-undo" : "drain-call",
    timeoutMs: target.context.config.drainCallTimeoutMs,
    onResult: (outcome) =>
      resolve(
        "skippedReason" in outcome
          ? { hasWorked: false, text: outcome.skippedReason }
          : { hasWorked: outcome.passed, text: outcome.text },
      ),
  });
  return { result: promise, cancel: () => check.cancel() };
}

/** A signal as a call: there is no answer, and what it does is the server's business. */
function signal({ signal }: CallTarget, name: SignalName): MadeCall {
  const isThere = signal(signalNumber(name));
  return over({ hasWorked: isThere, text: isThere ? "sent" : "no process of it is left" });
}

/** A file as a call: it is there while the worker says goodbye. */
function mark(files: DrainFiles, path: string, isUndo: boolean): MadeCall {
  try {
    if (isUndo) files.leave(path);
    else files.take(path);
    return over({ hasWorked: true, text: isUndo ? "removed" : "made" });
  } catch (error) {
    return over({ hasWorked: false, text: errorText(error) });
  }
}

function over(result: CallResult): MadeCall {
  return { result: Promise.resolve(result), cancel: () => {} };
}
