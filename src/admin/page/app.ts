/**
 * The web page of a service: asks the admin address that it came from, and nothing else. Runs in a browser, as the
 * script of page.html (scripts/page.ts), and gets the browser's clock from `main_page.ts`.
 */
import * as v from "valibot";
import type { Clock, Timer } from "../../platform/clock.ts";
import { SUMMARY_REPLY, type SummaryReply } from "../replies.ts";
import { Actions } from "./actions.ts";
import type { Access } from "./built_page.ts";
import { byId, setText } from "./dom.ts";
import { Feed } from "./feed.ts";
import { type Happening, Latest, parseHappening, stateBegun } from "./happenings.ts";
import { Lanes } from "./lanes.ts";
import { isBusy, news } from "./texts.ts";
import { EventList } from "./views/event_list.ts";
import { Overview } from "./views/overview.ts";
import { Reports } from "./views/reports.ts";
import { TimeLine } from "./views/time_line.ts";

const SUMMARY = "/v1/summary";
/** All kinds. With those that are kept, the time line begins before the page was opened. */
const EVENTS = "/v1/events?events=*&since=";
const ANSWER_LIMIT_MS = 10_000;
/** The bars move on between two answers. */
const DRAW_MS = 1_000;
/** Time within which the events that are kept come, all at once. */
const LIST_MS = 50;

export class App {
  readonly #lanes = new Lanes();
  readonly #latest = new Latest();
  readonly #overview = new Overview();
  readonly #timeLine: TimeLine;
  readonly #reports = new Reports();
  readonly #events = new EventList();
  readonly #actions: Actions;
  readonly #feed: Feed;
  #summary: SummaryReply | null = null;
  /** How far baton's clock is ahead of this one, in milliseconds. */
  #offsetMs = 0;
  #answeredAtMs: number | null = null;
  #listing: Timer | null = null;

  constructor(readonly clock: Clock) {
    this.#timeLine = new TimeLine(this.#lanes, () => this.#nowMs());
    this.#feed = new Feed({
      clock,
      look: () => this.#look(),
      open: (on) => this.#listen(on),
      lost: (error) => this.#showLost(error),
    });
    this.#actions = new Actions({
      access: (document.documentElement.dataset["access"] ?? "token") as Access,
      send: post,
      changed: () => this.#feed.soon(),
    });
  }

  start(): void {
    const follow = () => document.hidden ? this.#feed.sleep() : this.#feed.wake();
    document.addEventListener("visibilitychange", follow);
    follow();
    this.#drawLater();
  }

  #nowMs(): number {
    return this.clock.wallMs() + this.#offsetMs;
  }

  #drawLater(): void {
    this.clock.after(DRAW_MS, () => {
      if (!document.hidden && this.#summary !== null) this.#timeLine.draw();
      this.#drawLater();
    });
  }

  async #look(): Promise<boolean> {
    const limit = AbortSignal.timeout(ANSWER_LIMIT_MS);
    const response = await fetch(SUMMARY, { cache: "no-store", signal: limit });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const summary = v.parse(SUMMARY_REPLY, await response.json());
    if (this.#summary !== null && isOther(this.#summary, summary)) location.reload();
    this.#show(summary);
    return isBusy(summary);
  }

  #show(summary: SummaryReply): void {
    this.#answeredAtMs = this.clock.now();
    this.#offsetMs = Date.parse(summary.at) - this.clock.wallMs();
    const said = news(this.#summary, summary);
    this.#summary = summary;
    this.#overview.update(summary, this.#nowMs());
    this.#overview.link({ text: "live", tone: "good" });
    this.#timeLine.update(summary.generations);
    this.#reports.update(summary);
    this.#actions.update(summary);
    if (said.length > 0) setText(byId("spoken", HTMLElement), `${said.join(". ")}.`);
  }

  #showLost(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    const sinceMs = this.#answeredAtMs === null ? null : this.clock.now() - this.#answeredAtMs;
    const age = sinceMs === null
      ? ""
      : `, shown is what was so ${Math.round(sinceMs / 1000)} s ago`;
    this.#overview.link({ text: `no answer (${reason})${age}`, tone: "bad" });
  }

  #listen(on: { event(): void; refused(): void }): EventSource {
    const stream = new EventSource(`${EVENTS}${this.#latest.all[0]?.id ?? 0}`);
    stream.onmessage = ({ data }) => {
      const happening = parseHappening(String(data));
      if (happening === null) return;
      this.#note(happening);
      on.event();
    };
    stream.onerror = () => {
      if (stream.readyState === EventSource.CLOSED) on.refused();
    };
    return stream;
  }

  #note(happening: Happening): void {
    if (!this.#latest.add(happening)) return;
    this.#listing ??= this.clock.after(LIST_MS, () => {
      this.#listing = null;
      this.#events.show(this.#latest.all);
    });
    const begun = stateBegun(happening);
    if (begun !== null) this.#lanes.note(begun.epoch, begun.state, begun.atMs);
  }
}

/** Another version of baton has a page of its own; another run of the service counts its generations from 0 again. */
function isOther(before: SummaryReply, now: SummaryReply): boolean {
  return before.version !== now.version || before.startedAt !== now.startedAt;
}

async function post(
  path: string,
  token: string | null,
): Promise<{ status: number; body: unknown }> {
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(path, { method: "POST", headers, cache: "no-store" });
  const text = await response.text();
  try {
    return { status: response.status, body: JSON.parse(text) };
  } catch {
    return { status: response.status, body: { error: text } };
  }
}
