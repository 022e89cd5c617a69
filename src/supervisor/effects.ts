/** Carries out what the lifecycle asks for: a table from each kind of effect to its function. It decides nothing. */
import { type ServiceState, servingOf } from "../lifecycle/state.ts";
import { NOT_INSPECTED } from "../generation/candidate/inspection.ts";
import type { EffectHandlers, ServiceEffect } from "../lifecycle/vocabulary.ts";
import type { Timer } from "../platform/clock.ts";
import { describeVictims, type LeftProcess, leftText } from "../report/killed_processes.ts";
import type { FailedStart } from "../report/pending_reloads.ts";
import { storyOf } from "../report/snapshot.ts";
import { lateViews } from "../rollout/late_listeners.ts";
import { generationEffects } from "./generation_effects.ts";
import type { SupervisorParts } from "./parts.ts";
import { QuicWatch } from "./quic_watch.ts";
import { type ServerPidfile, serverPidfile } from "./server_pidfile.ts";
import { OpenVerdicts } from "./open_verdicts.ts";
import type { Upgrades } from "./upgrade_effects.ts";

/** Lines of a failed generation's output in the answer to a reload. */
const OUTPUT_LINES = 20;
/**
 * How long after the exit of a copy that may have told the serving generation to end, that one is looked at once more.
 */
const LOOK_AGAIN_MS = 500;

/** `state` is that after the step that asked for an effect. */
export function effectsOf(
  parts: SupervisorParts,
  upgrades: Upgrades,
): {
  carryOut(effect: ServiceEffect, state: ServiceState): void;
  /** Called after each step, also one without effects. */
  afterStep(state: ServiceState): void;
} {
  const pidfile = serverPidfile(parts);
  const { context, options: { order, logger } } = parts;
  // A reload that stops the server first breaks its QUIC connections anyway.
  const isWatched = context.config.udp === "switch" && order.order === "start-first";
  const quicWatch = isWatched ? new QuicWatch(context, logger) : null;
  // A resumed service serves already.
  queueMicrotask(() => pidfile?.update(parts.service()));
  const table: EffectHandlers = {
    ...generationEffects(parts),
    ...parts.trials.handlers,
    ...upgrades.handlers,
    ...serviceEffects(parts, upgrades, pidfile),
  };
  return {
    carryOut(effect, state) {
      const carryOut: (effect: never, state: ServiceState) => void = table[effect.kind];
      carryOut(effect as never, state);
      pidfile?.update(state);
    },
    afterStep: (state) => quicWatch?.update(state),
  };
}

function serviceEffects(
  parts: SupervisorParts,
  upgrades: Upgrades,
  pidfile: ServerPidfile | null,
) {
  const { options: { logger }, context: { platform, dispatch, leftovers }, hooks } = parts;
  let backoff: Timer | null = null;
  const openVerdicts = new OpenVerdicts(platform.clock);
  return {
    arm_backoff: ({ delayMs }) => {
      parts.history.restarts.crashes++;
      backoff?.cancel();
      backoff = platform.clock.after(delayMs, () => dispatch({ kind: "backoff_elapsed" }));
      logger.info(`starts again in ${delayMs} ms`);
    },
    disarm_backoff: () => backoff?.cancel(),
    keep_output: ({ epoch }) => {
      parts.history.keepFailure(epoch);
      parts.reloads.failed = failedStart(parts, epoch);
    },
    reload_result: (effect, state) => answerReload(parts, openVerdicts, effect, state),
    scale_result: ({ requests, result, workers, reason }) => {
      const number = workers === 1 ? "1 worker" : `${workers} workers`;
      if (result === "ok") logger.info(`${number} from now on`);
      else logger.error(`scale ${result}: ${reason}; still ${number}`);
      parts.reloads.scales.answer(requests, { result, workers, reason });
    },
    notice: ({ text }) => logger.warn(text),
    finish: ({ status }, state) => {
      openVerdicts.giveAll();
      hooks.killRunning();
      // Helpers stay where another baton has the service: its generation may use them.
      if ((state.shutdown?.handedOver ?? null) === null) stopHelpers(parts);
      // Runs after this step, which may still start a post-stop hook.
      queueMicrotask(() =>
        hooks.whenIdle(() =>
          leftovers.whenEmpty(() =>
            parts.options.beforeFinish(() => {
              const isEnd = (parts.service().shutdown?.handedOver ?? null) === null;
              pidfile?.close(isEnd);
              closeAll(parts, upgrades, status, isEnd ? findLeft(parts) : []);
            })
          )
        )
      );
    },
  } satisfies Partial<EffectHandlers>;
}

