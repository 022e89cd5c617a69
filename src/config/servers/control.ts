/** How the control address of a server is found: what a finder may look at, and what it says (generation/goodbye/). Pure. */
import type { CallPlace } from "../values/drain_call_spec.ts";
import type { Look } from "./server_files.ts";

/**
 * What a finder may look at: one process of the server. Paths are as the server sees them: relative to its directory,
 * below its root.
 */
export interface ControlLook extends Look {
  /** Whether the worker listens there. */
  listensAt(place: CallPlace): boolean;
}

export type FoundControl =
  | { readonly place: CallPlace }
  /** The address cannot be found yet; why, in a sentence without its full stop. */
  | { readonly later: string }
  /** The address cannot be found: what follows from that, and the remedy. Logged once. */
  | { readonly notice: string };

/** @param words after the program */
export type FindControl = (
  words: readonly string[],
  look: ControlLook,
) => FoundControl | Promise<FoundControl>;
