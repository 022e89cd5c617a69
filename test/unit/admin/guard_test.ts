/** What the guard of the admin API writes into baton's log. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { Hono } from "hono";
import { guard } from "../../../src/admin/guard.ts";
import type { AdminEnv } from "../../../src/admin/routes/routes.ts";
import { tempDir } from "../../support/temp_dir.ts";

const TOKEN = "0123456789abcdef";
const MOST_REFUSALS = 20;
const REFUSALS_MS = 10_000;

function guarded(tokenFile: string, onCall = () => {}) {
  const lines: string[] = [];
  const clock = { nowMs: 0 };
  const app = new Hono<AdminEnv>();
  app.use(guard({
    access: { hosts: [], isLocal: false, tokenFile },
    log: { info: (line) => lines.push(line) },
    facts: { nowMs: () => clock.nowMs },
  }));
  app.post("/", (context) => {
    onCall();
    return context.text("done");
  });
  return { app, lines, clock };
}

describe("guard()", () => {
  it("writes down a change of a client that has left before it ends", async () => {
    using dir = tempDir();
    const path = dir.join("token");
    writeFileSync(path, TOKEN, { mode: 0o600 });
    let isHere = true;
    const { app, lines } = guarded(path, () => void (isHere = false));
    const client = () => {
      assert.ok(isHere, "it is asked while it is there");
      return "127.0.0.1:4000";
    };
    const headers = { authorization: `Bearer ${TOKEN}` };
    const answer = await app.request("/", { method: "POST", headers }, { client });
    assert.equal(answer.status, 200);
    assert.deepEqual(lines, ["admin: POST / from 127.0.0.1:4000: 200"]);
  });

  it("writes down some of a crowd that is refused, and how many there were", async () => {
    const { app, lines, clock } = guarded("/nowhere");
    for (let i = 0; i < MOST_REFUSALS + 100; i++) await app.request("/", { method: "POST" });
    assert.equal(lines.length, MOST_REFUSALS);
    assert.match(lines[0]!, /^admin: POST \/ from \?: 401$/);
    clock.nowMs += REFUSALS_MS;
    await app.request("/", { method: "POST" });
    assert.match(lines[MOST_REFUSALS]!, /: 100 more were refused/);
    assert.equal(lines.length, MOST_REFUSALS + 2);
  });
});
