/** One row of the time line for each generation: seen as a bar, heard as a sentence. */
import type { GenerationReply } from "../../replies.ts";
import { byId, KeyedList, make, setAttribute, setText } from "../dom.ts";
import { type Lanes, type Segment, STATES, type View } from "../lanes.ts";
import { clockText, course, progress } from "../texts.ts";

const COLORS = 6;
/** A reload storm fills no wall. */
const MOST_ROWS = 40;

interface Row {
  readonly epoch: number;
  /** Undefined: it has ended long ago. */
  readonly now: GenerationReply | undefined;
}

interface RowParts {
  readonly more: HTMLElement;
  readonly spoken: HTMLElement;
  readonly segments: KeyedList<Segment, HTMLElement>;
  readonly connections: HTMLElement;
  readonly share: HTMLElement;
}

export class LaneRows {
  readonly #parts = new WeakMap<HTMLElement, RowParts>();
  readonly #rows: KeyedList<Row, HTMLElement>;
  #view: View = { fromMs: 0, toMs: 1 };

  constructor(readonly lanes: Lanes) {
    this.#rows = new KeyedList<Row, HTMLElement>(
      byId("lanes", HTMLElement),
      ({ epoch }) => String(epoch),
      (row) => this.#make(row),
      (element, row) => this.#update(element, row),
    );
    addLegend(byId("legend", HTMLElement));
  }

  show(latest: readonly GenerationReply[], view: View): void {
    this.#view = view;
    const byEpoch = new Map(latest.map((each) => [each.epoch, each]));
    const epochs = this.lanes.epochs(view, MOST_ROWS);
    this.#rows.set(epochs.map((epoch) => ({ epoch, now: byEpoch.get(epoch) })));
  }

  #make({ epoch }: Row): HTMLElement {
    const row = make("div", "lane");
    row.setAttribute("role", "row");
    const cell = (className: string) => {
      const each = make("span", className);
      each.setAttribute("role", "cell");
      row.append(each);
      return each;
    };
    const more = make("span", "lane-more");
    const key = make("span", `key curve-${epoch % COLORS}`);
    key.setAttribute("aria-hidden", "true");
    cell("lane-name").append(key, make("b", "", `Generation ${epoch}`), more);
    const track = make("span", "track");
    track.setAttribute("aria-hidden", "true");
    const spoken = make("span", "hidden");
    cell("track-cell").append(track, spoken);
    const segments = segmentsIn(track);
    const [connections, share] = [cell("number count"), cell("number share")];
    this.#parts.set(row, { more, spoken, segments, connections, share });
    return row;
  }

  #update(element: HTMLElement, { epoch, now }: Row): void {
    const parts = this.#parts.get(element)!;
    const segments = this.lanes.segments(epoch, this.#view);
    parts.segments.set(segments);
    setText(parts.spoken, course(segments, this.#view.toMs));
    setText(parts.more, now === undefined ? "ended" : progress(now));
    const isAlive = now !== undefined && now.state !== "exited";
    setText(parts.connections, isAlive ? countText(now) : "");
    setText(parts.share, isAlive ? `${Math.round(now.percent * 10) / 10} %` : "");
  }
}

function segmentsIn(track: Element): KeyedList<Segment, HTMLElement> {
  return new KeyedList<Segment, HTMLElement>(
    track,
    ({ state, fromMs }) => `${state} ${fromMs}`,
    ({ state }) => {
      const segment = make("span", "segment", state);
      segment.dataset["state"] = state;
      return segment;
    },
    (segment, { state, fromMs, leftPercent, widthPercent }) => {
      segment.style.setProperty("left", `${leftPercent}%`);
      segment.style.setProperty("width", `${widthPercent}%`);
      setAttribute(segment, "title", `${state} from ${clockText(fromMs)}`);
    },
  );
}

function addLegend(legend: Element): void {
  for (const state of STATES) {
    const swatch = make("span", "swatch");
    swatch.dataset["state"] = state;
    const item = make("li");
    item.append(swatch, state);
    legend.append(item);
  }
}

function countText({ connections: { busy, idle, undecided }, queue }: GenerationReply): string {
  return `${busy + idle + undecided}${queue === 0 ? "" : ` + ${queue} waiting`}`;
}
