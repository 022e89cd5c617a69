/** The generation on trial, and the report of the last reload with the last words of one that failed. */
import { formatDuration } from "../../../config/values/duration.ts";
import type { SummaryReply } from "../../replies.ts";
import { byId, KeyedList, make, setAttribute, setText, show } from "../dom.ts";
import {
  type PhaseRow,
  phaseRows,
  reloadFacts,
  reloadText,
  trialText,
} from "../texts_of_reloads.ts";

type Reload = NonNullable<SummaryReply["lastReload"]>;

const TONES = { ok: "good", failed: "bad", refused: "warn" } as const;

export class Reports {
  readonly #trial = byId("trial", HTMLElement);
  readonly #result = byId("reload-result", HTMLElement);
  readonly #reason = byId("reload-reason", HTMLElement);
  readonly #words = byId("words", HTMLElement);
  readonly #phases = new KeyedList<PhaseRow, HTMLElement>(
    byId("phases", HTMLElement),
    ({ key }) => key,
    ({ name }) => {
      const bar = make("span", "phase-bar");
      bar.setAttribute("aria-hidden", "true");
      bar.append(make("i"));
      const row = make("li");
      row.append(make("span", "", name), bar, make("span", "number"));
      return row;
    },
    (row, { durationMs, leftPercent, widthPercent }) => {
      const bar = row.children[1]!.firstElementChild as HTMLElement;
      bar.style.setProperty("left", `${leftPercent}%`);
      bar.style.setProperty("width", `${widthPercent}%`);
      setText(row.children[2]!, durationMs === null ? "still" : formatDuration(durationMs));
    },
  );
  readonly #facts = new KeyedList<string, HTMLElement>(
    byId("facts", HTMLElement),
    (text) => text,
    (text) => make("li", "", text),
  );
  readonly #shares = new KeyedList<{ epoch: number; percent: number }, HTMLElement>(
    byId("shares", HTMLElement),
    ({ epoch }) => String(epoch),
    () => make("span"),
    (share, { epoch, percent }) => {
      share.style.setProperty("width", `${percent}%`);
      setText(share, `generation ${epoch}: ${percent} %`);
    },
  );

  update(summary: SummaryReply): void {
    this.#showTrial(summary);
    const { lastReload, lastWords } = summary;
    if (lastReload !== null) this.#showReload(lastReload, summary.trial);
    const lines = lastWords?.lines ?? [];
    show(this.#words, lines.length > 0);
    setText(byId("words-title", HTMLElement), `Last words of generation ${lastWords?.epoch ?? ""}`);
    setText(byId("words-text", HTMLElement), lines.join("\n"));
  }

  #showTrial({ trial, epoch: serving, generations }: SummaryReply): void {
    show(this.#trial, trial !== null);
    if (trial === null) return;
    const { epoch, percent, seen } = trial;
    const leftMs = generations.find((each) => each.epoch === epoch)?.leftMs ?? null;
    setText(byId("trial-text", HTMLElement), trialText(trial, leftMs));
    this.#shares.set([
      ...serving === null ? [] : [{ epoch: serving, percent: 100 - percent }],
      { epoch, percent },
    ]);
    const seenText = seen === null
      ? "No new connection was seen yet."
      : `Seen: ${seen.percent} % of ${seen.connections} new connections.`;
    setText(byId("trial-seen", HTMLElement), seenText);
  }

  #showReload(reload: Reload, trial: SummaryReply["trial"]): void {
    setText(this.#result, reload.result);
    setAttribute(this.#result, "data-tone", TONES[reload.result]);
    setText(byId("reload-text", HTMLElement), reloadText(reload, trial));
    show(this.#reason, reload.reason !== null);
    setText(this.#reason, reload.reason ?? "");
    this.#phases.set(phaseRows(reload));
    this.#facts.set(reloadFacts(reload));
  }
}
