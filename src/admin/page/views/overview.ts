/** The head of the page and its figures: what is so now. */
import type { SummaryReply } from "../../replies.ts";
import { byId, setAttribute, setText, show } from "../dom.ts";
import {
  connectionsText,
  counted,
  headline,
  roughly,
  type Said,
  sumOf,
  type Tone,
} from "../texts.ts";

const ICON_COLORS: Readonly<Record<Tone, string>> = {
  good: "0a6b3b",
  warn: "c77700",
  bad: "b3261e",
  none: "7d8794",
};

export class Overview {
  readonly #name = byId("name", HTMLElement);
  readonly #state = byId("state", HTMLElement);
  readonly #meta = byId("meta", HTMLElement);
  readonly #link = byId("link", HTMLElement);
  readonly #linkText = byId("link-text", HTMLElement);
  readonly #notice = byId("notice", HTMLElement);
  readonly #icon = byId("icon", HTMLLinkElement);

  update(summary: SummaryReply, nowMs: number): void {
    const { name, version, pid, startedAt, incarnation } = summary;
    const said = headline(summary);
    setText(this.#name, name);
    setText(this.#state, said.text);
    setAttribute(this.#state, "data-tone", said.tone);
    const before = incarnation === 0 ? "" : `, ${counted(incarnation, "baton")} before it`;
    const up = roughly(nowMs - Date.parse(startedAt));
    setText(this.#meta, `baton ${version}, pid ${pid}, up ${up}${before}`);
    const title = `${name}: ${said.text}`;
    if (document.title !== title) document.title = title;
    this.#paintIcon(said.tone);
    this.#figures(summary);
    const cannotLook = "Connections are not counted: the kernel's table of sockets cannot be read.";
    show(this.#notice, summary.lookAgeMs === null);
    setText(this.#notice, summary.lookAgeMs === null ? cannotLook : "");
  }

  /** Whether what is shown is what is so. */
  link({ text, tone }: Said): void {
    setText(this.#linkText, text);
    setAttribute(this.#link, "data-tone", tone);
  }

  #paintIcon(tone: Tone): void {
    const svg = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>" +
      `<circle cx='8' cy='8' r='7' fill='#${ICON_COLORS[tone]}'/></svg>`;
    setAttribute(this.#icon, "href", `data:image/svg+xml,${encodeURIComponent(svg)}`);
  }

  #figures({ epoch, generations, workers, restarts, isQueued }: SummaryReply): void {
    const serving = generations.find((each) => each.epoch === epoch);
    const servedBy = serving === undefined
      ? "no generation"
      : `generation, pid ${serving.pid ?? "-"}`;
    figure("serving", epoch === null ? "none" : `${epoch}`, servedBy);
    const connections = sumOf(generations);
    const { busy, idle, undecided } = connections;
    figure("connections", `${busy + idle + undecided}`, connectionsText(connections));
    const queue = generations.reduce((all, each) => all + each.queue, 0);
    figure("queue", `${queue}`, queue === 0 ? "" : "not accepted yet");
    const asked = workers.wanted === workers.configured ? "" : `, ${workers.configured} configured`;
    figure("workers", `${serving?.workers.serving ?? 0}`, `of ${workers.wanted}${asked}`);
    const { ok, failed, crashes } = restarts;
    const ended = crashes === 1 ? "1 crash" : `${crashes} crashes`;
    const waiting = isQueued ? ", one waits" : "";
    figure("reloads", `${ok}`, `${failed} failed, ${ended}${waiting}`);
  }
}

function figure(name: string, value: string, more: string): void {
  setText(byId(`figure-${name}`, HTMLElement), value);
  setText(byId(`figure-${name}-more`, HTMLElement), more);
}
