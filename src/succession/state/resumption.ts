/** The two ways of resuming a service: after an exec of this very process, and from an fd store after a crash. */
import type { Fd } from "../../platform/fd.ts";
import type { NamedDescriptors } from "./named_descriptors.ts";
import type { ResumeState } from "./resume_state.ts";

/** What a baton continues from. */
export interface Resumption {
  readonly kind: "in_place" | "survived";
  readonly state: ResumeState;
  readonly kept: NamedDescriptors;
  /** The signal handlers are installed: signals that were blocked during the exec may arrive. */
  releaseSignals(): void;
}

/** What the next program gets: a state, and descriptors by name. */
export interface ResumePayload {
  readonly state: ResumeState;
  readonly descriptors: ReadonlyMap<string, Fd>;
}
