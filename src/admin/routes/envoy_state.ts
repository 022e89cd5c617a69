/** Envoy's words for the state of a service, whatever its generations do. Pure. */
import type { AdminParts } from "../admin_parts.ts";

type EnvoyState = "PRE_INITIALIZING" | "INITIALIZING" | "LIVE" | "DRAINING";

export function envoyState(
  { supervisor, pod }: Pick<AdminParts, "supervisor" | "pod">,
): EnvoyState {
  if (pod.isDraining) return "DRAINING";
  if (pod.probes().ready) return "LIVE";
  return supervisor.summary().generations.length === 0 ? "PRE_INITIALIZING" : "INITIALIZING";
}
