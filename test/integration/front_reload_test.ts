/**
 * Promise: the front that `baton init envoy` has written is a service of baton like any other: it is reloaded, with what
 * has changed in [front], while the service behind it is reloaded as well, and no request is lost.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { H2Load } from "../../scripts/bench/peers/h2_load.ts";
import { envoyProgram } from "../support/envoy.ts";
import { ask } from "../support/front/front_client.ts";
import { configureFront, FrontedApp } from "../support/front/fronted_app.ts";
import { certificateLines } from "../support/front/trial_certificate.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { repeats } from "../support/repeats.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const { skip } = envoyProgram();
const OPTIONS = { skip, timeout: TEST_TIMEOUT_MS };
const ROUNDS = repeats({ full: 4, quick: 1 });

describe("a front of 'baton init envoy'", OPTIONS, () => {
  test(
    "is reloaded with a changed [front] while the service is: 0 of plain HTTP lost",
    OPTIONS,
    async () => {
      using dir = tempDir();
      await using both = await FrontedApp.start(dir, "");
      const { app, front, port } = both;
      const kept = new Load({ port, mode: "keep-alive", clients: 4 }).start();
      assert.match((await ask(port, "/front")).body, /pid=/);
      for (let round = 0; round < ROUNDS; round++) {
        configureFront(dir, port, `health_path = "/front"\ntrusted_proxies = ${round}`);
        const reloads = await Promise.all([
          app.cli("reload", "app"),
          front.cli("reload", "app-front"),
        ]);
        reloads.push(await app.cli("reload", "app"));
        for (const { code, stderr } of reloads) {
          assert.equal(code, 0, `${stderr}\n${front.stderr}\n${app.stderr}`);
        }
        await kept.answersMore(50);
      }
      // Envoy itself answers now.
      await waitUntil(async () => (await ask(port, "/front")).body === "", {
        what: "[front] has changed",
      });
      // What is wrong starts no Envoy: the reload fails with the reason, and the front serves on.
      const wrong: readonly (readonly [lines: string, reason: RegExp])[] = [
        ['access_log = "/no/such/folder/log"', /no\/such\/folder/],
        ["load_balance = 1", /Unknown key "load_balance" in \[front\]/],
      ];
      for (const [lines, reason] of wrong) {
        configureFront(dir, port, lines);
        const refused = await front.cli("reload", "app-front");
        assert.equal(refused.code, 70, refused.stdout);
        assert.match(front.stderr, reason);
      }
      await kept.answersMore(50);
      const tally = await kept.stop();
      assert.equal(tally.lost, 0, formatTally(tally));
      // Its admin address is found in what was written: clients are told to go.
      assert.doesNotMatch(front.stderr, /no admin interface|cannot tell it/);
    },
  );

  test("is reloaded while the service is: 0 of HTTP/2 over TLS lost", OPTIONS, async () => {
    using dir = tempDir();
    await using both = await FrontedApp.start(dir, certificateLines());
    const { app, front, port } = both;
    const load = new H2Load({
      port,
      connections: 2,
      streams: 3,
      thinkTimeMs: 5,
      timeoutMs: 10_000,
      tls: true,
      onAnswer: () => {},
    });
    for (let round = 0; round < ROUNDS; round++) {
      const reloads = await Promise.all([
        app.cli("reload", "app"),
        front.cli("reload", "app-front"),
      ]);
      for (const { code, stderr } of reloads) {
        assert.equal(code, 0, `${stderr}\n${front.stderr}`);
      }
    }
    // The front that drains has told its clients to go, by its admin socket, and they have: it has nothing left to do.
    await waitUntil(() => load.tally.connections > 2, { what: "clients follow GOAWAY" });
    await front.settled();
    const before = load.tally.ok;
    await waitUntil(() => load.tally.ok > before + 50, { what: "answers after the reloads" });
    const tally = await load.stop();
    assert.equal(tally.lost, 0, formatTally(tally));
  });
});
