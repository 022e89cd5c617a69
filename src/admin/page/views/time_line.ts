/** The generations as lanes of a time line, and their connections below, over the same time. */
import type { GenerationReply } from "../../replies.ts";
import { Curves } from "../curves.ts";
import { byId, KeyedList, make, setAttribute, setText } from "../dom.ts";
import { type Lanes, ticksIn, type View } from "../lanes.ts";
import { clockText } from "../texts.ts";
import { LaneRows } from "./lane_rows.ts";

const SVG = "http://www.w3.org/2000/svg";
const PLOT = { width: 1_000, height: 120 } as const;
const CURVE_KINDS = 6;
/** One tick for this many pixels. */
const TICK_PIXELS = 90;
const LEAST_TICKS = 3;
/** Half of its text. */
const EDGE_PIXELS = 32;
/** As the longest of page.html. */
const LONGEST_VIEW_MS = 3_600_000;

export class TimeLine {
  readonly #curves = new Curves();
  readonly #range = byId("range", HTMLSelectElement);
  readonly #plot = byId("plot", SVGSVGElement);
  readonly #top = byId("plot-top", HTMLElement);
  readonly #rows: LaneRows;
  readonly #paths = new KeyedList<{ epoch: number; path: string }, SVGPathElement>(
    this.#plot,
    ({ epoch }) => String(epoch),
    ({ epoch }) => {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("class", `curve-${epoch % CURVE_KINDS}`);
      return path;
    },
    (path, { path: line }) => setAttribute(path, "d", line),
  );
  readonly #ticks = new KeyedList<{ atMs: number; leftPercent: number }, HTMLElement>(
    byId("ticks", HTMLElement),
    ({ atMs }) => String(atMs),
    ({ atMs }) => make("span", "", clockText(atMs)),
    (tick, { leftPercent }) => tick.style.setProperty("left", `${leftPercent}%`),
  );
  #latest: readonly GenerationReply[] = [];

  constructor(readonly lanes: Lanes, readonly nowMs: () => number) {
    this.#rows = new LaneRows(lanes);
    this.#range.addEventListener("change", () => this.draw());
  }

  update(generations: readonly GenerationReply[]): void {
    const nowMs = this.nowMs();
    this.#latest = generations;
    this.lanes.look(generations, nowMs);
    const alive = generations.filter(({ state }) => state !== "exited");
    const counts = alive.map(({ epoch, connections: { busy, idle, undecided } }) =>
      [epoch, busy + idle + undecided] as const
    );
    this.#curves.add(nowMs, new Map(counts));
    this.#curves.forget(nowMs - LONGEST_VIEW_MS);
    this.draw();
  }

  draw(): void {
    const toMs = this.nowMs();
    const view = { fromMs: toMs - Number(this.#range.value), toMs };
    this.#rows.show(this.#latest, view);
    this.#drawCurves(view);
    this.#drawTicks(view);
  }

  #drawCurves(view: View): void {
    const curves = this.#curves.in(view, PLOT);
    this.#paths.set(curves);
    setText(this.#top, `up to ${this.#curves.top(view)}`);
    const counts = curves.filter(({ latest }) => latest > 0)
      .map(({ epoch, latest }) => `generation ${epoch} has ${latest}`).join(", ");
    const label = `Connections of each generation over time; now ${counts || "there are none"}`;
    setAttribute(this.#plot, "aria-label", label);
  }

  #drawTicks(view: View): void {
    const width = Math.max(1, this.#plot.clientWidth);
    const most = Math.max(LEAST_TICKS, Math.floor(width / TICK_PIXELS));
    const { fromMs, toMs } = view;
    const ticks = ticksIn(view, most).map((atMs) => ({
      atMs,
      leftPercent: 100 * (atMs - fromMs) / (toMs - fromMs),
    }));
    const edge = 100 * EDGE_PIXELS / width;
    this.#ticks.set(
      ticks.filter(({ leftPercent }) => leftPercent > edge && leftPercent < 100 - edge),
    );
  }
}
