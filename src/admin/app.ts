/**
 * The HTTP interface to a running baton, as a hono app: the control socket serves all of it.
 *
 *   GET  /v1/status   Snapshot
 *   POST /v1/reload   waits for the verdict: ReloadReport, 200 ok, 409 refused, 502 failed
 *   POST /v1/upgrade?program=PATH  waits until the new baton serves: UpgradeReport, statuses as above
 *        with in_place=1 the connection ends without an answer when it succeeds: the next answer to
 *        /v1/status has a higher "incarnation"
 *   POST /v1/drain    waits until the traffic has been waited out; the server gets no signal
 *   POST /v1/stop     202 at once; the process ends when the drain is over
 *   GET  /v1/probes   ProbeReport, as the probe endpoints answer
 */
import { Hono } from "hono";
import type { ProbeReport, ReloadReport, Snapshot, UpgradeReport } from "../supervisor/snapshot.ts";

/** What the app needs of a supervisor. */
export interface ServiceControl {
  snapshot(): Snapshot;
  reload(): Promise<ReloadReport>;
  upgrade(program: string | null, inPlace: boolean): Promise<UpgradeReport>;
  stop(): void;
  drain(): Promise<void>;
  probes(): ProbeReport;
}

const STATUS_OF = { ok: 200, refused: 409, failed: 502 } as const satisfies Record<
  ReloadReport["result"],
  number
>;

export function controlApp(service: ServiceControl): Hono {
  const app = new Hono();
  app.get("/v1/status", (context) => context.json(service.snapshot()));
  app.post("/v1/reload", async (context) => {
    const report = await service.reload();
    return context.json(report, STATUS_OF[report.result]);
  });
  app.post("/v1/upgrade", async (context) => {
    const { program = null, in_place: inPlace } = context.req.query();
    const report = await service.upgrade(program, inPlace === "1");
    return context.json(report, STATUS_OF[report.result]);
  });
  app.post("/v1/stop", (context) => {
    service.stop();
    return context.json({ stopping: true }, 202);
  });
  app.post("/v1/drain", async (context) => {
    await service.drain();
    return context.json({ drained: true });
  });
  app.get("/v1/probes", (context) => context.json(service.probes()));
  app.notFound((context) => context.json({ error: `no such path: ${context.req.path}` }, 404));
  app.onError((error, context) => context.json({ error: error.message }, 500));
  return app;
}
