/**
 * One endpoint file and what the Envoys that read it make of it. It always says what was last asked for: a write that fails
 * is tried again, until it succeeds or something else is asked for. After each write the Envoys are asked whether they do
 * what it says; without an admin address the rename alone counts.
 */
import type { Timer } from "../platform/clock.ts";
import { sleep } from "../platform/clock.ts";
import type { Platform } from "../platform/platform.ts";
import { FrontSight } from "./front_sight.ts";
import type { FrontView } from "./front_view.ts";
import { addressKey, type AssignedEndpoint, hasSameAddresses } from "./assignment.ts";
import { EndpointFile } from "./endpoint_file.ts";
import { Envoys, type EnvoysOptions, type Preparation, type Verdict } from "./envoys.ts";
import type { Owner } from "./document.ts";
import { RequestCounts } from "./request_counts.ts";

/** Between two tries to get the lock, and how long it is waited for. */
const LOCK_PAUSE_MS = 2;
const LOCK_MS = 1_000;
/** Tries of the last write, which waits for nothing: some 100 ms. */
const LAST_TRIES = 10_000;
const WRITE_AGAIN_MS = 500;
/** Between two questions to Envoy: it reads a file within 5 to 14 ms. */
const FIRST_PAUSE_MS = 4;
const LONGEST_PAUSE_MS = 250;
/** After its main thread has acknowledged a file: its other threads follow as soon as they run, */
const THREADS_MS = 100;
/** or, where no endpoint has come or gone, when its `update_merge_window` is over, which is 1 s if it is not set. */
const MERGED_MS = 1_100;
/** Where none acknowledges it: a busy machine included. */
const UNSEEN_MS = 1_000;

export interface FrontFileOptions extends EnvoysOptions {
  readonly owner: Owner;
  readonly log: (text: string) => void;
  readonly warn: (text: string) => void;
  readonly logError: (text: string) => void;
}

interface Asking {
  readonly kind: "asking";
  readonly asks: "enough" | "all";
}

/** What is known of the present content. */
type Progress =
  | { readonly kind: "unwritten"; readonly reason: string | null }
  | Asking
  /** In time, or not at all (`reason`). */
  | { readonly kind: "settled"; readonly atMs: number; readonly verdict: Verdict };

export class FrontFile {
  readonly file: EndpointFile;
  readonly envoys: Envoys;
  readonly requests: RequestCounts;
  /** The endpoints in the file; null: what it says is not known. */
  endpoints: readonly AssignedEndpoint[] | null = null;
  /** The generation whose endpoints must pass Envoy's own health checks, before the file counts as followed. */
  checked: number | null = null;
  #progress: Progress = { kind: "unwritten", reason: null };
  #retry: Timer | null = null;
  #trouble: string | null = null;
  #waiters: ((failure: string | null) => void)[] = [];
  #hasWarned = false;
  /** The latest warning: the same one is logged once. */
  #warned: string | null = null;
  /** By epoch and worker, since when another baton's file leads nothing there: of those that were asked about. */
  readonly #leftSinceMs = new Map<string, number>();
  /** Whether the latest change was of states and weights only. */
  #isMerged = false;
  #isClosed = false;
  readonly #sight: FrontSight;

  constructor(readonly platform: Platform, readonly options: FrontFileOptions) {
    const { file: path, cluster, owner, warn } = options;
    this.file = new EndpointFile(platform, { path, cluster, owner, warn });
    this.envoys = new Envoys(platform, options);
    this.requests = new RequestCounts(this.envoys, this);
    this.#sight = new FrontSight(platform.clock);
  }

  /** Whether endpoints of others get something. */
  hasOthers(): boolean {
    const keys = new Set((this.endpoints ?? []).map(({ address }) => addressKey(address)));
    return [...this.file.led() ?? []].some((key) => !keys.has(key));
  }

  /** Sets what the file is to say from now on. */
  set(endpoints: readonly AssignedEndpoint[]): void {
    if (JSON.stringify(endpoints) === JSON.stringify(this.endpoints)) return;
    this.#isMerged = hasSameAddresses(endpoints, this.endpoints ?? []);
    this.endpoints = endpoints;
    this.#progress = { kind: "unwritten", reason: null };
    this.#write(this.platform.clock.now());
  }

