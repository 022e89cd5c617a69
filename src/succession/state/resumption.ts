/** What a baton resumes from, whichever way it came here. */
import type { Fd } from "../../platform/fd.ts";
import type { NamedDescriptors } from "./named_descriptors.ts";
import type { ResumeState } from "./resume_state.ts";

/** What a baton goes on with. */
export interface Resumption {
  /** How it came here: by an exec of this very process, or from a holder after a crash. */
  readonly kind: "in_place" | "survived";
  readonly state: ResumeState;
  readonly kept: NamedDescriptors;
  /** The signals' real handlers are there: those that were held back come now. */
  listensNow(): void;
}

/** What the new program gets: a state, and descriptors by name. */
export interface ResumePayload {
  readonly state: ResumeState;
  readonly descriptors: ReadonlyMap<string, Fd>;
}
