/** One step of the lifecycle, with all that its effects have added to the history by now: what observers are shown. */
import type { ServiceState } from "../lifecycle/state.ts";
import type { ServiceEffect, ServiceEvent } from "../lifecycle/vocabulary.ts";
import type { History } from "./history.ts";

export interface Step {
  readonly event: ServiceEvent;
  readonly before: ServiceState;
  readonly after: ServiceState;
  /** The effects of the step, which are carried out already, as far as they do not wait for something. */
  readonly effects: readonly ServiceEffect[];
  readonly history: Pick<
    History,
    | "restarts"
    | "lastReload"
    | "recentlyEnded"
    | "timelines"
    | "incarnation"
    | "startedAt"
    | "waitsMs"
  >;
}
