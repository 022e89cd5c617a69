/**
 * Promise: the front that `baton init envoy` has written is a service of baton like any other: it is reloaded, with what
 * has changed in [front], while the service behind it is reloaded as well, and no request is lost.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { H2Load } from "../../scripts/bench/peers/h2_load.ts";
import { parseConfigText } from "../../src/config/config_file.ts";
import { type Baton, batonCommand, runCommand, startBaton } from "../support/baton.ts";
import { envoyProgram } from "../support/envoy.ts";
import { freePort } from "../support/free_port.ts";
import { ask } from "../support/front/front_client.ts";
import { certificateLines } from "../support/front/trial_certificate.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { repeats } from "../support/repeats.ts";
import { fixtureCommand } from "../support/servers.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const { path: ENVOY, skip } = envoyProgram();
const OPTIONS = { skip, timeout: TEST_TIMEOUT_MS };
const ROUNDS = repeats({ full: 4, quick: 1 });

/** The service's baton.toml, with these lines in [front] besides. @returns its path */
function configure(dir: TempDir, port: number, lines: string): string {
  const command = JSON.stringify(fixtureCommand("node_http.js"));
  const front = `eds = "${
    dir.join("f/eds.yaml")
  }"\nenvoy = "${ENVOY}"\nlisten = "127.0.0.1:${port}"`;
  return dir.write(
    "baton.toml",
    `name = "app"\ncommand = ${command}\n[front]\n${front}\n${lines}\n`,
  );
}

interface Both extends AsyncDisposable {
  readonly app: Baton;
  readonly front: Baton;
  readonly port: number;
}

async function start(dir: TempDir, lines: string): Promise<Both> {
  const [port, behind] = [await freePort(), await freePort()];
  const file = configure(dir, port, lines);
  const made = await runCommand([...batonCommand(), "init", "envoy", "--config", file]);
  assert.equal(made.code, 0, made.stderr);
  const service = dir.join("f/baton.toml");
  const { values } = parseConfigText(readFileSync(service, "utf8"), service);
  const command = values.get("command") as string[];
  const front = await startBaton({
    command,
    name: "app-front",
    flags: ["--config", service],
    env: {},
  });
  const env = { PORT: String(behind) };
  const app = await startBaton({
    command: fixtureCommand("node_http.js"),
    name: "app",
    flags: ["--config", file],
    env,
  });
  await waitUntil(async () => (await rawStatus(port, lines)) === 200, { what: "the front serves" });
  return {
    app,
    front,
    port,
    async [Symbol.asyncDispose]() {
      await front[Symbol.asyncDispose]();
      await app[Symbol.asyncDispose]();
    },
  };
}

async function rawStatus(port: number, lines: string): Promise<number> {
  if (!lines.includes("certificate")) return (await ask(port)).status;
  const load = new H2Load({
    port,
    connections: 1,
    streams: 1,
    thinkTimeMs: 20,
    timeoutMs: 5_000,
    tls: true,
    onAnswer: () => {},
  });
  await waitUntil(() => load.tally.ok + load.tally.lost > 0, { what: "an answer" });
  return (await load.stop()).lost === 0 ? 200 : 0;
}

describe("a front of 'baton init envoy'", OPTIONS, () => {
  test(
    "is reloaded with a changed [front] while the service is: 0 of plain HTTP lost",
    OPTIONS,
    async () => {
      using dir = tempDir();
      await using both = await start(dir, "");
      const { app, front, port } = both;
      const kept = new Load({ port, mode: "keep-alive", clients: 4 }).start();
      assert.match((await ask(port, "/front")).body, /pid=/);
      for (let round = 0; round < ROUNDS; round++) {
        configure(dir, port, `health_path = "/front"\ntrusted_proxies = ${round}`);
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
        configure(dir, port, lines);
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
    await using both = await start(dir, certificateLines());
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
