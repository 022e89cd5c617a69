/** The options of a new generation on its way to serving (docs/hooks.md, docs/rollout.md). */
import {
  choice,
  flag,
  list,
  matching,
  nextGeneration,
  parsed,
  percent,
  positiveTime,
  restart,
  time,
  withBytes,
} from "../option_makers.ts";
import { parseHookSpec } from "../values/hook_spec.ts";
import { parseMinFree } from "../values/memory_size.ts";

// deno-fmt-ignore: one option per entry, so that it reads as a table
export const HOOKS = {
  preFlight: withBytes(parsed("COMMAND", "Run this with sh before the server of each " +
    "generation is started, in its directory and environment. If it fails the generation has " +
    "failed, and the old one keeps serving: 'nginx -t'.", matching(/\S/, "a command"))),
  /** For `parseMinFree`. */
  minFree: parsed("SIZE", "Memory that must be free before a second copy of the server is " +
    "started: 512M, 2G, 10%, or auto for as much as the first one uses.", checkedSize),
  hook: withBytes(list("NAME=COMMAND", "Run this with sh at a given moment: pre-start and " +
    "ready can veto a generation by their exit status; pre-drain, post-stop and on-rollback " +
    "cannot. May be given several times.", (texts) => texts.map(parseHookSpec))),
  hookTimeoutMs: positiveTime(30_000,
    "A pre-flight or hook that takes longer is killed with its process group, and has failed."),
};

// deno-fmt-ignore: one option per entry, so that it reads as a table
export const ADMISSION = {
  order: restart("it decides how the service is taken over; --order of 'baton reload' changes it for once", choice(["auto", "start-first", "stop-first"], "auto", "What a reload does first: " +
    "start-first starts the new server beside the old one; stop-first, for servers that must " +
    "not run twice, stops the old one first, and clients wait in the queue meanwhile. auto: " +
    "stop-first for programs known to be of that kind.")),
  sharedFiles: nextGeneration(choice(["refuse", "warn", "allow"], "warn", "What to do when the new generation " +
    "has a file open for writing that the serving one writes to as well, or waits for a lock that " +
    "it holds: refuse lets the new generation fail, warn reports it, allow does not look.")),
  /** Null: all at once. */
  canary: percent("Give a new generation this percentage of the new connections until " +
    "'baton canary', 'baton promote', 'baton rollback' or --ramp changes it."),
  rampMs: time(0,
    "Shift the new connections to a new generation gradually, over this time."),
  bakeMs: time(0, "Keep the old generation running for this time after all new connections go " +
    "to the new one, which is rolled back if it exits or becomes unhealthy."),
  hold: flag("Keep the old generation running until 'baton promote' or 'baton rollback'."),
  /** Each value includes the ones after it. */
  rollbackOn: choice(["any", "5xx", "health", "crash"], "any", "What rolls back a generation on " +
    "trial: crash, that it exits; health, also a failed check of --live or --eject-after; 5xx, also " +
    "more failed requests than before, as the Envoy of --front counts them; any, also an accept " +
    "queue that overflows."),
  ejectAfterMs: time(0, "A generation that accepts nothing for this time, while connections " +
    "wait, is unhealthy: it is rolled back or replaced. 0: never."),
};

function checkedSize(text: string): string {
  parseMinFree(text);
  return text;
}
