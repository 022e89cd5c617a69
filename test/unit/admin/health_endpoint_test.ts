/** The health check of Envoy's kind, in its three modes. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type HealthEndpointOptions,
  healthHandler,
  type PassedAnswer,
  type ServiceHealth,
} from "../../../src/admin/health_endpoint.ts";

const LIVE: ServiceHealth = {
  isDraining: false,
  isReady: true,
  workers: { serving: 2, total: 4 },
};

function handlerOf(health: ServiceHealth, more: Partial<HealthEndpointOptions> = {}) {
  const handler = healthHandler({
    path: "/healthcheck",
    name: "web",
    passThrough: null,
    minHealthyPercent: 0,
    nowMs: () => 0,
    service: () => health,
    ...more,
  }, () => new Response("another", { status: 404 }));
  return async (path = "/healthcheck") => {
    const answer = await handler(new Request(`http://baton${path}`), () => "");
    return {
      status: answer.status,
      body: await answer.text(),
      name: answer.headers.get("x-envoy-upstream-healthchecked-cluster"),
      fails: answer.headers.get("x-envoy-immediate-health-check-fail"),
    };
  };
}

describe("without pass-through", () => {
  const table: [
    health: Partial<ServiceHealth>,
    min: number,
    status: number,
    fails: string | null,
  ][] = [
    [{}, 0, 200, null],
    [{}, 50, 200, null],
    [{}, 50.01, 503, null],
    [{}, 100, 503, null],
    [{ workers: { serving: 4, total: 4 } }, 100, 200, null],
    [{ isReady: false }, 0, 503, null],
    [{ isDraining: true }, 0, 503, "true"],
    [{ isDraining: true, isReady: false }, 0, 503, "true"],
  ];
  for (const [given, minHealthyPercent, status, fails] of table) {
    it(`${JSON.stringify(given)}, at least ${minHealthyPercent} %: ${status}`, async () => {
      const ask = handlerOf({ ...LIVE, ...given }, { minHealthyPercent });
      assert.deepEqual(await ask(), { status, body: "", name: "web", fails });
      assert.equal((await ask("/readyz")).body, "another");
    });
  }
});

describe("with pass-through", () => {
  function server(...answers: (PassedAnswer | null)[]) {
    const asked: string[] = [];
    const ask = (target: string) => {
      asked.push(target);
      return Promise.resolve(answers[asked.length - 1] ?? null);
    };
    return { asked, ask };
  }
  const answer = (status: number, body = "fine") => ({ status, type: "text/plain", body });

  it("the server answers, each time, and 503 stands for no answer", async () => {
    const { asked, ask } = server(answer(200), answer(418), null, answer(204, ""));
    const check = handlerOf(LIVE, { passThrough: { cacheMs: 0, ask } });
    const got = [];
    for (let i = 0; i < 4; i++) got.push(await check("/healthcheck?deep=1"));
    assert.deepEqual(got.map(({ status, body }) => [status, body]), [
      [200, "fine"],
      [418, "fine"],
      [503, ""],
      [204, ""],
    ]);
    assert.deepEqual(asked, Array(4).fill("/healthcheck?deep=1"));
    assert.ok(got.every(({ name, fails }) => name === "web" && fails === null));
  });

  it("it is not asked while the service drains", async () => {
    const { asked, ask } = server(answer(200));
    const check = handlerOf({ ...LIVE, isDraining: true }, { passThrough: { cacheMs: 0, ask } });
    assert.deepEqual(await check(), { status: 503, body: "", name: "web", fails: "true" });
    assert.deepEqual(asked, []);
  });

  it("with a cache its status counts for that time, and all who ask at once share one", async () => {
    const { asked, ask } = server(answer(200), answer(503), answer(200));
    let nowMs = 0;
    const check = handlerOf(LIVE, { nowMs: () => nowMs, passThrough: { cacheMs: 1_000, ask } });
    const statuses = async () =>
      (await Promise.all([check(), check()])).map(({ status }) => status);
    assert.deepEqual(await statuses(), [200, 200]);
    nowMs = 999;
    assert.deepEqual(await statuses(), [200, 200]);
    assert.equal(asked.length, 1);
    nowMs = 1_000;
    assert.deepEqual(await statuses(), [503, 503]);
    assert.equal(asked.length, 2);
  });
});
