/** The front as the last step on a candidate's way to serving (--front). */
import type { AdmissionStep, AdmissionSteps } from "../generation/admission.ts";
import { isAtOnce } from "../lifecycle/rollout.ts";
import { awaitsTakeover, servingOf } from "../lifecycle/state.ts";
import type { SupervisorParts } from "./parts.ts";

const NO_STEP: AdmissionStep = (_, onDone) => {
  onDone(null);
  return { kill: () => {} };
};

export function withFront(
  parts: SupervisorParts,
  steps: AdmissionSteps | null,
): AdmissionSteps | null {
  const { context: { front } } = parts;
  if (front === null) return steps;
  const atFront: AdmissionStep = (candidate, onDone) => {
    const state = parts.service();
    const { reload: { rollout } } = state;
    // Where none serves there is nothing to go back to: the switch is what the files follow.
    if (servingOf(state) === null) return NO_STEP(candidate, onDone);
    const admitted = {
      epoch: candidate.epoch,
      leads: isAtOnce(rollout) && !awaitsTakeover(state),
      isShared: rollout.canary !== null || rollout.rampMs > 0 || rollout.rolling,
    };
    return front.admit(
      admitted,
      (reason) => onDone(reason === null ? null : { reason, output: null }),
    );
  };
  return { ...steps ?? { beforeStart: NO_STEP, beforeSwitch: null }, atFront };
}
