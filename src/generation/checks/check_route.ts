/** The way of a check to one generation, whatever kind of listener is asked. */
import type { CheckRoute } from "../../health/connection_check.ts";
import type { Group } from "../../steering/group.ts";
import { NO_GENERATION } from "../../steering/member.ts";

export interface ProbeRoute extends CheckRoute {
  /** All generations share one socket: only the answer can show which one sent it. */
  readonly mustIdentify: boolean;
  /** Another baton steers (in a takeover, before its switch): no check gets through. */
  readonly isSteeredElsewhere: boolean;
}

/** Another generation may answer at the socket of `epoch`. */
export function mustIdentify({ isShared, members }: Group, epoch: number): boolean {
  return isShared &&
    members.some((member) =>
      !member.dead && member.epoch !== epoch && member.epoch !== NO_GENERATION
    );
}
