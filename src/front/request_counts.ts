/** What Envoy counts of the requests to the endpoints of one file. Envoys that do not say so are left out. */
import { activeRequests, answersOf, type EnvoyClusters } from "./acknowledgement.ts";
import { addAnswers, type AnswersByEpoch, answersByEpoch } from "./answers.ts";
import { addressKey, type AssignedEndpoint } from "./assignment.ts";
import type { Envoys } from "./envoys.ts";

export class RequestCounts {
  /** The question that is being asked, so that all workers are asked about at once; null: none is. */
  #shown: Promise<readonly EnvoyClusters[]> | null = null;

  constructor(
    readonly envoys: Pick<Envoys, "clusters" | "activeRequests">,
    readonly file: { readonly endpoints: readonly AssignedEndpoint[] | null },
  ) {}

  /** Counts of what the generations have answered until now, by epoch. */
  async answers(): Promise<AnswersByEpoch> {
    const endpoints = this.file.endpoints ?? [];
    const shown = await this.envoys.clusters(endpoints);
    return addAnswers(shown.map((readers) => answersByEpoch(endpoints, answersOf(readers))));
  }

  /** How many requests of one worker have not finished. */
  async active(epoch: number, worker: number): Promise<number> {
    const endpoints = this.file.endpoints ?? [];
    // At the end of a service its endpoints are gone, and what Envoy has led there before is not.
    if (endpoints.length === 0) return this.envoys.activeRequests();
    const own = endpoints.filter((each) => each.epoch === epoch && each.worker === worker);
    if (own.length === 0) return 0;
    const keys = new Set(own.map(({ address }) => addressKey(address)));
    this.#shown ??= this.envoys.clusters(endpoints).finally(() => this.#shown = null);
    const shown = await this.#shown;
    return shown.reduce((sum, readers) => sum + activeRequests(readers, keys), 0);
  }
}
