/**
 * A simulated world around the service's state machine: processes that start, listen, fail and die, timers that fire,
 * operators who request reloads and stops. After each event it checks the invariants that service.ts lists, and some
 * that the supervisor relies on.
 */
import assert from "node:assert/strict";
import { step } from "../../src/lifecycle/service.ts";
import {
  candidateOf,
  INITIAL_STATE,
  type ServicePolicy,
  type ServiceState,
  servingOf,
} from "../../src/lifecycle/state.ts";
import type { Order } from "../../src/lifecycle/order.ts";
import type { Rollout } from "../../src/lifecycle/rollout.ts";
import type {
  ExitReport,
  GenerationTimer,
  ServiceEffect,
  ServiceEvent,
} from "../../src/lifecycle/vocabulary.ts";

interface WorldProcess {
  readonly epoch: number;
  replaces: number | null;
  /** Whether it has passed its gate. */
  passed: boolean;
  switched: boolean;
  workers: number;
  /** Its process starts when no other is left. */
  waits: boolean;
}

export class ServiceWorld {
  state: ServiceState = INITIAL_STATE;
  /** The events so far, for the message of a failure. */
  readonly story: string[] = [];
  readonly alive = new Map<number, WorldProcess>();
  /** "ready 3" */
  readonly timers = new Set<string>();
  backoff = false;
  /** Share of the generation on trial. */
  share: { epoch: number; percent: number } | null = null;
  /** Generation whose share grows. */
  ramping: number | null = null;
  finished = false;
  readonly unanswered = new Set<number>();
  /** Generations that stood in before the present event. */
  standIns: number[] = [];
  /** A reload named an order that is not that of the service. */
  isMixed = false;
  /** Epoch -> the number of workers that it is on its way to. */
  readonly scaling = new Map<number, number>();
  /** An upgrade is running. */
  upgrading = false;
  #nextRequest = 0;
  #hasGoodPlan = false;
  readonly #ended = new Set<number>();
  readonly #replacements = new Map<number, number>();
  /** Epoch that opened a listening socket -> generation that holds it now. */
  readonly #holders = new Map<number, number>();
  /** The crashed generation that waits for a replacement. */
  #crashed: number | null = null;
  /** The crashed generation whose replacement serves, but may still be starting workers. */
  #leftover: number | null = null;
  /** The crashed generation whose replacement has just begun to serve. */
  #succeeded: number | null = null;

  /** @param onStep sees each step, before it is checked */
  constructor(
    readonly policy: ServicePolicy,
    readonly onStep: (before: ServiceState, event: ServiceEvent, after: ServiceState) => void =
      () => {},
  ) {}

  /** Processes one event, carries out its effects, and checks everything. */
  tell(event: ServiceEvent): void {
    this.story.push(JSON.stringify(event));
    const before = this.state;
    this.standIns = before.generations.filter(({ standsIn }) => standsIn).map((g) => g.epoch);
    const { state, effects } = step(before, event, this.policy);
    this.state = state;
    this.onStep(before, event, state);
    if (this.finished) assert.equal(effects.length, 0, "no effect follows the end");
    // With one on trial there is no replacement: that one serves at once.
    const crashes = event.kind === "exited" && servingOf(before)?.epoch === event.epoch &&
      !before.generations.some(({ state }) => state === "baking");
    if (event.kind === "exited") {
      this.alive.delete(event.epoch);
      this.scaling.delete(event.epoch);
    }
    const passing = event.kind === "ready" ? this.alive.get(event.epoch) : undefined;
    if (passing !== undefined) passing.passed = true;
    const vacates = event.kind === "exited" && before.held === event.epoch;
    if (crashes || vacates) this.#crashed = (event as { epoch: number }).epoch;
    for (const effect of effects) this.#carryOut(effect, event);
    this.#checkLeftover(event, effects);
    this.#checkServing(before, event);
    this.#check();
  }

  requestReload(rollout?: Rollout, order?: Order): void {
    const request = this.#ask();
    this.isMixed ||= order !== undefined && order !== this.policy.order;
    this.tell({
      kind: "reload_requested",
      request,
      ...rollout && { rollout },
      ...order && { order },
    });
  }

