/**
 * The promise: `baton run -- envoy -c FILE --disable-hot-restart`, without an option, loses no request of clients that keep
 * their connections, HTTP/1 and HTTP/2. It finds the admin address, has the old Envoy say goodbye, and waits for LIVE.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { H2Load } from "../../scripts/bench/peers/h2_load.ts";
import { type Baton, startBaton } from "../support/baton.ts";
import { certificate } from "../support/certificate.ts";
import { ENVOY_VERSIONS, envoyConfig, type EnvoyOptions, envoyProgram } from "../support/envoy.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load, type Tally } from "../support/load.ts";
import { IS_FULL, repeats } from "../support/repeats.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const ENVOY = envoyProgram();
const RELOADS = repeats({ full: 5, quick: 1 });
const DRAIN = ["--drain-time", "5s"];
/** Answers before a reload, and from the new generation after it. */
const ENOUGH = 20;

interface Clients {
  readonly name: string;
  readonly tally: Tally;
  stop(): Promise<Tally>;
}

function write(dir: TempDir, options: EnvoyOptions): string {
  return dir.write("envoy.json", JSON.stringify(envoyConfig(options)));
}

function words(program: string, config: string): string[] {
  const quiet = ["--disable-hot-restart", "--concurrency", "2", "-l", "off"];
  return [program, "-c", config, ...quiet];
}

function plainClients(port: number): Clients[] {
  const kept = (thinkTimeMs: number): Clients => {
    const load = new Load({ port, mode: "keep-alive", clients: 3, thinkTimeMs });
    load.start();
    return { name: `kept, pause ${thinkTimeMs} ms`, tally: load.tally, stop: () => load.stop() };
  };
  return [kept(0), kept(20), h2Clients("h2c", port)];
}

function h2Clients(name: string, port: number, tls = false): Clients {
  const load = new H2Load({
    port,
    tls,
    connections: 2,
    streams: 3,
    thinkTimeMs: 2,
    timeoutMs: 10_000,
    onAnswer: () => {},
  });
  return { name, tally: load.tally, stop: () => load.stop() };
}

function newClients(port: number): Clients {
  const load = new Load({ port, clients: 3, thinkTimeMs: 2 });
  load.start();
  return { name: "new", tally: load.tally, stop: () => load.stop() };
}

/** Each of them gets so many more answers. */
async function served(clients: readonly Clients[], more = ENOUGH): Promise<void> {
  const before = clients.map(({ tally }) => tally.ok);
  const are = () => clients.every(({ tally }, index) => tally.ok >= before[index]! + more);
  await waitUntil(are, { what: "all clients are served" });
}

async function reloadUnder(clients: readonly Clients[], baton: Baton, reloads: number) {
  await served(clients);
  for (let nth = 0; nth < reloads; nth++) {
    const { result, reason } = await baton.reload();
    assert.equal(result, "ok", `${reason}\n${baton.stderr}`);
    await served(clients);
    // The one that says goodbye has no client left.
    await baton.settled();
  }
  return await Promise.all(clients.map(async ({ name, stop }) => ({ name, tally: await stop() })));
}

function lostNone(all: Awaited<ReturnType<typeof reloadUnder>>, baton: Baton): void {
  for (const { name, tally } of all) {
    assert.equal(tally.lost, 0, `${name}: ${formatTally(tally)}\n${baton.stderr}`);
  }
}

