/**
 * Notifies the service manager of what the lifecycle does. Start: EXTEND_TIMEOUT while a generation warms up, READY=1
 * when the first one serves. Reload: RELOADING=1, then READY=1 whatever the outcome, because the service runs on (a
 * failed reload shows in STATUS). Stop: STOPPING=1, and EXTEND_TIMEOUT for as long as the drain may take. Watchdog: from
 * the main loop, at half the interval. A barrier precedes the exit of this process, and the handover to a new main one.
 */
import type { ServiceEffect } from "../lifecycle/vocabulary.ts";
import { isOpenEnded } from "../lifecycle/rollout.ts";
import { candidateOf, type ServiceState, servingOf } from "../lifecycle/state.ts";
import type { Clock, Timer } from "../platform/clock.ts";
import type { NotifyClient } from "../systemd/notify_client.ts";

const US_PER_MS = 1000;
/** Added to every announced wait, for what follows it. */
const RESERVE_MS = 5_000;

interface ServiceManagerOptions {
  readonly clock: Clock;
  readonly client: NotifyClient;
  readonly readyTimeoutMs: number;
  /** Longest drain and stop. */
  readonly stopTimeoutMs: number;
  /** $WATCHDOG_USEC, undefined = no watchdog. */
  readonly watchdogUsec: string | undefined;
}

export class ServiceManager {
  #wasReady = false;
  #wasReloading = false;
  #wasStopping = false;
  #watchdog: Timer | null = null;
  /** Why the last reload has failed: said until the next start, so that `systemctl status` shows it. */
  #failure: string | null = null;

  constructor(readonly options: ServiceManagerOptions) {
    const intervalMs = Number(options.watchdogUsec ?? 0) / US_PER_MS / 2;
    // The watchdog is fed at once: after an upgrade in place the last time may be long ago.
    if (intervalMs > 0 && options.client.isConnected) this.#feedWatchdog(intervalMs);
  }

  #feedWatchdog(intervalMs: number): void {
    this.options.client.watchdog();
    this.#watchdog = this.options.clock.after(intervalMs, () => this.#feedWatchdog(intervalMs));
  }

  onStep(state: ServiceState, effects: readonly ServiceEffect[]): void {
    const { client, readyTimeoutMs, stopTimeoutMs } = this.options;
    if (!client.isConnected) return;
    this.#noteFailure(effects);
    const serving = servingOf(state);
    // A trial that ends by an operator's decision is not a reload that a service manager could wait for.
    const isHeld = state.trial !== null && isOpenEnded(state.trial, state.reload.rollout);
    const isReloading = serving !== null && candidateOf(state) !== null && !isHeld;
    if (state.shutdown !== null) {
      if (this.#wasStopping) return;
      this.#wasStopping = true;
      client.stopping("draining before the stop");
      return client.extendTimeout(stopTimeoutMs + RESERVE_MS);
    }
    if (effects.some(({ kind }) => kind === "spawn")) {
      if (isReloading && this.#wasReady) client.reloading(this.#describe(state));
      client.extendTimeout(readyTimeoutMs + RESERVE_MS);
    } else if (serving !== null && (!this.#wasReady || (this.#wasReloading && !isReloading))) {
      this.#wasReady = true;
      client.ready(this.#describe(state));
    } else if (this.#wasReady && !isReloading && effects.some(isRefusal)) {
      // After a reload by signal (Type=notify-reload) systemd waits for both, whatever the result.
      client.reloading(this.#describe(state));
      client.ready(this.#describe(state));
    } else {
      for (const effect of effects) {
        if (effect.kind === "arm_bake") client.extendTimeout(effect.delayMs + RESERVE_MS);
        if (effect.kind === "hold") client.extendTimeout(stopTimeoutMs + RESERVE_MS);
        if (effect.kind === "launch") client.extendTimeout(readyTimeoutMs + RESERVE_MS);
        if (effect.kind === "begin_ramp") client.extendTimeout(effect.durationMs + RESERVE_MS);
      }
      client.status(this.#describe(state));
    }
    // A reload that stops the old generation first is over when the next one serves.
    this.#wasReloading = isReloading || (this.#wasReloading && serving === null);
  }

  /** Another baton becomes the main process; systemd believes this only from the present one. */
  handOver(pid: number): void {
    const { client } = this.options;
    // The next main process feeds the watchdog at its own times, and is ignored before MAINPID.
    if (this.#watchdog !== null) client.watchdog();
    client.send({ MAINPID: String(pid) });
    this.close();
  }

  /** This baton is the main process now: what it sent before that was ignored. */
  becomeMain(): void {
    if (this.#watchdog !== null) this.options.client.watchdog();
    if (this.#wasReady) this.options.client.repeatReady();
  }

  #noteFailure(effects: readonly ServiceEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === "spawn") this.#failure = null;
      if (effect.kind !== "reload_result") continue;
      const { result, reason } = effect;
      this.#failure = result === "ok" ? null : `reload ${result}: ${reason}`;
    }
  }

  #describe(state: ServiceState): string {
    const serving = servingOf(state);
    const draining = state.generations.filter(({ state }) => state === "draining").length;
    const parts = [serving === null ? "nothing serves" : `generation ${serving.epoch} serves`];
    const candidate = candidateOf(state);
    if (candidate && state.trial) {
      const { percent } = state.trial;
      parts.push(`generation ${candidate.epoch} is on trial with ${Math.round(percent)} %`);
    } else if (candidate) parts.push(`generation ${candidate.epoch} is starting`);
    if (draining > 0) parts.push(`${draining} draining`);
    if (this.#failure !== null) parts.push(this.#failure);
    return parts.join(", ");
  }

  close(): void {
    this.#watchdog?.cancel();
    this.options.client.barrier();
    this.options.client.close();
  }
}

function isRefusal(effect: ServiceEffect): boolean {
  return effect.kind === "reload_result" && effect.result === "refused";
}
