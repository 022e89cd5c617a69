/** A front of the service for status and metrics: its endpoint file, and what the Envoys that read it make of that. */

export interface EnvoyView {
  /** Its admin interface: "unix:/run/front/admin.sock" */
  readonly admin: string;
  readonly result: "follows" | "behind" | "rejected" | "absent";
  /** What is missing; null: nothing. */
  readonly detail: string | null;
}

interface EndpointView {
  /** "127.66.3.1:3000" */
  readonly address: string;
  readonly epoch: number;
  readonly worker: number;
  readonly state: "HEALTHY" | "DRAINING";
  readonly weight: number;
}

type FrontState =
  /** This baton has nothing to say in it: nothing has served yet, or another baton steers. */
  | "waiting"
  /** The latest change cannot be written. */
  | "unwritten"
  | "asking"
  | "followed"
  | "not followed"
  /** No Envoy is asked: the rename alone counts. */
  | "unasked";

export interface FrontView {
  readonly file: string;
  readonly cluster: string;
  readonly state: FrontState;
  /** How many Envoys must acknowledge. */
  readonly needed: number;
  /** The Envoys that are asked, as they were at the latest look. */
  readonly envoys: readonly EnvoyView[];
  /** When that was, ISO 8601; null: they were not asked. */
  readonly askedAt: string | null;
  readonly endpoints: readonly EndpointView[];
  /** The latest error, also when all is well again; null: there was none. */
  readonly lastError: { readonly reason: string; readonly at: string } | null;
}
