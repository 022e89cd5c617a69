/** The way of a check to one generation, whatever kind of listener is asked. */
import type { CheckRoute } from "../../health/connection_check.ts";

export interface ProbeRoute extends CheckRoute {
  /** All generations share one socket: only the answer can show which one sent it. */
  readonly mustIdentify: boolean;
  /** Another baton steers, in a takeover before its switch: no check gets through. */
  readonly isSteeredElsewhere: boolean;
}
