/**
 * baton's own part of the admin API: state, and what changes it. Requests that change something wait for the outcome, and
 * the status says how it ended: 200 ok, 409 refused, 502 failed. `upgrade` in place closes the connection without a
 * response when it succeeds: the next response to /v1/status has a higher "incarnation".
 */
import * as v from "valibot";
import { MAX_DURATION_MS } from "../../config/values/duration.ts";
import type { AdminParts } from "../admin_parts.ts";
import {
  DRAIN_REPLY,
  PROBE_REPLY,
  RELOAD_REPLY,
  SCALE_REPLY,
  STATUS_REPLY,
  STOP_REPLY,
  SUMMARY_REPLY,
  TRIAL_REPLY,
  UPGRADE_REPLY,
} from "../replies.ts";
import type { Routes } from "./routes.ts";

const STATUS_OF = { ok: 200, refused: 409, failed: 502 } as const;

const percent = v.pipe(v.number(), v.minValue(0), v.maxValue(100));
const durationMs = v.pipe(v.number(), v.minValue(0), v.maxValue(MAX_DURATION_MS));
const maybe = v.exactOptional;
const NO_PARAMETERS = v.strictObject({});

const RELOAD_QUERY = v.strictObject({
  canary: maybe(percent),
  ramp_ms: maybe(durationMs),
  bake_ms: maybe(durationMs),
  hold: maybe(v.boolean()),
  rolling: maybe(v.boolean()),
  order: maybe(v.picklist(["start-first", "stop-first"])),
});

/** The replies of a request whose outcome is waited for. */
function outcomes(schema: v.GenericSchema) {
  return {
    200: { what: "It is done", schema },
    409: { what: "It was refused, and nothing has changed", schema },
    502: { what: "It has failed", schema },
  } as const;
}

export function mountV1(routes: Routes, parts: AdminParts): void {
  mountState(routes, parts);
  mountReleases(routes, parts);
  mountScale(routes, parts);
  mountUpgrade(routes, parts);
  mountEnd(routes, parts);
}

/** What only looks. */
function mountState(routes: Routes, { supervisor, pod }: AdminParts): void {
  const read = (path: string, summary: string, schema: v.GenericSchema, now: () => object) =>
    routes.add({
      method: "GET",
      path,
      summary,
      query: null,
      replies: { 200: { what: "As it is now", schema } },
    }, (_, context) => context.json(now()));

  read(
    "/v1/status",
    "state of the service, as baton status --json prints it",
    STATUS_REPLY,
    () => supervisor.snapshot(),
  );
  read(
    "/v1/summary",
    "what changes all the time, cheap enough to be asked every second",
    SUMMARY_REPLY,
    () => supervisor.summary(),
  );
  read(
    "/v1/probes",
    "whether the service has started, is ready, and is live",
    PROBE_REPLY,
    () => pod.probes(),
  );
}

/** A new generation, and what becomes of one on trial. */
function mountReleases(routes: Routes, { supervisor }: AdminParts): void {
  routes.add({
    method: "POST",
    path: "/v1/reload",
    summary: "start a new generation; parameters deviate from the configured rollout",
    query: RELOAD_QUERY,
    replies: outcomes(RELOAD_REPLY),
  }, async ({ ramp_ms: rampMs, bake_ms: bakeMs, ...how }, context) => {
    const times = { ...rampMs !== undefined && { rampMs }, ...bakeMs !== undefined && { bakeMs } };
    const report = await supervisor.reload({ ...how, ...times });
    return context.json(report, STATUS_OF[report.result]);
  });

  for (const decision of ["promote", "rollback"] as const) {
    routes.add({
      method: "POST",
      path: `/v1/${decision}`,
      summary: decision === "promote"
        ? "let the generation on trial serve all"
        : "give all new connections back to the generation before the one on trial",
      query: NO_PARAMETERS,
      replies: outcomes(TRIAL_REPLY),
    }, async (_, context) => {
      const report = await supervisor.decide(decision);
      return context.json(report, STATUS_OF[report.result]);
    });
  }

  routes.add({
    method: "POST",
    path: "/v1/canary",
    summary: "give the generation on trial this percentage of the new connections",
    query: v.strictObject({ percent }),
    replies: outcomes(TRIAL_REPLY),
  }, async (share, context) => {
    const report = await supervisor.decide(share);
    return context.json(report, STATUS_OF[report.result]);
  });
}

function mountScale(routes: Routes, { supervisor }: AdminParts): void {
  routes.add({
    method: "POST",
    path: "/v1/scale",
    summary: "run so many workers, or so many more or fewer; one of the two parameters",
    query: v.strictObject({
      workers: maybe(v.pipe(v.number(), v.safeInteger())),
      by: maybe(v.pipe(v.number(), v.safeInteger())),
    }),
    replies: outcomes(SCALE_REPLY),
  }, async ({ workers, by }, context) => {
    const number = workers ?? by;
    if (number === undefined || (workers !== undefined && by !== undefined)) {
      return context.json({ error: "give 'workers' or 'by', a whole number" }, 400);
    }
    const report = await supervisor.scale({ workers: number, relative: workers === undefined });
    return context.json(report, STATUS_OF[report.result]);
  });
}

function mountUpgrade(routes: Routes, { supervisor }: AdminParts): void {
  routes.add({
    method: "POST",
    path: "/v1/upgrade",
    summary: "replace baton itself",
    query: v.strictObject({ program: maybe(v.string()), in_place: maybe(v.boolean()) }),
    replies: outcomes(UPGRADE_REPLY),
  }, async ({ program = null, in_place: inPlace = false }, context) => {
    const report = await supervisor.upgrade(program, inPlace);
    return context.json(report, STATUS_OF[report.result]);
  });
}

/** The end of the service, or of its traffic only. */
function mountEnd(routes: Routes, { pod }: AdminParts): void {
  routes.add({
    method: "POST",
    path: "/v1/stop",
    summary: "stop the service as TERM does; with wait=1 the answer comes just before baton exits",
    query: v.strictObject({ wait: maybe(v.boolean()) }),
    replies: {
      200: { what: "Everything has ended", schema: STOP_REPLY },
      202: { what: "The stop has begun", schema: v.object({ stopping: v.boolean() }) },
    },
  }, async ({ wait }, context) => {
    pod.stop();
    if (wait) return context.json(await pod.finished);
    return context.json({ stopping: true }, 202);
  });

  routes.add({
    method: "POST",
    path: "/v1/drain",
    summary: "wait until the traffic has drained; the server gets no signal",
    query: NO_PARAMETERS,
    replies: {
      200: { what: "It has drained, or the time for that is over", schema: DRAIN_REPLY },
    },
  }, async (_, context) => context.json(await pod.drain()));
}
