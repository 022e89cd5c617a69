/** `baton events`: what happens to a service, one line each; with `--follow` across upgrades of baton, until it ends. */
import { streamControl } from "../../../admin/client.ts";
import { lockHolder } from "../../../admin/name_lock.ts";
import { UserError } from "../../../config/values/errors.ts";
import { sleep } from "../../../platform/clock.ts";
import type { Platform } from "../../../platform/platform.ts";
import type { EventsCommand } from "../../words/parse_events.ts";
import { EXIT_OK, EXIT_SYSTEM } from "../../console/exit_status.ts";
import type { Printer } from "../../console/printer.ts";
import { errorIn } from "../../console/replies.ts";
import { withService } from "../../console/target.ts";
import { eventLine, EventTexts, type ShownEvent } from "./event_text.ts";

const REPLY_TIMEOUT_MS = 5_000;
const HTTP_OK = 200;
const RETRY_MS = 200;
/**
 * How often reading is tried again. In an upgrade the new baton has the control socket before the old one ends its
 * streams: retries are for a baton that comes back after a crash.
 */
const MOST_RETRIES = 50;
/**
 * How often in a row no baton may hold the lock before the service counts as ended: the lock seems to be free for a
 * moment while an upgrade in place starts its program.
 */
const MOST_ABSENCES = 5;
const LAST_EVENT = "service.stopped";

export async function commandEvents(
  platform: Platform,
  command: EventsCommand,
  print: Printer,
): Promise<number> {
  const { clock } = platform;
  const { since, follow } = command;
  const startedAt = clock.wallMs();
  const known = { id: firstId(since, startedAt), event: "" };
  const show = (event: ShownEvent) => {
    known.id = event.id;
    known.event = event.event;
    print.out(command.text ? eventLine(event) : event.json);
    return !print.isClosed;
  };
  const { name, lock } = readStream(platform, command, known.id, show);
  let [retries, absences] = [0, 0];
  while (follow && !print.isClosed && known.event !== LAST_EVENT && absences < MOST_ABSENCES) {
    const beganAt = clock.now();
    try {
      readStream(platform, { ...command, name }, known.id ?? startedAt, show);
      [retries, absences] = [0, 0];
    } catch (error) {
      if (!(error instanceof UserError) || ++retries > MOST_RETRIES) throw error;
      absences = lockHolder(platform, lock) === null ? absences + 1 : 0;
    }
    if (clock.now() - beganAt < RETRY_MS) await sleep(clock, RETRY_MS);
  }
  return EXIT_OK;
}

function firstId(since: EventsCommand["since"], nowMs: number): number | null {
  if (since === null) return null;
  return "id" in since ? since.id : nowMs - since.agoMs;
}

/** Reads until baton ends the stream, or `show` returns false. @returns which service was read */
function readStream(
  platform: Platform,
  command: EventsCommand,
  after: number | null,
  show: (event: ShownEvent) => boolean,
): { readonly name: string; readonly lock: string } {
  const { follow, only } = command;
  const query = new URLSearchParams({ follow: follow ? "1" : "0" });
  if (after !== null) query.set("since", String(Math.max(0, Math.floor(after))));
  if (only.length > 0) query.set("events", only.join(","));
  const request = {
    method: "GET",
    path: `/v1/events?${query}`,
    timeoutMs: follow ? 0 : REPLY_TIMEOUT_MS,
  } as const;
  return withService(platform, command, ({ socket, lock }, name) => {
    const texts = new EventTexts();
    streamControl(platform, socket, request, (text, status) => {
      if (status !== HTTP_OK) {
        throw new UserError(`Cannot read the events: ${errorIn(text)}`, { status: EXIT_SYSTEM });
      }
      return texts.add(text).every(show);
    });
    return { name, lock };
  });
}
