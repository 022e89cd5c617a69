/** The rolling updates that are tested: three pods, four clients with new connections, sixteen that keep theirs. */
import assert from "node:assert/strict";
import { rollingUpdate, type Scenario } from "./kubesim.ts";
import { server } from "./servers.ts";

const MAX_DRAIN_MS = 6_000;
const RESERVE_MS = 3_000;
/** Lingering begins when the removal does, and must last longer than the balancer's ignorance. */
const MARGIN_MS = 1_000;

/**
 * Process 1 without a handler ignores TERM, and serves until KILL: a long grace period hides what a server without
 * baton loses. So its own is shorter than the balancer's ignorance, as that of a bigger cluster may be.
 */
const BARE_GRACE_MS = 2_000;

export type Case = Pick<Scenario, "server" | "form" | "lagMs">;

export function scenarioOf({ server: id, form, lagMs }: Case): Scenario {
  const minDrainMs = lagMs + MARGIN_MS;
  const isSlow = id !== "ignores_term" && server(id).slow;
  return {
    server: id,
    form,
    lagMs,
    minDrainMs,
    maxDrainMs: MAX_DRAIN_MS,
    graceMs: form === "bare" ? BARE_GRACE_MS : minDrainMs + MAX_DRAIN_MS + RESERVE_MS,
    pods: 3,
    clients: 16,
    thinkTimeMs: 50,
    slowMs: isSlow ? 20 : 0,
    limitMs: 60_000,
  };
}

/** @returns requests that were lost, and text for people */
export async function lostBy(which: Case): Promise<{ lost: number; text: string }> {
  const { fresh, kept, endings, output } = await rollingUpdate(scenarioOf(which));
  assert.ok(fresh.ok > 100 && kept.ok > 100, `there was load: ${fresh.text}; ${kept.text}`);
  const lost = fresh.lost + kept.lost;
  const text = `${which.server}, ${which.form}, lag ${which.lagMs} ms: ${fresh.ok + kept.ok} ok, ` +
    `${lost} lost (new connections ${fresh.lost}, kept ${kept.lost})`;
  if (which.form === "bare" || lost === 0) return { lost, text };
  const details = [fresh.text, kept.text, JSON.stringify(endings), output];
  return { lost, text: [text, ...details].join("\n") };
}

export async function losesNothing(which: Case): Promise<void> {
  const { lost, text } = await lostBy(which);
  assert.equal(lost, 0, text);
}
