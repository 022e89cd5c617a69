/** What an Envoy is asked before its TERM, and when it has finished. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { AdminAnswer } from "../../../src/envoy/admin_client.ts";
import { leave } from "../../../src/hot_restarter/leaving.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const ok = (body = "OK\n"): AdminAnswer => ({ status: 200, body });
const active = (...counts: readonly number[]): AdminAnswer =>
  ok(counts.map((count, index) => `http.in${index}.downstream_rq_active: ${count}\n`).join(""));

/** @param looks answers about requests, the last one again and again @returns what was asked, and what has come of it */
async function ask(
  looks: readonly AdminAnswer[],
  { goodbyes = {}, overAfterMs = Infinity }: {
    readonly goodbyes?: Readonly<Record<string, AdminAnswer>>;
    readonly overAfterMs?: number;
  } = {},
) {
  const clock = new FakeClock();
  const asked: string[] = [];
  const left = [...looks];
  const said = leave(clock, (method, path) => {
    asked.push(`${method} ${path}`);
    if (method === "POST") return Promise.resolve(goodbyes[path] ?? ok());
    return Promise.resolve((left.length > 1 ? left.shift() : left[0]) ?? ok(""));
  }, () => clock.now() >= overAfterMs);
  let text: string | null = null;
  said.then((given) => text = given);
  await clock.advance(60_000);
  return { asked, text };
}

describe("leave()", () => {
  test("says goodbye, closes the listeners, and waits for the last request", async () => {
    const { asked, text } = await ask([active(2, 1), active(0, 1), active(0, 0)]);
    assert.deepEqual(asked, [
      "POST /healthcheck/fail",
      "POST /drain_listeners",
      ...Array(3).fill("GET /stats?filter=downstream_rq_active"),
    ]);
    assert.equal(text, "all requests are finished");
  });

  test("does not count requests to the administration interface", async () => {
    const { text } = await ask([ok("http.admin.downstream_rq_active: 1\n")]);
    assert.equal(text, "all requests are finished");
  });

  test("gives up after 25 s, and says what is cut", async () => {
    const { text, asked } = await ask([active(3)]);
    assert.equal(text, "3 requests are cut: they took too long");
    assert.equal(asked.length, 2 + 251);
  });

  test("ends with a second TERM", async () => {
    const { text, asked } = await ask([active(3)], { overAfterMs: 1_000 });
    assert.equal(text, "");
    assert.equal(asked.length, 2 + 10);
  });

  for (
    const [name, answer, why] of [
      ["is gone", { failure: "refused" }, "refused"],
      ["refuses the path", { status: 403, body: "forbidden" }, "status 403"],
    ] as const
  ) {
    test(`an Envoy that ${name} has not finished`, async () => {
      const { asked, text } = await ask([active(0)], {
        goodbyes: { "/drain_listeners": answer },
      });
      assert.equal(text, `requests in flight will be cut: POST /drain_listeners: ${why}`);
      assert.equal(asked.length, 2);
      assert.equal((await ask([answer])).text, `requests in flight may be cut: GET /stats: ${why}`);
    });
  }
});
