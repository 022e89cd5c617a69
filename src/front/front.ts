/**
 * The front of a service (--front): an Envoy dials the private address of each generation, and the endpoint files say which
 * of them get new requests. They follow from what the listeners are steered to (steering/front/), so that a switch, a trial,
 * a rollback, a crash and a change of the number of workers all come by one way.
 *
 * A reload asks Envoy first (`admit`): it has acknowledged that the candidate is in the place of the serving generation, by one
 * rename, before the switch follows, which changes the files no more. So a front that rejects a file, hangs or is absent fails
 * the reload, and the files are as before. A candidate that is to get a part only, or that Envoy checks itself, is introduced
 * before. Not always, because of `update_merge_window`: Envoy delays what only changes states and weights by up to 1 s.
 */
import type { Generation } from "../lifecycle/generation.ts";
import { errorText } from "../platform/error.ts";
import type { Platform } from "../platform/platform.ts";
import { sysctl } from "../platform/process/proc.ts";
import type { FrontView } from "./front_view.ts";
import type { FrontedAddress } from "../steering/front/endpoints.ts";
import type { Listeners } from "../steering/listeners.ts";
import { addAnswers, type AnswersByEpoch } from "./answers.ts";
import { assign, assignLeaving } from "./assignment.ts";
import { FrontFile, type FrontFileOptions } from "./front_file.ts";

interface FrontSpec extends Omit<FrontFileOptions, "cluster" | "owner" | keyof FrontLog> {
  readonly cluster: string | null;
  readonly port: number | null;
}

interface FrontLog {
  log(text: string): void;
  warn(text: string): void;
  logError(text: string): void;
}

interface FrontOptions extends FrontLog {
  readonly platform: Platform;
  readonly listeners: Listeners;
  readonly service: string;
  readonly specs: readonly FrontSpec[];
}

/** How a candidate is to be promoted. */
interface Admitted {
  readonly epoch: number;
  /** Whether it gets everything at once, in the place of a generation of this baton. */
  readonly leads: boolean;
  /** Whether it gets a part first. */
  readonly isShared: boolean;
}

interface Leaving {
  readonly sinceMs: number;
  /** For each file, whether others have endpoints there, which get what comes. */
  readonly hasOthers: readonly boolean[];
}

/** Where no other server could have answered what Envoy leads here late. */
const ALONE_MS = 1_000;

export class Front {
  readonly files: readonly FrontFile[];
  readonly #ports: readonly (number | null)[];
  /** Epoch of a candidate that Envoy knows, and that may get nothing; null: none. */
  #introduced: number | null = null;
  /** Epoch of the generation that serves by the files, while the listeners do not follow yet; null: none. */
  #planned: number | null = null;
  #isScheduled = false;
  /** Whether another baton has written the files since. */
  #wasElsewhere = false;
  /** Whether a generation has served: before that nothing shows that the files are wrong. */
  #hasServed = false;
  #isClosed = false;
  /** Files, by index, for which nothing listens, and that was logged. */
  readonly #isWarned = new Set<number>();
  /** How the service ends; null: it does not. */
  #leaving: Leaving | null = null;

  constructor(readonly options: FrontOptions) {
    const { platform, service, specs, log, warn, logError, listeners } = options;
    const owner = { service, host: sysctl("kernel/hostname") ?? "unknown" };
    this.#ports = specs.map(({ port }) => port);
    this.files = specs.map(({ cluster, ...spec }) =>
      new FrontFile(platform, { ...spec, cluster: cluster ?? service, owner, log, warn, logError })
    );
    listeners.onFrontChange = () => this.#schedule();
  }

  /**
   * Envoy does not start without the file.
   * @param isFresh no server of an earlier baton of this name lives: what it has left in the files is dead
   */
  begin(isFresh: boolean): void {
    for (const file of this.files) if (isFresh || !file.file.exists) file.set([]);
    this.update();
  }

