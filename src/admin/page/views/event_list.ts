/** The latest events, the newest first. */
import { byId, KeyedList, make, show } from "../dom.ts";
import type { Happening } from "../happenings.ts";
import { clockText } from "../texts.ts";

export class EventList {
  readonly #none = byId("no-events", HTMLElement);
  readonly #list = new KeyedList<Happening, HTMLElement>(
    byId("events", HTMLElement),
    ({ id }) => String(id),
    ({ time, event, level, message }) => {
      const when = make("time", "", clockText(Date.parse(time)));
      when.dateTime = time;
      when.title = time;
      const row = make("li");
      row.dataset["level"] = level;
      row.append(when, make("code", "", event), make("span", "", message));
      return row;
    },
  );

  show(happenings: readonly Happening[]): void {
    show(this.#none, happenings.length === 0);
    this.#list.set(happenings);
  }
}
