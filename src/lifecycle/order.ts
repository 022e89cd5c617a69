/** Which of two generations comes first at a reload, and from what a generation is started. Pure. */
import type { Rollout } from "./rollout.ts";

/** `stop-first`: the old generation has exited before the new one starts; clients wait in the listeners' queues. */
export type Order = "start-first" | "stop-first";

/** How one reload deviates from the configuration. */
export type ReloadHow = Partial<Rollout> & { readonly order?: Order };

/**
 * `files`: the command, directory and environment file as they are now. `last good`: as they were when the latest good
 * generation was started (process/good_plan.ts).
 */
export type PlanSource = "files" | "last good";
