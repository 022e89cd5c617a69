/** What watches a service and has no say in it: statistics, events, metrics. */
import type { Step } from "../report/step.ts";

export interface Observer {
  /** At the end of each step. It must not wait; what it throws is logged, and has no other consequence. */
  onStep(step: Step): void;
}