  /** Schedules one write of the files for all listeners that change now. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.update();
    });
  }

  /** Whether another baton steers, and writes the files. */
  get #isElsewhere(): boolean {
    return this.options.listeners.groups.some(({ hold }) => hold === "order and program");
  }

  update(): void {
    const { listeners } = this.options;
    this.#hasServed ||= listeners.servingEpoch !== null;
    if (this.#isElsewhere) {
      this.#wasElsewhere = true;
      return;
    }
    if (!this.#hasServed || this.#isClosed) return;
    // What the files say now is not known.
    if (this.#wasElsewhere) this.files.forEach((file) => file.endpoints = null);
    this.#wasElsewhere = false;
    if (this.#planned === listeners.servingEpoch) this.#planned = null;
    const addresses = listeners.frontEndpoints(this.#planned);
    for (const [index, file] of this.files.entries()) {
      const endpoints = this.#addressOf(index, addresses)?.endpoints ?? [];
      file.checked = this.#introduced === listeners.servingEpoch ? null : this.#introduced;
      const assigned = assign(endpoints, this.#introduced);
      const hasOthers = this.#leaving?.hasOthers[index];
      file.set(hasOthers === undefined ? assigned : assignLeaving(assigned, hasOthers));
      if (assigned.length === 0 && this.#leaving === null) this.#warnOfNothing(index);
    }
  }

  /** Warns of a file without endpoints: Envoy answers 503 to all, and nothing else would say why. */
  #warnOfNothing(index: number): void {
    const { listeners, warn } = this.options;
    const { file } = this.files[index]!.options;
    const port = this.#ports[index] ?? null;
    if (listeners.servingEpoch === null || this.#isWarned.has(index)) return;
    this.#isWarned.add(index);
    const where = listeners.groups.map(({ text }) => text).join(", ") || "no TCP port";
    const wanted = port === null
      ? "a front stands before the first TCP port that is bound, no Unix socket and no port 0"
      : `at port ${port}, which --front names, it does not (yet)`;
    warn(`${file} has no endpoint: the server listens at ${where}; ${wanted}`);
  }

  /** The address that the front with this index stands before. */
  #addressOf(index: number, addresses: readonly FrontedAddress[]): FrontedAddress | null {
    const port = this.#ports[index] ?? null;
    const isNamed = (each: FrontedAddress) => this.#ports.includes(each.port);
    return addresses.find((each) => port === null ? !isNamed(each) : each.port === port) ?? null;
  }

  /**
   * Makes the Envoys follow before the switch.
   * @param done gets the reason why the candidate may not serve; null: it may
   */
  admit(candidate: Admitted, done: (reason: string | null) => void): { kill(): void } {
    let isCanceled = false;
    // A candidate that is asked about has no time-out of its own: an error of ours must not keep it for good.
    const isOver = this.#admit(candidate, () => isCanceled).catch((error) =>
      `the front cannot be asked: ${errorText(error)}`
    );
    isOver.then((reason) => {
      if (reason !== null || isCanceled) this.#withdraw(candidate.epoch);
      done(isCanceled ? "it was stopped while the front was asked" : reason);
    }).catch(this.options.platform.reactor.onError);
    return { kill: () => void (isCanceled = true) };
  }

  async #admit(
    { epoch, leads, isShared }: Admitted,
    isCanceled: () => boolean,
  ): Promise<string | null> {
    // In a takeover the old baton steers, and asks no Envoy: the files follow the switch.
    if (this.#isElsewhere) return null;
    // The old baton's generation does, in an upgrade.
    this.#hasServed = true;
    const { files } = this;
    const first = async (reasons: Promise<string | null>[]) =>
      (await Promise.all(reasons)).find((reason) => reason !== null) ?? null;
    const settled = () =>
      first(files.map((file) => new Promise((resolve) => file.whenSettled(resolve))));
    const prepared = await Promise.all(files.map((file) => file.prepare()));
    const silent = prepared.find(({ failure }) => failure !== null);
    if (silent !== undefined) return silent.failure;
    const obstacle = isShared
      ? await first(files.map((file) => file.envoys.weightObstacle(file.endpoints ?? [])))
      : null;
    if (obstacle !== null || isCanceled()) return obstacle;
    if (!leads || prepared.some(({ isChecked }) => isChecked)) {
      this.#plan(epoch, this.#planned);
      const failure = await settled();
      if (failure !== null || isCanceled()) return failure;
    }
    if (!leads) return null;
    this.#plan(this.#introduced, epoch);
    return await settled();
  }

  #plan(introduced: number | null, planned: number | null): void {
    this.#introduced = introduced;
    this.#planned = planned;
    this.update();
  }

  /** The candidate will not serve: makes the files as they were before. */
  #withdraw(epoch: number): void {
    this.#plan(
      this.#introduced === epoch ? null : this.#introduced,
      this.#planned === epoch ? null : this.#planned,
    );
  }

  /** Called after each step of the lifecycle. */
  afterStep(generations: readonly Pick<Generation, "epoch" | "outcome">[]): void {
    if (this.#isElsewhere) this.#wasElsewhere = true;
    // A server may listen nowhere behind the front: then nothing else leads here.
    if (!this.#hasServed && this.options.listeners.servingEpoch !== null) this.#schedule();
    const candidates = generations.filter(({ outcome }) => outcome === null);
    for (const epoch of new Set([this.#introduced, this.#planned])) {
      if (epoch !== null && candidates.every((each) => each.epoch !== epoch)) this.#withdraw(epoch);
    }
  }

  /** The service ends: its drain begins, and Envoy is to lead nothing more to it. */
  leave(): void {
    const { files, options: { platform: { clock } } } = this;
    if (this.#leaving !== null || this.#isElsewhere || !this.#hasServed) return;
    this.#leaving = { sinceMs: clock.now(), hasOthers: files.map((file) => file.hasOthers()) };
    this.update();
  }

  /** No Envoy leads anything new to it, as far as is known. @param worker null: to none of its workers */
  hasLeft(epoch: number, worker: number | null = null): boolean {
    const isElsewhere = this.#isElsewhere;
    if (this.#leaving !== null && !isElsewhere) return this.#hasLeftAtEnd(this.#leaving);
    return this.files.every((file) =>
      isElsewhere ? file.hasLeftByOther(epoch, worker) : file.hasLeft(epoch, worker)
    );
  }

  /** An end waits for no Envoy that hangs, and for no file that cannot be written, longer than a reload does. */
  #hasLeftAtEnd({ sinceMs, hasOthers }: Leaving): boolean {
    const forMs = this.options.platform.clock.now() - sinceMs;
    return this.files.every((file, index) =>
      forMs >= (hasOthers[index] ? file.options.timeoutMs : ALONE_MS) || file.hasLeft(null, null)
    );
  }

  /** Requests that Envoy has led to one worker, and that are not over: also one that looks idle, since nothing is said. */
  async activeRequests(epoch: number, worker: number): Promise<number> {
    const counts = await Promise.all(
      this.files.map((file) => file.requests.active(epoch, worker)),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Counts of what the generations have answered until now, by epoch. */
  async answers(): Promise<AnswersByEpoch> {
    return addAnswers(await Promise.all(this.files.map((file) => file.requests.answers())));
  }

  get views(): FrontView[] {
    for (const file of this.files) file.refresh();
    return this.files.map(({ view }) => view);
  }

  /** @param isEnd the service has ended; false: another baton has it now */
  close(isEnd: boolean): void {
    if (isEnd && this.#hasServed && !this.#isClosed) {
      for (const file of this.files) file.end();
    }
    this.#isClosed = true;
    this.options.listeners.onFrontChange = null;
    for (const file of this.files) file.close();
  }
}
