/** `baton events`: words -> command. Pure. */
import { parseDuration } from "../../config/values/duration.ts";
import { UserError, withPlace } from "../../config/values/errors.ts";
import { parseEventPatterns } from "../../config/values/event_patterns.ts";
import { type Target, targetOf, type Words } from "./words.ts";

export interface EventsCommand extends Target {
  readonly verb: "events";
  readonly follow: boolean;
  /** One line for people for each event, instead of JSON. */
  readonly text: boolean;
  /** Null: everything that is kept; with `follow`, only what happens from now on. */
  readonly since: Since | null;
  /** Names, or beginnings with "*"; empty: outcomes. */
  readonly only: readonly string[];
}

/** Where to begin. The id of an event is a time, too. */
type Since = { readonly id: number } | { readonly agoMs: number };

export function parseEvents(words: Words): EventsCommand {
  const { flags } = words;
  const since = flags.get("since")?.[0];
  const only = flags.get("only")?.[0];
  return {
    verb: "events",
    ...targetOf(words),
    follow: flags.has("follow"),
    text: flags.has("text"),
    since: since === undefined ? null : parseSince(since),
    only: flags.has("all")
      ? ["*"]
      : only === undefined
      ? []
      : withPlace("In --only", () => parseEventPatterns(only)),
  };
}

/** `10m`, `2026-11-29T10:00:00Z`, or the id of an event. */
function parseSince(text: string): Since {
  if (/^\d{10,15}$/.test(text)) return { id: Number(text) };
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : NaN;
  if (!Number.isNaN(at)) return { id: at - 1 };
  try {
    return { agoMs: parseDuration(text) };
  } catch {
    throw new UserError(`Cannot use --since "${text}": it is no time`, {
      remedy: "Write 10m, or 2026-11-29T10:00:00Z, or the id of an event",
    });
  }
}
