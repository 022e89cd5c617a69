/** One look at the connections for all readers. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConnectionLook, NOTHING_SEEN } from "../../../../src/supervisor/views/connection_look.ts";
import { FakeClock } from "../../../support/fake_clock.ts";

describe("ConnectionLook", () => {
  function looked() {
    const clock = new FakeClock();
    const said: string[] = [];
    const parts = { looks: 0, fails: false };
    const look = new ConnectionLook(clock, () => {
      parts.looks++;
      if (parts.fails) throw new Error("no descriptor left");
      return new Map([[parts.looks, NOTHING_SEEN]]);
    }, (line) => said.push(line));
    return { clock, look, parts, said };
  }

  it("readers within half a second share one, and see its age", async () => {
    const { clock, look, parts } = looked();
    look.read();
    await clock.advance(400);
    assert.deepEqual([...look.read().seen.keys()], [1]);
    assert.equal(look.read().ageMs, 400);
    await clock.advance(100);
    assert.deepEqual([...look.read().seen.keys()], [2]);
    assert.equal(parts.looks, 2);
  });

  it("without a reader there is none", async () => {
    const { clock, parts } = looked();
    await clock.advance(60_000);
    assert.equal(parts.looks, 0);
  });

  it("one that fails shows what was seen before, and is reported", async () => {
    const { clock, look, parts, said } = looked();
    look.read();
    parts.fails = true;
    await clock.advance(1_000);
    const { seen, ageMs } = look.read();
    assert.deepEqual([...seen.keys()], [1]);
    assert.equal(ageMs, 1_000);
    assert.deepEqual(said, ["cannot look at the connections: no descriptor left"]);
  });

  it("until the first has succeeded, nothing is known", () => {
    const { look, parts } = looked();
    parts.fails = true;
    assert.equal(look.read().ageMs, null);
  });
});
