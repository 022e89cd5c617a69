/**
 * The rolling updates that are tested: three pods, two clients with new connections, twelve that keep theirs; with
 * baton and without, under the same grace period.
 */
import assert from "node:assert/strict";
import { rollingUpdate, type Scenario } from "./kubesim.ts";
import { server } from "./servers.ts";

const MAX_DRAIN_MS = 6_000;
const RESERVE_MS = 3_000;
/** Lingering begins when the removal does, and must last longer than the balancer's ignorance. */
const MARGIN_MS = 1_000;

/** The shortest of them takes a second: a server that ends at once. */
const MIN_OK = 30;

export type Case = Pick<Scenario, "server" | "form" | "lagMs">;

export function scenarioOf({ server: id, form, lagMs }: Case): Scenario {
  const minDrainMs = lagMs + MARGIN_MS;
  const isSlow = id === "ignores_term" || server(id).slow;
  return {
    server: id,
    form,
    lagMs,
    minDrainMs,
    maxDrainMs: MAX_DRAIN_MS,
    graceMs: minDrainMs + MAX_DRAIN_MS + RESERVE_MS,
    pods: 3,
    clients: 12,
    thinkTimeMs: 50,
    slowMs: isSlow ? 20 : 0,
    limitMs: 60_000,
  };
}

export interface Loss {
  readonly ok: number;
  readonly lost: number;
  /** For people. */
  readonly text: string;
}

export async function lostBy(which: Case): Promise<Loss> {
  const { fresh, kept, endings, output } = await rollingUpdate(scenarioOf(which));
  assert.ok(fresh.ok > MIN_OK && kept.ok > MIN_OK, `there was load: ${fresh.text}; ${kept.text}`);
  const [ok, lost] = [fresh.ok + kept.ok, fresh.lost + kept.lost];
  const text = `${which.server}, ${which.form}, lag ${which.lagMs} ms: ${ok} ok, ` +
    `${lost} lost (new connections ${fresh.lost}, kept ${kept.lost})`;
  const isWithout = which.form === "bare" || which.form === "init";
  if (isWithout || lost === 0) return { ok, lost, text };
  const details = [fresh.text, kept.text, JSON.stringify(endings), output];
  return { ok, lost, text: [text, ...details].join("\n") };
}

export async function losesNothing(which: Case): Promise<void> {
  const { lost, text } = await lostBy(which);
  assert.equal(lost, 0, text);
}
