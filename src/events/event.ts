/** One event: what happened, before and after it has got its place in the order. Pure. */
import * as v from "valibot";
import { type EventField, type EventName, EVENTS } from "./event_table.ts";

/** Characters of the longest field: a reason may hold what a server has printed. */
const LONGEST = 2_000;

type Fields = Readonly<Partial<Record<EventField, unknown>>>;

/** An event without a place in the order. */
export interface Draft {
  readonly event: EventName;
  /** One sentence, for people. */
  readonly message: string;
  readonly fields: Fields;
}

const RECORD = v.looseObject({
  /** Milliseconds since 1970, or one more than the id before: it grows across batons and machines' clocks. */
  id: v.number(),
  time: v.string(),
  event: v.string(),
  level: v.picklist(["debug", "info", "warn", "error"]),
  /** The name of the service. */
  name: v.string(),
  message: v.string(),
});

/** As it is written, one JSON line each. */
export type EventRecord = v.InferOutput<typeof RECORD>;

type FieldsOf<N extends EventName> = Readonly<
  Partial<Record<(typeof EVENTS)[N]["fields"][number], unknown>>
>;

/** Fields without a value are left out. */
export function draft<N extends EventName>(event: N, message: string, fields: FieldsOf<N>): Draft {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null);
  return { event, message, fields: Object.fromEntries(given) };
}

/** @param what completes "generation 3 ..." @param more fields besides `epoch` */
export function ofGeneration<N extends EventName>(
  event: N,
  { epoch }: { readonly epoch: number },
  what: string,
  more?: FieldsOf<N>,
): Draft[] {
  return [draft(event, `generation ${epoch} ${what}`, { epoch, ...more } as FieldsOf<N>)];
}

/** @param last the id before @param wallMs now, in milliseconds since 1970 */
export function recordOf(
  { event, message, fields }: Draft,
  { name, last, wallMs }: { readonly name: string; readonly last: number; readonly wallMs: number },
): EventRecord {
  const { level } = EVENTS[event];
  const record = { time: new Date(wallMs).toISOString(), event, level, name, message, ...fields };
  const short = Object.entries(record).map(([key, value]) => [key, shorten(value)]);
  const id = Math.max(last + 1, Math.floor(wallMs));
  return { id, ...Object.fromEntries(short) } as EventRecord;
}

function shorten(value: unknown): unknown {
  return typeof value === "string" && value.length > LONGEST
    ? `${value.slice(0, LONGEST)}...`
    : value;
}

/** @returns null for a line that is no event */
export function parseRecord(line: string): EventRecord | null {
  try {
    const parsed = v.safeParse(RECORD, JSON.parse(line));
    return parsed.success ? parsed.output : null;
  } catch {
    return null;
  }
}
