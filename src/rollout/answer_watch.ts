/**
 * A generation on trial behind a front, as Envoy sees it: the part of the requests that it really gets, and whether it fails
 * more of them than the serving one (--rollback-on any, 5xx).
 */
import type { RunningContext } from "../generation/context.ts";
import { type AnswersByEpoch, answersSince, errorVerdict } from "../front/answers.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import type { AnswerCounts } from "../front/acknowledgement.ts";
import type { Timer } from "../platform/clock.ts";

const LOOK_MS = 250;

interface Sides {
  readonly candidate: number;
  readonly serving: number;
}

export class AnswerWatch {
  #timer: Timer | null = null;
  /** The generations that are compared; null: nothing is watched. */
  #sides: Sides | null = null;
  #before: AnswersByEpoch | null = null;
  /** The counts when the trial began, whatever shares it has had since. */
  #beforeTrial: AnswersByEpoch | null = null;
  #latest: AnswersByEpoch = new Map();

  constructor(readonly context: RunningContext) {}

  /** Counts from now on, and again from 0 with another share: what went well until then hides nothing. */
  begin(
    candidate: Pick<GenerationHandle, "epoch">,
    serving: Pick<GenerationHandle, "epoch">,
  ): void {
    const sides = { candidate: candidate.epoch, serving: serving.epoch };
    this.#timer?.cancel();
    if (this.#sides?.candidate !== sides.candidate) this.#beforeTrial = null;
    this.#sides = sides;
    this.#before = null;
    this.#look(sides);
  }

  end(): void {
    this.#timer?.cancel();
    this.#sides = null;
  }

  /** The share that it really gets, in percent, and of how many requests; null: of none. */
  get seen(): { readonly percent: number; readonly connections: number } | null {
    if (this.#sides === null || this.#before === null) return null;
    const [candidate, serving] = this.#counts(this.#sides, this.#before);
    const requests = candidate.requests + serving.requests;
    if (requests === 0) return null;
    const percent = Math.round(candidate.requests / requests * 10_000) / 100;
    return { percent, connections: requests };
  }

  #counts({ candidate, serving }: Sides, before: AnswersByEpoch): [AnswerCounts, AnswerCounts] {
    const since = (epoch: number) => answersSince(before.get(epoch), this.#latest.get(epoch));
    return [since(candidate), since(serving)];
  }

  #look(sides: Sides): void {
    const { front, platform: { clock, reactor } } = this.context;
    front?.answers().then((answers) => {
      if (this.#sides !== sides) return;
      this.#before ??= answers;
      this.#beforeTrial ??= answers;
      this.#latest = answers;
      // Where there were few requests, those at an earlier share count, too.
      this.#judge(sides, [this.#before, this.#beforeTrial]);
      this.#timer = clock.after(LOOK_MS, () => this.#look(sides));
    }).catch(reactor.onError);
  }

  #judge(sides: Sides, before: readonly AnswersByEpoch[]): void {
    const { config: { rollbackOn }, dispatch } = this.context;
    if (rollbackOn !== "any" && rollbackOn !== "5xx") return;
    const reason = before.map((each) => errorVerdict(...this.#counts(sides, each)))
      .find((verdict) => verdict !== null) ?? null;
    if (reason !== null) dispatch({ kind: "unhealthy", epoch: sides.candidate, reason });
  }
}
