/**
 * What generations were started with, kept so that another one can be started in the same way whatever has become of
 * the files: the last good plan. Which one is good is the lifecycle's decision.
 */
import type { PlanSource } from "../lifecycle/order.ts";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import {
  keepBasis,
  KEPT_PARTS,
  type KeptPart,
  type KeptPlan,
  readKept,
  restore,
} from "./kept_plan.ts";
import { basisFromFiles, type PlanBasis, type PlanContext } from "./launch_plan.ts";

/** A kept plan in the state that outlives a baton; its descriptors travel beside it. */
interface KeptPlanRecord {
  readonly epoch: number;
  readonly isGood: boolean;
}

export class GoodPlans {
  readonly #plans = new Map<number, KeptPlan & { isAlive: boolean }>();
  /** Plans that are kept once the server is on its way, which does not wait for that. */
  readonly #unkept = new Map<number, PlanBasis>();
  #good: number | null = null;

  constructor(readonly platform: Platform) {}

  /**
   * Chooses what generation `epoch` is to be started with.
   * @returns what an operator should know about it
   * @throws {UserError} when the environment file cannot be read
   */
  choose(epoch: number, source: PlanSource, context: PlanContext): readonly string[] {
    const good = source === "files" ? undefined : this.#plans.get(this.#good ?? NaN);
    if (good === undefined) {
      const basis = basisFromFiles(context);
      this.#unkept.set(epoch, basis);
      const notice = "no generation has been good yet: it is started from the files as they are";
      return source === "files" ? [] : [notice];
    }
    const fds = new Map<KeptPart, Fd>();
    for (const [part, fd] of good.fds) fds.set(part, this.platform.descriptors.duplicate(fd));
    const plan = { kept: good.kept, fds };
    this.#add(epoch, plan);
    return restore(this.platform, plan).notices;
  }

  /** What was chosen for `epoch`, for each of its workers, whatever has become of the files. */
  basisOf(epoch: number): PlanBasis {
    const fresh = this.#unkept.get(epoch);
    if (fresh !== undefined) return fresh;
    const plan = this.#plans.get(epoch);
    if (plan === undefined) {
      throw new Error(`what generation ${epoch} was started with is not known`);
    }
    return restore(this.platform, plan).basis;
  }

  /** Generation `epoch` has been started: its plan is kept until it is retired, and for as long as it is good. */
  keep(epoch: number): void {
    const basis = this.#unkept.get(epoch);
    this.#unkept.delete(epoch);
    if (basis !== undefined) this.#add(epoch, keepBasis(this.platform, basis));
  }

  #add(epoch: number, plan: KeptPlan): void {
    this.#close(epoch);
    this.#plans.set(epoch, { ...plan, isAlive: true });
  }

  /** What `epoch` was started with is the last good plan from now on. */
  markGood(epoch: number): void {
    if (!this.#plans.has(epoch)) return;
    this.#good = epoch;
    this.#closeUnused();
  }

  get goodEpoch(): number | null {
    return this.#good;
  }

  /** The processes of `epoch` are gone: its plan is not kept any more, unless it is the last good one. */
  retire(epoch: number): void {
    this.#unkept.delete(epoch);
    const plan = this.#plans.get(epoch);
    if (plan !== undefined) plan.isAlive = false;
    this.#closeUnused();
  }

  #closeUnused(): void {
    for (const [epoch, { isAlive }] of this.#plans) {
      if (!isAlive && epoch !== this.#good) this.#close(epoch);
    }
  }

  #close(epoch: number): void {
    for (const fd of this.#plans.get(epoch)?.fds.values() ?? []) fd.close();
    this.#plans.delete(epoch);
  }

  get records(): KeptPlanRecord[] {
    return [...this.#plans.keys()].map((epoch) => ({ epoch, isGood: epoch === this.#good }));
  }

  get descriptors(): (readonly [epoch: number, part: KeptPart, fd: Fd])[] {
    return [...this.#plans].flatMap(([epoch, { fds }]) =>
      [...fds].map(([part, fd]) => [epoch, part, fd] as const)
    );
  }

  /** Continues with the plans of the previous instance. @param take the descriptor of that name, if it was kept */
  resume(
    records: readonly KeptPlanRecord[],
    take: (epoch: number, part: KeptPart) => Fd | null,
    isAlive: (epoch: number) => boolean,
  ): void {
    for (const { epoch, isGood } of records) {
      const fds = new Map<KeptPart, Fd>();
      for (const part of KEPT_PARTS) {
        const fd = take(epoch, part);
        if (fd !== null) fds.set(part, fd);
      }
      const text = fds.get("text");
      if (text === undefined) {
        // A store of the service manager without room for it.
        for (const fd of fds.values()) fd.close();
        continue;
      }
      this.#plans.set(epoch, { kept: readKept(text), fds, isAlive: isAlive(epoch) });
      if (isGood) this.#good = epoch;
    }
    this.#closeUnused();
  }

  close(): void {
    for (const epoch of [...this.#plans.keys()]) this.#close(epoch);
  }
}
