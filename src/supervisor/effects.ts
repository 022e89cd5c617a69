/** Carries out what the lifecycle asks for: a table from each kind of effect to its function. It decides nothing. */
import { Timers } from "../generation/timers.ts";
import type { ServiceState } from "../lifecycle/state.ts";
import type { EffectHandlers, ServiceEffect } from "../lifecycle/vocabulary.ts";
import { generationEffects } from "./generation_effects.ts";
import type { SupervisorParts } from "./parts.ts";
import { answerReload } from "./reload_answer.ts";
import type { Upgrades } from "./upgrade_effects.ts";

/** @returns carries an effect out; `state` is that after the step that asked for it */
export function effectsOf(
  parts: SupervisorParts,
  upgrades: Upgrades,
): (effect: ServiceEffect, state: ServiceState) => void {
  const table: EffectHandlers = {
    ...generationEffects(parts),
    ...parts.trials.handlers,
    ...upgrades.handlers,
    ...serviceEffects(parts, upgrades),
  };
  return (effect, state) => {
    const carryOut: (effect: never, state: ServiceState) => void = table[effect.kind];
    carryOut(effect as never, state);
  };
}

function serviceEffects(parts: SupervisorParts, upgrades: Upgrades) {
  const { options: { logger }, context: { platform, dispatch, leftovers }, hooks } = parts;
  const backoff = new Timers<"backoff">(
    platform.clock,
    () => dispatch({ kind: "backoff_elapsed" }),
  );
  return {
    arm_backoff: ({ delayMs }) => {
      parts.history.crashes++;
      backoff.arm("backoff", delayMs);
      logger.info(`starts again in ${delayMs} ms`);
    },
    disarm_backoff: () => backoff.disarm("backoff"),
    reload_result: (effect, state) => answerReload(parts, effect, state),
    notice: ({ text }) => logger.warn(text),
    finish: ({ status }) => {
      hooks.killRunning();
      // After this step, which may still start a post-stop hook.
      queueMicrotask(() =>
        hooks.whenIdle(() => leftovers.whenEmpty(() => closeAll(parts, upgrades, status)))
      );
    },
  } satisfies Partial<EffectHandlers>;
}

function closeAll(parts: SupervisorParts, upgrades: Upgrades, status: number): void {
  const { options, context, running, history } = parts;
  for (const generation of running.values()) generation.retire();
  parts.trials.close();
  parts.lateListeners.close();
  context.listeners.close();
  context.children.close();
  upgrades.offers?.close();
  options.stateWriter()?.end();
  options.manager.close();
  options.onFinish({ status, killed: context.leftovers.killed, cut: history.cutByStop });
}
