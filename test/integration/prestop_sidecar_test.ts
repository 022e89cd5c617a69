/**
 * Promise: `baton prestop --serve` answers the kubelet when the server of another container has no traffic any more,
 * or the time is over; is ready while that listens; and ends at TERM. In a pod, with a balancer:
 * rolling_update_test.ts.
 */
import assert from "node:assert/strict";
import { connect } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import { type BareServer, startBare } from "../support/bare_server.ts";
import { batonCommand, runCommand } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { notPermitted } from "../support/restrict.ts";
import { fixtureCommand } from "../support/servers.ts";

const OPTIONS = { timeout: TEST_TIMEOUT_MS };
/** Somebody else's connections on this machine make the first wait longer: half of --max, at most. */
const WAITS = ["--min", "300ms", "--quiet", "100ms", "--max", "6s"];
const CONTAINER = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
const skip = process.getuid?.() === 0 ? notPermitted(CONTAINER) : "a PID namespace needs root";
const HOST = "127.0.0.1";

function serve(port: number): Promise<BareServer> {
  return startBare({ port, command: fixtureCommand("node_http.js"), env: { PORT: String(port) } });
}

async function sidecar(
  port: number,
  waits: readonly string[] = WAITS,
): Promise<{ baton: BareServer; at: number }> {
  const at = await freePort();
  const words = ["prestop", "--port", String(port), "--serve", `${HOST}:${at}`, ...waits];
  const baton = await startBare({ port: at, command: [...batonCommand(), ...words], env: {} });
  return { baton, at };
}

async function ask(port: number, path: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://${HOST}:${port}${path}`);
  return { status: response.status, text: (await response.text()).trim() };
}

describe("baton prestop --serve", () => {
  test(
    "answers after the last request, and is ready while the server listens",
    OPTIONS,
    async () => {
      const port = await freePort();
      const { baton, at } = await sidecar(port);
      await using running = baton;
      const probes = async () => {
        const asked = ["/startupz", "/readyz", "/livez"].map((path) => ask(at, path));
        return (await Promise.all(asked)).map(({ status }) => status);
      };
      assert.deepEqual(await probes(), [200, 503, 200], "the server starts only after this");
      {
        await using _server = await serve(port);
        assert.deepEqual(await probes(), [200, 200, 200]);
        const order: string[] = [];
        const slow = ask(port, "/slow?ms=1500").then(({ status }) =>
          order.push(`request ${status}`)
        );
        const hooks = [ask(at, "/prestop"), ask(at, "/prestop")];
        assert.deepEqual(await probes(), [200, 200, 200], "anybody may ask for the hook");
        const [first, second] = await Promise.all(hooks);
        order.push("hook");
        await slow;
        assert.deepEqual(order, ["request 200", "hook"]);
        assert.equal(first!.status, 200, first!.text);
        assert.match(first!.text, /^no more traffic at \d+ after \d+\.\d s$/);
        assert.deepEqual(second, first, "they share one wait");
        assert.equal(running.output.match(/no more traffic/g)?.length, 1, running.output);
      }
      assert.deepEqual(await probes(), [200, 503, 200]);
      running.signal("SIGTERM");
      assert.deepEqual(await running.exited, { code: 0, signal: null }, running.output);
    },
  );

  test("answers 504 when the time is over, and 503 when no server listens", OPTIONS, async () => {
    const port = await freePort();
    const { baton, at } = await sidecar(port, ["--min", "0", "--quiet", "0", "--max", "400ms"]);
    await using _running = baton;
    assert.match(JSON.stringify(await ask(at, "/prestop")), /503.*no server listens at/);
    await using _server = await serve(port);
    const client = new AbortController();
    const slow = fetch(`http://${HOST}:${port}/slow?ms=30000`, { signal: client.signal });
    assert.match(JSON.stringify(await ask(at, "/prestop")), /504.*1 connections are still busy/);
    assert.equal((await fetch(`http://${HOST}:${at}/prestop`, { method: "POST" })).status, 405);
    client.abort();
    await assert.rejects(slow);
  });

  test("says so when its address is taken, or somebody else is named", OPTIONS, async () => {
    const port = await freePort();
    await using _server = await serve(port);
    const run = (...words: string[]) => runCommand([...batonCommand(), "prestop", ...words]);
    const taken = await run("--serve", `${HOST}:${port}`);
    assert.equal(taken.code, 75, taken.stderr);
    assert.match(taken.stderr, /another address with --serve/);
    const named = await run("--serve", "9901", "--name", "web");
    assert.equal(named.code, 64, named.stderr);
  });
});

test("prestop does not wait for idle connections of processes that it cannot see", {
  ...OPTIONS,
  skip,
}, async () => {
  const port = await freePort();
  await using _server = await serve(port);
  const idle = connect({ host: HOST, port });
  await new Promise((resolve) => idle.once("connect", resolve));
  try {
    const words = ["prestop", "--port", String(port), "--runtime-dir", "/nonexistent", ...WAITS];
    const { code, stdout, stderr } = await runCommand([...CONTAINER, ...batonCommand(), ...words]);
    assert.equal(code, 0, stderr);
    const seconds = Number(/after (\d+\.\d) s/.exec(stdout)?.[1]);
    assert.ok(seconds < 6, `to the limit, 6.3 s, for one that it cannot end: ${stdout}`);
  } finally {
    idle.destroy();
  }
});
