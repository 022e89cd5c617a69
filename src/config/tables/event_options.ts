/** The options of events (docs/events.md). */
import { list, matching, parsed, refuse, text, withBytes } from "../option_makers.ts";
import { parseEventPatterns } from "../values/event_patterns.ts";

// deno-fmt-ignore: one option per entry, so that it reads as a table
export const EVENTS = {
  events: list("NAMES", "The events that --on-event and --webhook get, with commas between them: " +
    "reload.*,generation.crashed. By default every outcome; * for all. May be given several times.",
    (texts) => texts.flatMap(parseEventPatterns)),
  onEvent: withBytes(parsed("COMMAND", "Run this with sh for each event, one after the other: " +
    "BATON_EVENT has its name, and standard input its JSON. Status 75 asks for another try.",
    matching(/\S/, "a command"))),
  webhook: { ...parsed("URL", "Send each event there as JSON with POST, and again for up to 5 minutes " +
    "where that fails. No reload ever waits for it.", webhookUrl), shown: withoutSecrets },
  webhookSecretFile: text("FILE", "Sign what --webhook sends with the secret in this file, as " +
    "Standard Webhooks says; read at each use."),
};

/** What follows the machine's name may be what gives access, and so may the name of a user. */
function withoutSecrets(url: unknown): unknown {
  const { origin = null, pathname = "", search = "" } = URL.parse(String(url)) ?? {};
  if (origin === null) return url;
  return pathname === "/" && search === "" ? origin : `${origin}/...`;
}

function webhookUrl(url: string): string {
  const parsed = URL.parse(url);
  if (parsed !== null && /^https?:$/.test(parsed.protocol)) return url;
  throw refuse(url, "an address that begins with https:// or http://");
}