  requestOfTrial(kind: "promote_requested" | "rollback_requested"): void {
    this.tell({ kind, request: this.#ask() });
  }

  requestShare(percent: number): void {
    this.tell({ kind: "share_requested", request: this.#ask(), percent });
  }

  #ask(): number {
    const request = this.#nextRequest++;
    if (!this.finished) this.unanswered.add(request);
    return request;
  }

  requestScale(workers: number, relative: boolean): void {
    this.tell({ kind: "scale_requested", request: this.#ask(), workers, relative });
  }

  requestUpgrade(): void {
    this.tell({ kind: "upgrade_requested", request: this.#ask(), inPlace: false });
  }

  /** Generation `epoch` listens: an adopted replacement gets the sockets of the crashed one. */
  listens(epoch: number): void {
    const process = this.alive.get(epoch)!;
    this.tell({ kind: "listening", epoch });
    if (process.replaces !== null && !this.policy.membersAtStart) this.#inherit(process);
  }

  exits(epoch: number, exit: ExitReport): void {
    this.tell({ kind: "exited", epoch, exit });
  }

  /** Lets an armed timer fire. */
  fires(timer: GenerationTimer, epoch: number): void {
    assert.ok(this.timers.delete(`${timer} ${epoch}`));
    const kind = {
      ready: "failed",
      bake: "bake_elapsed",
      drain: "drain_timed_out",
      stop: "stop_timed_out",
      health: "healthy",
      late: "late_timed_out",
      aftermath: "aftermath_timed_out",
    }[timer] as
      | "failed"
      | "bake_elapsed"
      | "drain_timed_out"
      | "stop_timed_out"
      | "healthy"
      | "late_timed_out"
      | "aftermath_timed_out";
    this.tell(
      kind === "failed"
        ? { kind, epoch, reason: "not ready in time", status: 70 }
        : { kind, epoch },
    );
  }

  backoffElapses(): void {
    this.backoff = false;
    this.tell({ kind: "backoff_elapsed" });
  }

  #carryOut(effect: ServiceEffect, event: ServiceEvent): void {
    assert.equal(this.finished, false, "finish is the last effect");
    switch (effect.kind) {
      case "spawn":
        return this.#spawn(effect);
      case "launch":
        return this.#launch(effect.epoch, effect.replaces);
      case "hold":
        assert.equal(event.kind, "admitted");
        assert.equal(this.state.held, effect.epoch);
        return;
      case "vacate":
        assert.equal(effect.epoch, this.#crashed, "its listeners are kept for its successor");
        return;
      case "release":
        assert.notEqual(this.state.shutdown, null);
        return;
      case "keep_output":
        assert.ok(!this.#ended.has(effect.epoch), "before it is retired");
        return;
      case "good_plan":
        assert.ok(this.#live(effect.epoch).switched, "only of one that has served");
        this.#hasGoodPlan = true;
        return;
      case "replace_crashed":
        assert.equal(effect.replaces, this.#crashed);
        this.#live(effect.epoch).replaces = effect.replaces;
        this.#replacements.set(effect.epoch, effect.replaces);
        return;
      case "switch":
        assert.ok(this.#live(effect.epoch).passed, "only what is ready");
        assert.equal(this.#live(effect.epoch).switched, false, "and only once");
        this.#live(effect.epoch).switched = true;
        this.share = null;
        [this.#succeeded, this.#crashed] = [this.#crashed, null];
        return;
      case "share":
        return this.#shares(effect.epoch, effect.percent);
      case "begin_ramp":
        assert.equal(this.ramping, null, "one ramp at a time");
        this.ramping = effect.epoch;
        return;
      case "scale":
        assert.equal(this.upgrading, false, "no worker starts during an upgrade");
        this.#live(effect.epoch).workers = effect.workers;
        this.scaling.set(effect.epoch, effect.workers);
        return;
      case "scale_result":
        for (const request of effect.requests) {
          assert.ok(this.unanswered.delete(request), `${request} is answered once`);
        }
        return;
      case "end_ramp":
        assert.equal(this.ramping, effect.epoch);
        this.ramping = null;
        return;
      case "rolled_back":
        assert.notEqual(this.share?.epoch, effect.epoch, "steered back first of all");
        return;
      case "steer_back":
        assert.ok(["unhealthy", "failed", "exited"].includes(event.kind));
        assert.ok(this.#live(effect.epoch).switched, "only what has served");
        [this.share, this.ramping] = [null, null];
        return;
      case "trial_result":
        assert.ok(this.unanswered.delete(effect.request), `${effect.request} is answered once`);
        return;
      case "arm_bake":
        this.#live(effect.epoch);
        this.timers.add(`bake ${effect.epoch}`);
        return;
      case "take_back":
        assert.equal(event.kind, "handed_back");
        assert.ok(this.#live(effect.epoch).switched, "only what has served");
        return;
      case "request_takeover":
        return assert.fail("this world has no predecessor");
      case "signal_stop":
        assert.ok(!this.standIns.includes(effect.epoch) || this.state.shutdown !== null, "needed");
        this.#live(effect.epoch);
        return;
      case "drain":
      case "drain_rest":
      case "give_up_late":
        this.#live(effect.epoch);
        return;
      case "kill": // After its end it is for what is left of its process group.
        return;
      case "retire":
        return this.#retire(effect.epoch);
      case "return_members":
        return this.#returnMembers(effect.epoch, effect.to);
      case "arm":
        this.#live(effect.epoch);
        this.timers.add(`${effect.timer} ${effect.epoch}`);
        return;
      case "disarm":
        this.timers.delete(`${effect.timer} ${effect.epoch}`);
        return;
      case "arm_backoff":
        assert.equal(this.backoff, false, "one back-off at a time");
        this.backoff = true;
        return;
      case "disarm_backoff":
        this.backoff = false;
        return;
      case "reload_result":
        for (const request of effect.requests) {
          assert.ok(this.unanswered.delete(request), `reload ${request} is answered once`);
        }
        return;
      case "begin_upgrade":
        assert.equal(this.upgrading, false, "one upgrade at a time");
        this.upgrading = true;
        return;
      case "abort_upgrade":
        assert.equal(this.upgrading, true);
        this.upgrading = false;
        return;
      case "upgrade_result":
        for (const request of effect.requests) {
          assert.ok(this.unanswered.delete(request), `upgrade ${request} is answered once`);
        }
        if (effect.result === "ok") this.upgrading = false;
        return;
      case "notice":
        return;
      case "finish":
        this.finished = true;
        return;
    }
  }

  /** Only a generation that has passed its gate gets a share; that of a ramp only grows. */
  #shares(epoch: number, percent: number): void {
    if (percent === 0 && this.share?.epoch === epoch && this.ramping === null) {
      this.share = null;
      return;
    }
    if (percent > 0 || this.ramping !== null) assert.ok(this.alive.get(epoch)?.passed ?? true);
    if (this.ramping === epoch && percent > 0) assert.ok(percent > (this.share?.percent ?? 0));
    this.share = percent === 0 ? null : { epoch, percent };
  }

  #live(epoch: number): WorldProcess {
    return this.alive.get(epoch) ?? assert.fail(`generation ${epoch} is alive`);
  }

  #spawn(
    { epoch, replaces, waits, plan, workers }: Extract<ServiceEffect, { kind: "spawn" }>,
  ): void {
    assert.ok(plan === "files" || this.#hasGoodPlan, "there is a plan to go back to");
    assert.equal(this.upgrading, false, "no generation starts during an upgrade");
    assert.equal(epoch, this.#holders.size, "epochs count up");
    assert.equal(replaces, this.#crashed, "it replaces the one that crashed, and no other");
    const process = { epoch, replaces, passed: false, switched: false, waits, workers };
    this.alive.set(epoch, process);
    this.#holders.set(epoch, epoch);
    if (replaces !== null) this.#replacements.set(epoch, replaces);
    if (replaces !== null && this.policy.membersAtStart) this.#inherit(process);
  }

  #launch(epoch: number, replaces: number | null): void {
    const process = this.#live(epoch);
    assert.ok(process.waits, "once");
    assert.equal(this.alive.size, 1, "none runs beside it");
    assert.equal(replaces, this.#crashed);
    Object.assign(process, { waits: false, replaces });
    if (replaces === null) return;
    this.#replacements.set(epoch, replaces);
    if (this.policy.membersAtStart) this.#inherit(process);
  }

  /** The crashed generation's sockets must be free: no other may hold them. */
  #inherit({ epoch, replaces }: WorldProcess): void {
    const left = this.#heldBy(replaces!);
    assert.ok(left.length > 0, `what ${replaces} left is free for ${epoch}`);
    for (const source of left) this.#holders.set(source, epoch);
  }

  /** The epochs whose sockets `epoch` holds: its own, and those that it inherited. */
  #heldBy(epoch: number): number[] {
    return [...this.#holders].filter(([, holder]) => holder === epoch).map(([source]) => source);
  }

  #retire(epoch: number): void {
    assert.equal(this.alive.has(epoch), false, "not while it runs");
    assert.equal(this.#ended.has(epoch), false, "and only once");
    this.#ended.add(epoch);
    if (epoch === this.#crashed) this.#crashed = null;
  }

  #returnMembers(epoch: number, to: number): void {
    assert.equal(to, this.#crashed, "to the crashed one, which still waits for a replacement");
    const isReplacement = this.#replacements.get(epoch) === to;
    assert.ok(
      isReplacement || epoch === this.#leftover,
      "by its replacement, or those that it has not taken over",
    );
    for (const source of this.#heldBy(epoch)) this.#holders.set(source, to);
    this.#retire(epoch);
  }

  /** Sockets that a replacement has not taken over are kept until it is healthy, replaced, crashes or stops. */
  #checkLeftover(event: ServiceEvent, effects: readonly ServiceEffect[]): void {
    const switches = effects.some(({ kind }) => kind === "switch");
    const crashes = event.kind === "exited" && event.epoch === this.#crashed;
    const gone = this.#leftover !== null && this.#ended.has(this.#leftover);
    const healthy = event.kind === "healthy" && event.epoch === servingOf(this.state)?.epoch;
    if (switches || crashes || healthy || this.state.shutdown !== null) {
      assert.ok(this.#leftover === null || gone, "they are closed, or go to the next replacement");
    }
    if (gone) this.#leftover = null;
    if (switches) this.#leftover = this.#succeeded;
    assert.equal(this.state.orphanedWorkers, this.#leftover);
    assert.equal(this.state.orphanedListeners, this.#crashed);
  }

  #checkServing(before: ServiceState, event: ServiceEvent): void {
    const [old, now] = [servingOf(before), servingOf(this.state)];
    if (event.kind === "unhealthy" && event.epoch === old?.epoch && before.trial !== null) {
      const onTrial = before.generations.find(({ state }) => state === "baking");
      assert.equal(now?.epoch, onTrial?.epoch, "the one on trial replaces the unhealthy one");
    }
    if (old === null || old.epoch === now?.epoch) return;
    const promotes = [
      "ready",
      "admitted",
      "bake_elapsed",
      "ramped",
      "scaled",
      "promote_requested",
      "share_requested",
    ];
    const ejects = event.kind === "unhealthy" && event.epoch === old.epoch && now !== null;
    const allowed = (this.state.shutdown?.requests ?? 0) > (before.shutdown?.requests ?? 0) ||
      promotes.includes(event.kind) ||
      ejects || (event.kind === "exited" && event.epoch === old.epoch);
    assert.ok(allowed, `generation ${old.epoch} stays serving at ${event.kind}`);
  }

  #check(): void {
    const { generations, shutdown, next, finished } = this.state;
    const inState = (...states: string[]) =>
      generations.filter(({ state }) => states.includes(state)).map(({ epoch }) => epoch);
    const armed = (timer: GenerationTimer) =>
      [...this.timers].filter((each) => each.startsWith(timer)).map((each) =>
        Number(each.split(" ")[1])
      );
    const baking = inState("baking");
    const candidates = inState("waiting", "starting", "probing", "baking");
    const serving = inState("serving");

    if (this.policy.order === "stop-first" && !this.isMixed) {
      const running = [...this.alive.values()].filter(({ waits }) => !waits);
      assert.ok(running.length <= 1, "THE invariant of stop-first: never two at a time");
    }
    assert.ok(candidates.length <= 1, "at most one candidate");
    assert.ok(serving.length <= 1, "at most one serving");
    assert.ok(generations.length <= this.policy.maxGenerations, "never more than allowed");
    same(generations.map(({ epoch }) => epoch), [...this.alive.keys()], "alive");
    assert.equal(inState("exited").length, 0);
    assert.ok(serving.every((epoch) => this.alive.get(epoch)!.switched));
    assert.equal(servingOf(this.state)?.epoch, serving[0]);
    assert.equal(candidateOf(this.state)?.epoch, candidates[0]);

    same(
      armed("ready"),
      inState("starting", "probing"),
      "only a candidate has a ready time-out",
    );
    const standIns = generations.filter(({ standsIn }) => standsIn).map(({ epoch }) => epoch);
    const isDraining = (epoch: number) => inState("draining").includes(epoch);
    assert.ok(standIns.every(isDraining) && armed("drain").every(isDraining));
    same(
      [...new Set([...armed("drain"), ...standIns])],
      inState("draining"),
      "a draining one has a time-out, or stands in",
    );
    assert.ok(shutdown === null || standIns.length === 0, "none stands in at the end");
    const isServing = serving.length === 1 && shutdown === null;
    same(
      armed("late"),
      isServing && this.state.behind !== null ? serving : [],
      "only the one that is behind",
    );
    same(armed("aftermath"), this.state.aftermathOf === "failed" ? serving : [], "after a failure");

    assert.ok(armed("stop").every((epoch) => inState("stopping").includes(epoch)));
    assert.ok(armed("health").every((epoch) => serving.includes(epoch)));

    same(
      armed("bake").filter((epoch) => !baking.includes(epoch)),
      [],
      "only a baking one has that timer",
    );
    assert.equal(this.state.trial !== null, baking.length > 0, "a baking one is on trial");
    if (baking.length > 0) assert.equal(serving.length, 1, "beside the one that can take all back");
    if (this.share !== null && shutdown === null) same([this.share.epoch], baking, "has a share");
    if (this.ramping !== null) same([this.ramping], baking, "a ramp belongs to the baking one");
    if (this.state.trial !== null) {
      assert.equal(this.share?.percent ?? 0, this.state.trial.percent, "what a trial gets");
    }
    this.#checkWorkers();
    const asked = this.unanswered.size > 0;
    if (this.state.trial?.phase === "bake" && !this.state.reload.rollout.hold) {
      same(armed("bake"), baking, "a trial without an operator has an end");
    }
    if (this.state.trial?.phase === "ramp") {
      assert.notEqual(this.ramping, null, "and so has a ramp");
    }
    assert.ok(asked || this.state.reload.requests.length === 0);
    assert.equal(this.state.upgrade !== null, this.upgrading);
    assert.ok(!this.upgrading || serving.length === 1, "only while one serves");
    assert.equal(finished, this.finished);
    if (this.finished) {
      assert.equal(generations.length, 0);
      assert.deepEqual([...this.unanswered], [], "each reload was answered");
      assert.equal(this.#ended.size, this.#holders.size, "each generation was retired");
      assert.deepEqual([this.timers.size, this.backoff], [0, false]);
    } else if (shutdown !== null) {
      assert.ok(generations.length > 0, "it waits for a generation");
      assert.ok(candidates.length + serving.length === 0 && !this.backoff, "and starts none");
      assert.equal(this.state.replacing, false);
    } else if (this.story.length > 1 && serving.length === 0 && candidates.length === 0) {
      const dying = next !== null && generations.length > 0;
      assert.ok(this.backoff || dying, "the next one will start");
    }
    if (this.state.replacing) assert.ok(this.backoff && serving.length === 1, "later");
    if (this.#crashed !== null) {
      assert.equal(serving.length, 0, "the serving one is its replacement");
    }
  }

  #checkWorkers(): void {
    const { generations, trial, workers, scaling, shutdown, upgrade, reload } = this.state;
    for (const each of generations) {
      assert.equal(
        this.alive.get(each.epoch)!.workers,
        each.workers,
        "as it was started or scaled",
      );
      assert.ok(each.workers >= 1, "a generation without workers is none");
    }
    const wanted = workers ?? this.policy.workers;
    const [serving, baking] = [servingOf(this.state), candidateOf(this.state)];
    if (trial?.phase === "rolling") {
      const both = (serving?.workers ?? 0) + (baking?.workers ?? 0);
      assert.ok(both <= wanted + 1, "one worker too many at most");
      assert.ok(both < wanted + 1 || this.scaling.size > 0, "and something is on its way");
    } else if (serving !== null && shutdown === null && upgrade === null) {
      const isRolling = baking !== null && reload.rollout.rolling;
      const isLeaving = generations.some(({ outcome }) => outcome === "rolled back");
      if (!isRolling && !isLeaving) assert.equal(serving.workers, wanted, "all workers again");
    }
    if (scaling !== null) assert.equal(serving?.epoch, scaling.epoch, "who is asked serves");
  }
}

/** Asserts that both have the same numbers, in any order. */
function same(found: readonly number[], expected: readonly number[], message: string): void {
  const text = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b).join(" ");
  assert.equal(text(found), text(expected), message);
}
