/**
 * The promise: a WebSocket through Envoy on which nothing is said is no idle connection: it has the whole drain time, and
 * counts as cut when the stop signal ends it. Envoy itself says how many it has.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startBare } from "../support/bare_server.ts";
import { type Baton, startBaton } from "../support/baton.ts";
import { envoyConfig, envoyProgram } from "../support/envoy.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { fixtureCommand } from "../support/servers.ts";
import { StreamClient } from "../support/stream_clients.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const ENVOY = envoyProgram();
const TEST = { timeout: TEST_TIMEOUT_MS, skip: ENVOY.skip };
const SILENT_MS = 600_000;

/** `use` gets two silent WebSockets through an Envoy that is reloaded then. */
async function withWebSockets(
  drainTime: string,
  use: (sockets: readonly StreamClient[], baton: Baton) => Promise<void>,
): Promise<void> {
  using dir = tempDir("envoy");
  const [port, upstream] = [await freePort(), await freePort()];
  await using _upstream = await startBare({
    command: fixtureCommand("streams.js"),
    env: { PORT: String(upstream) },
    port: upstream,
  });
  const config = envoyConfig({ port, upstream, admin: dir.join("admin") });
  const path = dir.write("envoy.json", JSON.stringify(config));
  await using baton = await startBaton({
    command: [ENVOY.path!, "-c", path, "--disable-hot-restart", "--concurrency", "2", "-l", "off"],
    env: {},
    flags: ["--drain-time", drainTime],
  });
  using clients = new DisposableStack();
  const open = () => clients.use(StreamClient.webSocket(port, SILENT_MS));
  const sockets = [open(), open()];
  await Promise.all(sockets.map((socket) => socket.waitFor(/ 101 /)));
  assert.equal((await baton.reload()).result, "ok", baton.stderr);
  await use(sockets, baton);
}

const exitOf = (baton: Baton) => /generation 0 exited (.*)/.exec(baton.stderr)?.[1];

test("silent WebSockets have the whole drain time, and count as cut then", TEST, async () => {
  await withWebSockets("2500ms", async (sockets, baton) => {
    await Promise.all(sockets.map((socket) => socket.ended()));
    const { lastReload } = await baton.settled();
    const { connections, phases } = lastReload ?? {};
    assert.deepEqual([connections?.cut, connections?.finished], [2, 0], baton.stderr);
    const draining = phases?.find(({ epoch, phase }) => epoch === 0 && phase === "draining");
    assert.ok((draining?.durationMs ?? 0) > 1_500, JSON.stringify(phases));
    assert.match(exitOf(baton) ?? "", /^cut=2/);
  });
});

test("when the last one has ended, the old Envoy is stopped", TEST, async () => {
  await withWebSockets("60s", async (sockets, baton) => {
    for (const socket of sockets) socket[Symbol.dispose]();
    await waitUntil(() => exitOf(baton) !== undefined, { what: `it ends\n${baton.stderr}` });
    assert.equal(exitOf(baton), "cut=0");
  });
});
