/**
 * The real servers, bare: each starts, serves 200 requests over new and over kept connections without losing one,
 * and ends. So a loss seen under baton is not the server's, nor the load generator's.
 */
import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { describe, test } from "node:test";
import { startBare } from "../support/bare_server.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load, type Tally } from "../support/load.ts";
import { alive, children, listeners } from "../support/proc.ts";
import { place, type RealServer, SERVERS } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const REQUESTS = 200;

function assertAllServed(tally: Tally): void {
  assert.equal(tally.lost, 0, formatTally(tally));
  assert.equal(tally.ok, REQUESTS, formatTally(tally));
  assert.deepEqual([...tally.byVersion.keys()], ["7"], formatTally(tally));
}

async function servesBare(server: RealServer, host: string): Promise<void> {
  using dir = tempDir();
  const port = await freePort();
  const runnable = place(server, { port, workDir: dir.path, host, version: "7" });
  await using bare = await startBare({ ...runnable, port, host });
  const processes = [bare.pid, ...children(bare.pid)];

  const closing = await new Load({ port, host, maxRequests: REQUESTS }).start().finished();
  assertAllServed(closing);
  const keeping = await new Load({ port, host, maxRequests: REQUESTS, mode: "keep-alive" })
    .start().finished();
  assertAllServed(keeping);
  const kept = keeping.connections < REQUESTS;
  assert.equal(kept, server.keepsAlive, `keepsAlive is wrong: ${formatTally(keeping)}`);
  if (server.slow) {
    const slow = await new Load({ port, host, path: "/slow?ms=50", clients: 1, maxRequests: 1 })
      .start().finished();
    assert.ok(slow.ok === 1 && slow.maxLatencyMs >= 49, formatTally(slow));
  }
  for (const pid of [...closing.byBody.keys(), ...keeping.byBody.keys()]) {
    assert.ok(processes.includes(pid) || children(bare.pid).includes(pid), `pid ${pid} is foreign`);
  }

  bare.signal("SIGTERM");
  await waitUntil(() => bare.exit, { what: `${server.id} exits on SIGTERM` });
  await waitUntil(() => !processes.some(alive), { what: `no process of ${server.id} is left` });
  assert.deepEqual(listeners().filter((listener) => listener.port === port), []);
}

function loopbackHasIpv6(): boolean {
  return Object.values(networkInterfaces()).flat().some((each) => each?.address === "::1");
}

describe("a real server, bare", () => {
  const noIpv6 = loopbackHasIpv6() ? null : "there is no ::1 here";
  for (const server of SERVERS) {
    const missing = server.needs();
    const why = (reason: string | null) => reason === null ? "" : ` [${reason}]`;
    test(`${server.id} loses no request and ends by SIGTERM${why(missing)}`, {
      skip: missing ?? false,
      timeout: TEST_TIMEOUT_MS,
    }, () => servesBare(server, "127.0.0.1"));
    test(`${server.id} does so on IPv6${why(missing ?? noIpv6)}`, {
      skip: missing ?? noIpv6 ?? false,
      timeout: TEST_TIMEOUT_MS,
    }, () => servesBare(server, "::1"));
  }
});