  #write(sinceMs: number): void {
    const { clock } = this.platform;
    this.#retry?.cancel();
    const result = this.file.write(this.endpoints ?? [], clock.now() - sinceMs < LOCK_MS);
    if (result.kind === "locked") {
      this.#retry = clock.after(LOCK_PAUSE_MS, () => this.#write(sinceMs));
    } else if (result.kind === "failed") {
      const { reason } = result;
      const cure = reason.endsWith("ENOENT") ? ": make its directory" : "";
      if (reason !== this.#trouble) this.options.logError(`${reason}${cure}; it is tried again`);
      this.#trouble = reason;
      this.#sight.noteError(reason);
      this.#progress = { kind: "unwritten", reason };
      this.#retry = clock.after(WRITE_AGAIN_MS, () => this.#write(clock.now()));
      this.#tellWaiters(reason);
    } else {
      if (this.#trouble !== null) {
        this.options.log(`${this.options.file} says what it should again`);
      }
      this.#trouble = null;
      this.#ask();
    }
  }

  /** Calls `then` once, when the Envoys do what it says, or that has failed. */
  whenSettled(then: (failure: string | null) => void): void {
    // Null endpoints: another baton has the file.
    if (this.endpoints === null) return then(null);
    this.#waiters.push(then);
    const progress = this.#progress;
    if (progress.kind === "settled") this.#ask();
    else if (progress.kind === "asking" && progress.asks === "all") this.#ask();
    else if (progress.kind === "unwritten" && this.#trouble !== null) {
      this.#tellWaiters(this.#trouble);
    }
  }

