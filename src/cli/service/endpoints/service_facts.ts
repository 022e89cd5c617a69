/** What the admin API says about this baton, and what does not change while it runs. */
import type { ServiceFacts } from "../../../admin/admin_parts.ts";
import type { Config } from "../../../config/config.ts";
import type { Clock } from "../../../platform/clock.ts";
import { RESUME_VERSION } from "../../../succession/state/resume_state.ts";
import { HANDOVER_VERSION } from "../../../succession/upgrade/protocol.ts";
import { VERSION } from "../../console/version.ts";

export function serviceFacts(
  { drainTimeMs, parentShutdownTimeMs }: Config,
  clock: Clock,
): ServiceFacts {
  return {
    version: VERSION,
    drainTimeMs,
    parentShutdownTimeMs,
    hotRestartVersion: `${HANDOVER_VERSION}.${RESUME_VERSION}`,
    nowMs: () => clock.wallMs(),
  };
}
