/**
 * The HTTP interface to a running baton, as a hono app: the control socket serves all of it.
 *
 *   GET  /v1/status   Snapshot
 *   GET  /v1/summary  Summary: what changes all the time, cheap enough to be asked every second
 *   POST /v1/reload?canary=PERCENT&ramp_ms=N&bake_ms=N&hold=1&rolling=1&order=stop-first   rollout of the new
 *        generation, where it differs from the configuration; waits for the outcome: ReloadReport, 200 ok, 409 refused,
 *        502 failed
 *   POST /v1/promote, /v1/rollback, /v1/canary?percent=N   about the generation on trial: TrialReport, 200 or 409
 *   POST /v1/scale?workers=N, /v1/scale?by=N  waits until so many workers serve: ScaleReport, statuses as above
 *   POST /v1/upgrade?program=PATH  waits until the new baton serves: UpgradeReport, statuses as above
 *        with in_place=1 a success closes the connection without a response: the next response to /v1/status has a
 *        higher "incarnation"
 *   POST /v1/drain    DrainReport when the traffic has drained, or the time for that is over; the server gets no signal
 *   POST /v1/stop     202 at once; the process exits after the drain
 *   POST /v1/stop?wait=1   the same, answered when everything has ended, just before baton exits: StopReport
 *   GET  /v1/probes   ProbeReport, as the probe endpoints answer
 */
import { Hono } from "hono";
import { MAX_DURATION_MS } from "../config/values/duration.ts";
import type { Order, ReloadHow } from "../lifecycle/order.ts";
import type {
  Decision,
  DrainReport,
  ProbeReport,
  ReloadReport,
  ScaleReport,
  Snapshot,
  StopReport,
  TrialReport,
  UpgradeReport,
} from "../report/snapshot.ts";
import type { Summary } from "../report/summary.ts";

/** What the app offers. */
export interface ServiceControl {
  readonly supervisor: {
    snapshot(): Snapshot;
    summary(): Summary;
    reload(how: ReloadHow): Promise<ReloadReport>;
    decide(decision: Decision): Promise<TrialReport>;
    scale(change: { workers: number; relative: boolean }): Promise<ScaleReport>;
    upgrade(program: string | null, inPlace: boolean): Promise<UpgradeReport>;
  };
  readonly pod: {
    stop(): void;
    readonly finished: Promise<StopReport>;
    drain(): Promise<DrainReport>;
    probes(): ProbeReport;
  };
}

const STATUS_OF = { ok: 200, refused: 409, failed: 502 } as const satisfies Record<
  ReloadReport["result"],
  number
>;

export function controlApp({ supervisor, pod }: ServiceControl): Hono {
  const app = new Hono();
  app.get("/v1/status", (context) => context.json(supervisor.snapshot()));
  app.get("/v1/summary", (context) => context.json(supervisor.summary()));
  app.post("/v1/reload", async (context) => {
    const how = reloadIn(context.req.query());
    if (how === null) return context.json({ error: "a value is out of range" }, 400);
    const report = await supervisor.reload(how);
    return context.json(report, STATUS_OF[report.result]);
  });
  for (const decision of ["promote", "rollback"] as const) {
    app.post(`/v1/${decision}`, async (context) => {
      const report = await supervisor.decide(decision);
      return context.json(report, STATUS_OF[report.result]);
    });
  }
  app.post("/v1/canary", async (context) => {
    const percent = numberIn(context.req.query("percent"), 100);
    if (percent === null) return context.json({ error: "'percent' must be from 0 to 100" }, 400);
    const report = await supervisor.decide({ percent });
    return context.json(report, STATUS_OF[report.result]);
  });
  app.post("/v1/scale", async (context) => {
    const { workers, by } = context.req.query();
    const number = Number(workers ?? by ?? NaN);
    if (!Number.isSafeInteger(number) || (workers !== undefined && by !== undefined)) {
      return context.json({ error: "'workers' or 'by' must be a whole number" }, 400);
    }
    const report = await supervisor.scale({ workers: number, relative: workers === undefined });
    return context.json(report, STATUS_OF[report.result]);
  });
  app.post("/v1/upgrade", async (context) => {
    const { program = null, in_place: inPlace } = context.req.query();
    const report = await supervisor.upgrade(program, inPlace === "1");
    return context.json(report, STATUS_OF[report.result]);
  });
  app.post("/v1/stop", async (context) => {
    pod.stop();
    if (context.req.query("wait") === "1") return context.json(await pod.finished);
    return context.json({ stopping: true }, 202);
  });
  app.post("/v1/drain", async (context) => context.json(await pod.drain()));
  app.get("/v1/probes", (context) => context.json(pod.probes()));
  app.notFound((context) => context.json({ error: `no such path: ${context.req.path}` }, 404));
  app.onError((error, context) => context.json({ error: error.message }, 500));
  return app;
}

const ORDERS: readonly Order[] = ["start-first", "stop-first"];

/** @returns null for a value that `baton reload` would not send */
function reloadIn(query: Record<string, string>): ReloadHow | null {
  const order = ORDERS.find((each) => each === query["order"]);
  if (order === undefined && query["order"] !== undefined) return null;
  const numbers = [
    ["canary", "canary", 100],
    ["rampMs", "ramp_ms", MAX_DURATION_MS],
    ["bakeMs", "bake_ms", MAX_DURATION_MS],
  ] as const;
  const given = numbers.filter(([, key]) => query[key] !== undefined)
    .map(([field, key, limit]) => [field, numberIn(query[key], limit)] as const);
  if (given.some(([, value]) => value === null)) return null;
  const flags = (["hold", "rolling"] as const).filter((flag) => query[flag] !== undefined)
    .map((flag) => [flag, query[flag] === "1"] as const);
  return { ...Object.fromEntries([...given, ...flags]), ...order && { order } };
}

function numberIn(text: string | undefined, limit: number): number | null {
  const number = text === undefined || text.trim() === "" ? NaN : Number(text);
  return number >= 0 && number <= limit ? number : null;
}
