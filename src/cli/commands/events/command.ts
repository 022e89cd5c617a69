/** `baton events`: what happens to a service, one line each; with `--follow` across upgrades of baton, until it ends. */
import { streamControl } from "../../../admin/client.ts";
import { lockHolder } from "../../../admin/name_lock.ts";
import { UserError } from "../../../config/values/errors.ts";
import { sleep } from "../../../platform/clock.ts";
import type { Platform } from "../../../platform/platform.ts";
import type { EventsCommand } from "../../words/parse_events.ts";
import { EXIT_OK, EXIT_SYSTEM } from "../../console/exit_status.ts";
import type { Printer } from "../../console/printer.ts";
import { withService } from "../../console/target.ts";
import { eventLine, EventTexts, type ShownEvent } from "./event_text.ts";

const REPLY_TIMEOUT_MS = 5_000;
const HTTP_OK = 200;
/** A new baton has the control socket before the old one ends its streams: this is for one that comes after a crash. */
const RETRY_MS = 200;
const MOST_RETRIES = 50;

export async function commandEvents(
  platform: Platform,
  command: EventsCommand,
  print: Printer,
): Promise<number> {
  const { clock } = platform;
  const { since, follow } = command;
  const startedAt = clock.wallMs();
  const known = { id: firstId(since, startedAt) };
  const show = (event: ShownEvent) => {
    known.id = event.id;
    print.out(command.text ? eventLine(event) : event.json);
    return !print.isClosed;
  };
  let lock = readStream(platform, command, known.id, show);
  for (let retries = 0; follow && !print.isClosed;) {
    if (lockHolder(platform, lock) === null) return EXIT_OK;
    const beganAt = clock.now();
    try {
      lock = readStream(platform, command, known.id ?? startedAt, show);
      retries = 0;
    } catch (error) {
      if (!(error instanceof UserError) || ++retries > MOST_RETRIES) throw error;
    }
    if (clock.now() - beganAt < RETRY_MS) await sleep(clock, RETRY_MS);
  }
  return EXIT_OK;
}

function firstId(since: EventsCommand["since"], nowMs: number): number | null {
  if (since === null) return null;
  return "id" in since ? since.id : nowMs - since.agoMs;
}

/** Until baton ends the stream, or `show` returns false. @returns the path of the service's lock */
function readStream(
  platform: Platform,
  command: EventsCommand,
  after: number | null,
  show: (event: ShownEvent) => boolean,
): string {
  const { follow, only } = command;
  const query = new URLSearchParams({ follow: follow ? "1" : "0" });
  if (after !== null) query.set("since", String(Math.max(0, Math.floor(after))));
  if (only.length > 0) query.set("events", only.join(","));
  const request = {
    method: "GET",
    path: `/v1/events?${query}`,
    timeoutMs: follow ? 0 : REPLY_TIMEOUT_MS,
  } as const;
  return withService(platform, command, ({ socket, lock }) => {
    const texts = new EventTexts();
    streamControl(platform, socket, request, (text, status) => {
      if (status !== HTTP_OK) {
        throw new UserError(`Cannot read the events: the service says ${status}: ${text.trim()}`, {
          status: EXIT_SYSTEM,
        });
      }
      return texts.add(text).every(show);
    });
    return lock;
  });
}