  /**
   * Whether no Envoy leads anything new to the endpoints of `epoch`, also none that `acks` does not need. If they have not all
   * said so in time, they are asked again at each call.
   * @param epoch null: of the service
   */
  hasLeft(epoch: number | null, worker: number | null): boolean {
    const isLed = (this.endpoints ?? []).some((each) =>
      each.isHealthy && (epoch ?? each.epoch) === each.epoch &&
      (worker ?? each.worker) === each.worker
    );
    if (isLed || this.#progress.kind !== "settled") return false;
    const { atMs, verdict } = this.#progress;
    const { clock } = this.platform;
    const forMs = clock.now() - atMs;
    if (verdict.kind === "acknowledged" && verdict.isByAll) {
      return forMs >= (this.#isMerged ? MERGED_MS : THREADS_MS);
    }
    // No Envoy runs that could lead anything there.
    if (verdict.kind === "none" || verdict.kind === "absent") return forMs >= UNSEEN_MS;
    if (forMs >= UNSEEN_MS) this.#ask("all");
    return false;
  }

  /** As `hasLeft()`, where another baton writes the file, and has heard Envoy's answers. */
  hasLeftByOther(epoch: number, worker: number | null): boolean {
    const own = (this.endpoints ?? []).filter((each) =>
      each.epoch === epoch && (worker ?? each.worker) === each.worker
    );
    const led = this.file.led();
    const isLed = led === null || own.some(({ address }) => led.has(addressKey(address)));
    const key = `${epoch} ${worker}`;
    if (isLed) {
      this.#leftSinceMs.delete(key);
      return false;
    }
    const nowMs = this.platform.clock.now();
    const sinceMs = this.#leftSinceMs.get(key) ?? nowMs;
    this.#leftSinceMs.set(key, sinceMs);
    return nowMs - sinceMs >= MERGED_MS;
  }

  #ask(asks: "enough" | "all" = "enough"): void {
    const asking: Asking = { kind: "asking", asks };
    this.#progress = asking;
    this.#askUntilSettled(asking).catch(this.platform.reactor.onError);
  }

  async #askUntilSettled(asking: Asking): Promise<void> {
    const { platform: { clock }, options: { timeoutMs } } = this;
    const endMs = clock.now() + timeoutMs;
    for (let pauseMs = FIRST_PAUSE_MS;; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      const verdict = await this.#look(asking.asks);
      if (this.#progress !== asking) return;
      const isFinal = verdict.kind !== "waiting" && verdict.kind !== "absent";
      if (isFinal || clock.now() >= endMs) return await this.#settle(asking, verdict);
      await sleep(clock, pauseMs);
      if (this.#progress !== asking) return;
    }
  }

  async #look(asks: "enough" | "all"): Promise<Verdict> {
    const { endpoints, checked } = this;
    const { verdict, views } = await this.envoys.look(endpoints ?? [], { checked, asks });
    if (endpoints === this.endpoints) this.#sight.see(views);
    return verdict;
  }

  async #settle(asking: Asking, verdict: Verdict): Promise<void> {
    const isDone = verdict.kind === "acknowledged" || verdict.kind === "none";
    const age = isDone ? "" : await this.envoys.ageText();
    if (this.#progress !== asking) return;
    this.#progress = { kind: "settled", atMs: this.platform.clock.now(), verdict };
    const { file, timeoutMs } = this.options;
    if (isDone) return this.#tellWaiters(null);
    const late = verdict.kind === "rejected" ? "" : ` (after ${timeoutMs / 1_000} s)`;
    const failure = `the front does not follow ${file}: ${verdict.text}${late}${age}`;
    this.#sight.noteError(failure);
    if (this.#waiters.length === 0 && failure !== this.#warned) {
      this.#warned = failure;
      this.options.warn(failure);
    }
    this.#tellWaiters(failure);
  }

  /** To be called before a write whose rejection is to be noticed. */
  async prepare(): Promise<Preparation> {
    if (this.envoys.admins.length === 0) this.#warnOnce();
    const { platform: { clock }, options: { timeoutMs } } = this;
    const endMs = clock.now() + timeoutMs;
    let prepared = await this.envoys.prepare(this.endpoints ?? []);
    // An Envoy that was killed may be started again.
    while (prepared.failure !== null && clock.now() < endMs && !this.#isClosed) {
      await sleep(clock, LONGEST_PAUSE_MS);
      prepared = await this.envoys.prepare(this.endpoints ?? []);
    }
    if (prepared.failure !== null) {
      this.#sight.miss(prepared.silent);
      this.#sight.noteError(prepared.failure);
    }
    return prepared;
  }

  /** The next view is a new look at the Envoys. */
  refresh(): void {
    if (this.#progress.kind !== "settled") return;
    this.#sight.refresh(() => this.#look("all")).catch(this.platform.reactor.onError);
  }

  get view(): FrontView {
    const { options: { file, cluster }, envoys: { needed }, endpoints } = this;
    const said = endpoints ?? [];
    const state = endpoints === null ? "waiting" : this.#stateOf(this.#progress);
    return { file, cluster, state, needed, endpoints: said.map(viewOf), ...this.#sight.view };
  }

  #stateOf(progress: Progress): FrontView["state"] {
    if (progress.kind !== "settled") return progress.kind;
    if (progress.verdict.kind === "none") return "unasked";
    return this.#sight.isFollowed(this.envoys.needed) ? "followed" : "not followed";
  }

  #warnOnce(): void {
    const { file, acks } = this.options;
    if (this.#hasWarned || acks === 0) return;
    this.#hasWarned = true;
    this.options.warn(
      `no Envoy says whether it follows ${file}: name its admin address, for example ` +
        "--front eds:FILE,admin=unix:/PATH; until then the rename alone counts",
    );
  }

  #tellWaiters(failure: string | null): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const then of waiters) then(failure);
  }

  /** The service has ended: there is no later write. */
  end(): void {
    const { owner: { service }, logError } = this.options;
    let result = this.file.write([]);
    for (let tries = 1; result.kind === "locked"; tries++) {
      result = this.file.write([], tries < LAST_TRIES);
    }
    if (result.kind !== "failed") return;
    logError(
      `${result.reason}; it names servers that have ended, until ${service} is started again`,
    );
  }

  close(): void {
    this.#isClosed = true;
    this.#progress = { kind: "unwritten", reason: null };
    this.#retry?.cancel();
    this.#waiters = [];
  }
}

function viewOf(
  { address, epoch, worker, isHealthy, weight }: AssignedEndpoint,
): FrontView["endpoints"][number] {
  const state = isHealthy ? "HEALTHY" : "DRAINING";
  return { address: addressKey(address), epoch, worker, state, weight };
}
