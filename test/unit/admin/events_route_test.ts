/** `GET /v1/events`: what it opens, and what it refuses. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AdminParts } from "../../../src/admin/admin_parts.ts";
import { mountEvents } from "../../../src/admin/routes/events.ts";
import { Routes } from "../../../src/admin/routes/routes.ts";

type Opened = readonly [after: number | null, patterns: readonly string[]];

function routesWith(isFull = false) {
  const opened: Opened[] = [];
  const routes = new Routes();
  mountEvents(routes, {
    events: {
      open: (after: number | null, patterns: readonly string[]) => {
        opened.push([after, patterns]);
        return isFull ? null : new Blob(["data: {}\n\n"]).stream();
      },
      lines: (after: number, patterns: readonly string[]) => JSON.stringify([after, patterns]),
    },
  } as unknown as AdminParts);
  return { opened, request: (path: string, init?: RequestInit) => routes.app.request(path, init) };
}

describe("GET /v1/events", () => {
  for (
    const [what, path, lastId, expected] of [
      ["only what comes", "", null, [null, []]],
      ["all that is kept", "?since=0&events=*", null, [0, ["*"]]],
      ["some names", "?events=reload.*,%20generation.failed", null, [null, [
        "reload.*",
        "generation.failed",
      ]]],
      ["what a client has missed", "?since=5", "17", [17, []]],
      ["what it began with, after an id that is none", "?since=5", "x", [5, []]],
      ["what it began with, without an id", "?since=5", "", [5, []]],
    ] as const
  ) {
    it(`streams ${what}`, async () => {
      const { opened, request } = routesWith();
      const headers: Record<string, string> = lastId === null ? {} : { "last-event-id": lastId };
      const response = await request(`/v1/events${path}`, { headers });
      assert.equal(response.headers.get("content-type"), "text/event-stream");
      assert.equal(await response.text(), "data: {}\n\n");
      assert.deepEqual(opened, [expected]);
    });
  }

  for (
    const [name, why] of [
      ["reload.succeded", 'there is no such event: did you mean "reload.succeeded"?'],
      ["reloads.*", "there is no such event"],
      ["*.failed", "it cannot be the name of an event"],
    ]
  ) {
    it(`refuses ${name}, of which nothing would ever come`, async () => {
      const { opened, request } = routesWith();
      const response = await request(`/v1/events?events=trial.*,${name}`);
      assert.equal(response.status, 400);
      assert.deepEqual(await response.json(), { error: `'events': Cannot use "${name}": ${why}` });
      assert.deepEqual(opened, []);
    });
  }

  it("prints what is kept as lines", async () => {
    const { opened, request } = routesWith();
    const response = await request("/v1/events?follow=0&since=7&events=trial.*");
    assert.equal(response.headers.get("content-type"), "application/x-ndjson");
    assert.deepEqual(await response.json(), [7, ["trial.*"]]);
    assert.deepEqual(opened, []);
  });

  it("opens nothing for HEAD, whose stream would never be read", async () => {
    const { opened, request } = routesWith();
    assert.equal((await request("/v1/events", { method: "HEAD" })).status, 200);
    assert.deepEqual(opened, []);
  });

  it("refuses one client too many, and what it does not know", async () => {
    assert.equal((await routesWith(true).request("/v1/events")).status, 503);
    for (const query of ["since=-1", "since=x", "follow=maybe", "other=1"]) {
      assert.equal((await routesWith().request(`/v1/events?${query}`)).status, 400, query);
    }
  });
});