/** What the caller of a reload learns, and what history and hooks do then. */
function answerReload(
  parts: SupervisorParts,
  openVerdicts: OpenVerdicts,
  { result, epoch, reason, requests, restored }: Extract<
    ServiceEffect,
    { kind: "reload_result" }
  >,
  state: ServiceState,
): void {
  const { options, running, history, reloads, hooks } = parts;
  const failed = result === "failed" && epoch !== null ? failedStart(parts, epoch) : null;
  const { output = [], outputSince = [] } = failed ?? {};
  const serving = servingOf(state)?.epoch ?? null;
  const late = result === "ok" && epoch !== null && serving === epoch
    ? lateViews(parts.context.listeners.awaited(epoch))
    : [];
  const durationMs = reloads.requests.longestWaitMs(requests);
  const inspected = running.get(epoch ?? NaN)?.inspected ?? NOT_INSPECTED;
  const { sharedFiles } = inspected.findings;
  const doubtNow = () => {
    const doubts = [inspected.findings.doubt ?? whatIsLeft, inspected.loss];
    return doubts.filter((each) => each !== null).join("; ") || null;
  };
  const whatIsLeft = failed === null || state.finished
    ? null
    : parts.trials.examine(state, inspected.wasPassed);
  const held = parts.heldClients.end();
  history.waitsMs = parts.heldClients.waitsMs;
  const lines = [...output, ...outputSince];
  history.lastWords = failed === null ? null : { epoch: failed.epoch, lines };
  if (durationMs !== null) {
    const known = { late, held, restored: restored ?? null, sharedFiles, doubt: doubtNow() };
    history.reloaded({ epoch, result, reason, durationMs }, known);
  }
  const verdict = {
    ...storyOf(history.lastReload),
    result,
    epoch,
    reason,
    output,
    outputIsDirect: failed?.isDirect ?? false,
    outputSince,
    trial: parts.trials.view(state),
    serving,
    postponed: [],
  };
  if (result === "failed" && inspected.endedWithZero && !state.finished) {
    openVerdicts.giveAfter(LOOK_AGAIN_MS, () => {
      const doubt = doubtNow();
      history.doubt(epoch, doubt);
      if (doubt !== null) options.logger.warn(`generation ${serving}: ${doubt}`);
      const now = servingOf(parts.service())?.epoch ?? null;
      reloads.requests.answer(requests, { ...verdict, doubt, serving: now });
    });
  } else {
    reloads.requests.answer(requests, verdict);
  }
  if (result === "ok") history.restarts.ok++;
  if (result !== "failed") return;
  history.restarts.failed++;
  const remedy = restored === undefined
    ? ""
    : `; generation ${restored} runs the version before it again`;
  options.logger.error(`reload failed: ${reason}${remedy}`, { epoch });
  if (state.finished) {
    options.predecessor?.reportFailure([reason, ...output, ...outputSince].join("\n"));
  } else if (failed !== null) {
    hooks.onRolledBack(failed, parts.servingIn(state), reason ?? "");
  }
}

/** Stops the helpers of the service; they have the stop time for that, as what a leading process leaves behind. */
function stopHelpers({ context }: SupervisorParts): void {
  const { children, leftovers, config, logError } = context;
  const { helpers } = children;
  if (helpers.processes().length === 0) return;
  helpers.terminate();
  helpers.onExit = () => {
    children.reap();
    leftovers.check();
  };
  const kill = () => {
    const killed = helpers.records.flatMap(({ epoch, pid }) =>
      describeVictims(epoch, [pid], config.stopTimeMs)
    );
    helpers.kill();
    return killed;
  };
  const newest = Math.max(...helpers.records.map(({ epoch }) => epoch));
  const rest = { epoch: newest, processes: () => helpers.processes(), kill, onAllExited: () => {} };
  leftovers.add(rest, config.stopTimeMs, logError);
}

/** What is reported of a generation that has failed; null: there is none. */
function failedStart({ running, reloads }: SupervisorParts, epoch: number): FailedStart | null {
  const generation = running.get(epoch);
  if (generation === undefined) return reloads.failed?.epoch === epoch ? reloads.failed : null;
  const { pid, output, outputIsDirect: isDirect } = generation;
  return {
    epoch,
    pid,
    output: output?.tail.lines(OUTPUT_LINES) ?? [],
    outputSince: output?.linesSince(OUTPUT_LINES) ?? [],
    isDirect,
  };
}

/** Finds processes below baton that no generation has a trace of: they are reported at least. */
function findLeft({ context, options }: SupervisorParts): readonly LeftProcess[] {
  const left = describeVictims(0, context.children.strangers(), null);
  if (left.length > 0) {
    options.logger.warn(`${leftText(left)} (no trace of a generation is left on it)`);
  }
  return left;
}

function closeAll(
  parts: SupervisorParts,
  upgrades: Upgrades,
  status: number,
  left: readonly LeftProcess[],
): void {
  const { options, context, running, history } = parts;
  context.front?.close((parts.service().shutdown?.handedOver ?? null) === null);
  for (const generation of running.values()) generation.retire();
  parts.trials.close();
  parts.lateListeners.close();
  parts.heldClients.end();
  context.listeners.close();
  context.children.close();
  parts.goodPlans.close();
  upgrades.offers?.close();
  options.stateWriter()?.end();
  options.manager.close();
  const { leftovers: { killed } } = context;
  options.onFinish({ status, killed, left, cut: history.cutByStop });
}
