/** Which of two generations comes first at a reload, and from what a generation is started. Pure. */

/**
 * `files`: the command, directory and environment file as they are now. `last good`: as they were when the latest good
 * generation was started (process/good_plan.ts).
 */
export type PlanSource = "files" | "last good";
