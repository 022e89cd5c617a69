/** The shape of the answer to a reload. */
import type { ReloadStory, RequestReport, TrialView } from "./snapshot.ts";

/** The answer to `baton reload`. */
export interface ReloadReport extends ReloadStory, RequestReport<"ok" | "failed" | "refused"> {
  readonly epoch: number | null;
  /** Last lines of the new generation's output, when it failed. */
  readonly output: readonly string[];
  /** Whether it wrote to baton's own output directly, from its listen or from the start: that is not in `output`. */
  readonly outputIsDirect: boolean;
  /** What came to baton's own output since then, where that is a file: lines of others may be among them. */
  readonly outputSince: readonly string[];
  /** The trial of the new generation, which an operator must promote or roll back; null: it serves, or has failed. */
  readonly trial: TrialView | null;
  /** The generation that serves after the reload; null: none, the server is started again. */
  readonly serving: number | null;
  /** What has changed in the configuration and counts only from the next start or upgrade of baton on. */
  readonly postponed: readonly string[];
}
