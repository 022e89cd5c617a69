/** The events in a response of `GET /v1/events`, as they come, and as people read them. Pure. */
import * as v from "valibot";

const EVENT = v.object({
  id: v.number(),
  time: v.string(),
  event: v.string(),
  level: v.string(),
  message: v.string(),
});

export interface ShownEvent extends v.InferOutput<typeof EVENT> {
  /** The event as baton has sent it, with all its fields. */
  readonly json: string;
}

/** Server-sent events, or JSON lines: `data: {...}`, or `{...}`. */
export class EventTexts {
  #rest = "";

  /** @returns the events that are complete now */
  add(text: string): ShownEvent[] {
    const lines = `${this.#rest}${text}`.split("\n");
    this.#rest = lines.pop() ?? "";
    return lines.flatMap((line) => {
      const json = line.replace(/^data: /, "");
      return json.startsWith("{") ? parse(json) : [];
    });
  }
}

/** @returns no event for a line that another version of baton writes otherwise */
function parse(json: string): ShownEvent[] {
  try {
    const parsed = v.safeParse(EVENT, JSON.parse(json));
    return parsed.success ? [{ ...parsed.output, json }] : [];
  } catch {
    return [];
  }
}

/** `2026-11-29T10:00:35.387Z error reload.failed: ...` */
export function eventLine({ time, level, event, message }: ShownEvent): string {
  const mark = level === "error" || level === "warn" ? ` ${level}` : "";
  return `${time}${mark} ${event}: ${message}`;
}
