/** What the service has answered to a request to change something, in one sentence. Pure. */
import { formatDuration } from "../../config/values/duration.ts";

export interface Request {
  /** Below /v1/, with its query. */
  readonly path: string;
  /** What it is called when it has failed: "Reload". */
  readonly what: string;
  /** What is said when it is done: "Reloaded". */
  readonly done: string;
}

export interface Outcome {
  readonly kind: "ok" | "failed" | "token" | "read-only";
  readonly text: string;
}

const UNAUTHORIZED = 401;
const FORBIDDEN = 403;

/** @param body parsed JSON, or text, or null */
export function outcomeOf({ what, done }: Request, status: number, body: unknown): Outcome {
  const reason = textIn(body, "reason") ?? textIn(body, "error");
  if (status === UNAUTHORIZED) {
    return { kind: "token", text: reason ?? "This token is not the right one" };
  }
  if (status === FORBIDDEN) {
    return { kind: "read-only", text: reason ?? "Nothing can be changed from here" };
  }
  const because = reason === null ? "" : `: ${reason}`;
  const result = textIn(body, "result");
  if (result === "refused") return { kind: "failed", text: `${what} refused${because}` };
  if (status >= 400) {
    return { kind: "failed", text: `${what} failed${because || `: status ${status}`}` };
  }
  const isOnTrial = (field(body, "trial") ?? null) !== null;
  const next = isOnTrial ? ": it is on trial, promote it or roll it back" : "";
  return { kind: "ok", text: `${done}${detailIn(body)}${next}` };
}

/** @param error why there was no answer */
export function noAnswer({ what }: Request, error: unknown): Outcome {
  const reason = error instanceof Error ? error.message : String(error);
  return {
    kind: "failed",
    text: `${what}: no answer from baton (${reason}). Look at its state before you try again`,
  };
}

function detailIn(body: unknown): string {
  const [epoch, durationMs] = [numberIn(body, "epoch"), numberIn(body, "durationMs")];
  const parts = [
    epoch === null ? "" : ` (generation ${epoch})`,
    durationMs === null ? "" : ` in ${formatDuration(durationMs)}`,
  ];
  return parts.join("");
}

function field(body: unknown, name: string): unknown {
  return typeof body === "object" && body !== null
    ? (body as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

function textIn(body: unknown, name: string): string | null {
  const value = field(body, name);
  return typeof value === "string" && value !== "" ? value : null;
}

function numberIn(body: unknown, name: string): number | null {
  const value = field(body, name);
  return typeof value === "number" ? value : null;
}
