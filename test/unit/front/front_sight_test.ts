/** What status shows of the Envoys of a front, and how often they are asked for that. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { FrontSight } from "../../../src/front/front_sight.ts";
import type { EnvoyView } from "../../../src/front/front_view.ts";
import { FakeClock } from "../../support/fake_clock.ts";

function envoy(admin: string, result: EnvoyView["result"]): EnvoyView {
  return { admin, result, detail: null };
}

it("FrontSight knows of when its view is, and who follows", async () => {
  const clock = new FakeClock();
  const sight = new FrontSight(clock);
  assert.deepEqual(sight.view, { envoys: [], askedAt: null, lastError: null });
  assert.equal(sight.isFollowed(1), false);
  sight.see([envoy("a", "follows"), envoy("b", "follows")]);
  const seenAt = new Date(clock.wallMs()).toISOString();
  await clock.advance(5_000);
  assert.equal(sight.view.askedAt, seenAt);
  assert.equal(sight.isFollowed(2), true);
  sight.miss([envoy("b", "absent")]);
  sight.noteError("b: refused");
  assert.deepEqual(sight.view.envoys, [envoy("a", "follows"), envoy("b", "absent")]);
  assert.deepEqual([sight.isFollowed(1), sight.isFollowed(2)], [true, false]);
  const at = new Date(clock.wallMs()).toISOString();
  assert.deepEqual(sight.view.lastError, { reason: "b: refused", at });
});

it("FrontSight asks at most once a second, and never twice at once", async () => {
  const clock = new FakeClock();
  const sight = new FrontSight(clock);
  const asked: PromiseWithResolvers<void>[] = [];
  const refresh = () =>
    sight.refresh(() => {
      const look = Promise.withResolvers<void>();
      asked.push(look);
      return look.promise;
    });
  const first = refresh();
  await refresh();
  assert.equal(asked.length, 1);
  asked[0]?.resolve();
  await first;
  sight.see([]);
  await clock.advance(990);
  await refresh();
  assert.equal(asked.length, 1);
  await clock.advance(20);
  void refresh();
  assert.equal(asked.length, 2);
});