describe("Envoy", () => {
  test(
    `${RELOADS} reload(s): clients that keep their connections lose nothing, and are gone before it is stopped`,
    { skip: ENVOY.skip, timeout: TEST_TIMEOUT_MS },
    async () => {
      using dir = tempDir();
      const port = await freePort();
      const config = write(dir, { port, admin: await freePort() });
      await using baton = await startBaton({
        command: words(ENVOY.path!, config),
        env: {},
        flags: DRAIN,
      });
      lostNone(await reloadUnder(plainClients(port), baton, RELOADS), baton);
      const { lastReload } = await baton.status();
      assert.equal(lastReload?.connectionsCut, 0);
      assert.match(baton.stderr, /generation 0 has been asked to say goodbye.*\/healthcheck\/fail/);
    },
  );

  test(
    "is ready when it is LIVE: one that waits for its control plane is not, and the old one serves on",
    { skip: ENVOY.skip, timeout: TEST_TIMEOUT_MS },
    async () => {
      using dir = tempDir();
      const [port, away] = [await freePort(), await freePort()];
      const options = { port, admin: dir.join("admin.sock") };
      const config = write(dir, options);
      await using baton = await startBaton({ command: words(ENVOY.path!, config), env: {} });
      const unreachable = { ...envoyConfig({ ...options, upstream: away }), ...CONTROLLED };
      writeFileSync(config, JSON.stringify(unreachable));
      const reloaded = baton.reload();
      const waits = /envoy: \/ready.*status 503: \w*INITIALIZING/;
      const candidate = await waitUntil(async () => {
        const { generations } = await baton.status();
        const found = generations.find(({ epoch }) => epoch === 1);
        return waits.test(JSON.stringify(found?.checks)) && found;
      }, { what: "it listens at its admin socket, and is not LIVE" });
      assert.equal(candidate.state, "probing");
      process.kill(candidate.pid!, "SIGKILL");
      assert.equal((await reloaded).result, "failed");
      assert.equal((await baton.status()).epoch, 0, baton.stderr);
    },
  );

  test(
    "without an admin interface baton says so once, with the lines to add",
    { skip: ENVOY.skip, timeout: TEST_TIMEOUT_MS },
    async () => {
      using dir = tempDir();
      const config = write(dir, { port: await freePort() });
      const script = dir.write("start.sh", `exec ${words(ENVOY.path!, config).join(" ")}\n`);
      await using baton = await startBaton({ command: ["sh", script], env: {} });
      assert.equal((await baton.reload()).result, "ok", baton.stderr);
      await baton.settled();
      const notices = baton.stderr.match(/no admin interface.*Add admin: \{address/g);
      assert.equal(notices?.length, 1, baton.stderr);
    },
  );
});

/** Clusters come from a control plane, which does not answer. */
const CONTROLLED = {
  dynamic_resources: {
    cds_config: {
      resource_api_version: "V3",
      initial_fetch_timeout: "60s",
      api_config_source: {
        api_type: "GRPC",
        transport_api_version: "V3",
        grpc_services: [{ envoy_grpc: { cluster_name: "app" } }],
      },
    },
  },
};

describe("Envoy, all clients", { skip: !IS_FULL && "BATON_TEST_FULL=1" }, () => {
  for (const version of ENVOY_VERSIONS) {
    const envoy = envoyProgram(version);
    for (const call of ["by itself", "none"] as const) {
      const what = call === "none" ? "lose without its goodbye" : "lose nothing";
      test(
        `${version}: 5 reloads under new, kept, h2c and h2 over TLS ${what}`,
        { skip: envoy.skip, timeout: TEST_TIMEOUT_MS },
        async () => {
          using dir = tempDir();
          const { TLS_CERT: cert, TLS_KEY: key } = certificate(dir);
          const [port, tls] = [await freePort(), await freePort()];
          const options = { port, admin: await freePort(), tls: { port: tls, cert, key } };
          const config = write(dir, options);
          const flags = call === "none" ? ["--drain-call", "none", "--drain-time", "2s"] : DRAIN;
          const command = words(envoy.path!, config);
          await using baton = await startBaton({ command, env: {}, flags });
          const clients = [...plainClients(port), newClients(port), h2Clients("h2", tls, true)];
          const all = await reloadUnder(clients, baton, 5);
          for (const { name, tally } of all) {
            process.stderr.write(`${version}, ${call}: ${name}: ${formatTally(tally)}\n`);
          }
          if (call === "by itself") return lostNone(all, baton);
          assert.ok(all.some(({ tally }) => tally.lost > 0), "the goodbye makes no difference");
        },
      );
    }
  }
});
