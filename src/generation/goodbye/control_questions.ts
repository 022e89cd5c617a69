/**
 * Asks a program by its own control address whether it may serve (Envoy's `/ready`), and how many streams it has open that look
 * like idle connections from outside (Envoy's WebSockets). Loaded where such a server runs.
 */
import type { CallPlace } from "../../config/values/drain_call_spec.ts";
import { askOnRoute } from "../../envoy/admin_client.ts";
import type { RunningCheck } from "../../health/check_loop.ts";
import { type CheckOutcome, failure, success } from "../../health/monitor.ts";
import type { CheckTarget } from "../checks/check_request.ts";
import type { RunningContext } from "../context.ts";
import { type CallListeners, routeForCall } from "./call_route.ts";

type Target = CheckTarget<
  Pick<RunningContext, "config" | "platform"> & { readonly listeners: CallListeners }
>;

interface ReadyRequest {
  readonly place: CallPlace;
  readonly path: string;
  readonly onResult: (outcome: CheckOutcome) => void;
}

const OK = 200;

export function beginReadyCheck(
  target: Target,
  { place, path, onResult }: ReadyRequest,
): RunningCheck {
  const { context: { platform, listeners, config } } = target;
  const route = routeForCall(platform, listeners, target, place);
  if ("failure" in route) {
    // Where it cannot be asked at all, what else is in the gate decides.
    const isPossible = route.why === "not there";
    onResult(isPossible ? failure(route.failure) : success(`not asked: ${route.failure}`));
    return { cancel: () => {} };
  }
  const request = { method: "GET", path, timeoutMs: config.checkTimeoutMs };
  const { answer, cancel } = askOnRoute(platform, route, request);
  answer.then((got) => {
    if ("failure" in got) return onResult(failure(got.failure));
    const text = `status ${got.status}: ${got.body.trim()}`;
    onResult(got.status === OK ? success(text) : failure(text));
  });
  return { cancel };
}

/** @param path of gauges, as "name: 3" lines @returns their sum; 0 where it cannot be asked */
export async function openStreams(
  target: Target,
  { place, path }: { readonly place: CallPlace; readonly path: string },
): Promise<number> {
  const { context: { platform, listeners, config } } = target;
  const route = routeForCall(platform, listeners, target, place);
  if ("failure" in route) return 0;
  const request = { method: "GET", path, timeoutMs: config.drainCallTimeoutMs };
  const answer = await askOnRoute(platform, route, request).answer;
  return "failure" in answer || answer.status !== OK ? 0 : sumOf(answer.body);
}

function sumOf(gauges: string): number {
  const values = [...gauges.matchAll(/: (\d+)$/gm)].map(([, digits]) => Number(digits));
  return values.reduce((sum, value) => sum + value, 0);
}
