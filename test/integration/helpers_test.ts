/**
 * The promise: a helper that a server starts for the whole machine (epmd, an agent) stays alone at its address, lives
 * through reloads, holds none up, and ends with the service.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { assertNothingLost, members, python, reload } from "../support/listening.ts";
import { Load } from "../support/load.ts";
import { alive } from "../support/proc.ts";
import { findNode, findPython, fixture, required, which } from "../support/programs.ts";
import { repeats } from "../support/repeats.ts";
import { isRefused } from "../support/session_client.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const RELOADS = repeats({ full: 5, quick: 2 });

/** Starts an agent, waits until that has said something, and serves at PORT. */
const WITH_AGENT = `
const fs = require("node:fs");
const { execFileSync } = require("node:child_process");
const { PORT, LOG, PYTHON, AGENT, RESTART_EPOCH } = process.env;
execFileSync(PYTHON, [AGENT], { stdio: "ignore" });
const lines = () => fs.existsSync(LOG) ? fs.readFileSync(LOG, "utf8").split("\\n").length - 1 : 0;
const wait = setInterval(() => {
  if (lines() <= Number(RESTART_EPOCH)) return;
  clearInterval(wait);
  require("node:http").createServer((_, response) => response.end("pid=" + process.pid))
    .listen(PORT, "127.0.0.1");
}, 5);
`;

interface Service {
  readonly baton: Baton;
  readonly port: number;
  readonly agentPort: number;
  said(): string[];
}

async function startWithAgent(work: TempDir): Promise<Service> {
  const [port, agentPort] = [await freePort(), await freePort()];
  const env = {
    PORT: String(port),
    AGENT_PORT: String(agentPort),
    LOG: work.join("log"),
    PYTHON: required("python3", findPython()),
    AGENT: fixture("detached_agent.py"),
  };
  const command = [required("node", findNode()), "-e", WITH_AGENT];
  const baton = await startBaton({ command, env, flags: ["--ready-timeout", "15s"] });
  const said = () => readFileSync(env.LOG, "utf8").trim().split("\n");
  return { baton, port, agentPort, said };
}

async function hasHelper(baton: Baton): Promise<void> {
  await waitUntil(async () => (await baton.status()).helpers.length === 1, {
    what: `the agent is known to be a helper\n${baton.stderr}`,
  });
}

describe("a helper that outlives its server", () => {
  test("is alone over reloads, which do not wait for it, and ends with the service", {
    ...TEST,
  }, async () => {
    using work = tempDir();
    const { baton: started, port, agentPort, said } = await startWithAgent(work);
    await using baton = started;
    await hasHelper(baton);
    await using load = new Load({ port, clients: 4 }).start();
    await reload(baton, RELOADS);
    await assertNothingLost(load, baton);
    const [first = "", ...others] = said();
    assert.deepEqual(others, Array.from({ length: RELOADS }, () => "in use"));
    const pid = Number(/^agent (\d+)$/.exec(first)?.[1]);
    const { helpers } = await baton.status();
    assert.deepEqual(helpers.map((each) => [each.pid, each.epoch, each.addresses]), [
      [pid, 0, [`127.0.0.1:${agentPort}`]],
    ]);
    assert.deepEqual(Object.keys(await members(baton)), [`127.0.0.1:${port}`]);
    assert.ok((await baton.cli("status")).stdout.includes("HELPER"), "it is shown");
    assert.equal(await isRefused(agentPort), false, "it answers");
    assert.deepEqual(await baton.stop(), { code: 0, signal: null }, baton.stderr);
    assert.equal(alive(pid), false, "it has ended");
  });

  test("is known to the next baton (upgrade --in-place)", TEST, async () => {
    using work = tempDir();
    const { baton: started, said } = await startWithAgent(work);
    await using baton = started;
    await hasHelper(baton);
    const { code, stderr } = await baton.cli("upgrade", "--in-place");
    assert.equal(code, 0, stderr);
    const pid = Number(/^agent (\d+)$/.exec(said()[0] ?? "")?.[1]);
    assert.deepEqual((await baton.status()).helpers.map((each) => each.pid), [pid]);
    await reload(baton);
    assert.deepEqual(await baton.stop(), { code: 0, signal: null }, baton.stderr);
    assert.equal(alive(pid), false, "it has ended");
  });

  test("that ends by itself is replaced by the next generation's", TEST, async () => {
    using work = tempDir();
    const { baton: started, said, agentPort } = await startWithAgent(work);
    await using baton = started;
    await hasHelper(baton);
    process.kill(Number(said()[0]?.split(" ")[1]), "SIGKILL");
    await waitUntil(async () => (await baton.status()).helpers.length === 0, {
      what: "it is gone",
    });
    assert.equal(await isRefused(agentPort), true, "baton does not keep its port");
    await reload(baton);
    assert.match(said()[1] ?? "", /^agent \d+$/);
  });
});

const NODE_SERVER = `require("node:http").createServer((_, response) =>
  response.end("pid=" + process.pid)).listen(process.env.PORT, "127.0.0.1")`;

test("the next version is another program, below a script: it listens beside the old one", {
  ...TEST,
}, async () => {
  const port = await freePort();
  const script = 'if [ "$RESTART_EPOCH" = 0 ]; then "$NODE" -e "$SERVER"; else "$@"; fi';
  await using baton = await startBaton({
    command: ["sh", "-c", script, "sh", ...python(fixture("python_threaded.py"))],
    env: { PORT: String(port), NODE: required("node", findNode()), SERVER: NODE_SERVER },
  });
  await using load = new Load({ port, clients: 4 }).start();
  await reload(baton);
  await assertNothingLost(load, baton);
});

const noErlang = which("erl") === null && "erl is not installed (erlang-base)";
test("epmd of an Erlang node with a name", { ...TEST, skip: noErlang }, async () => {
  using work = tempDir();
  const [port, epmd] = [await freePort(), await freePort()];
  const serve = `{ok, L} = gen_tcp:listen(${port}, [{ip, {127,0,0,1}}, {reuseaddr, true}, ` +
    "{active, false}]), F = fun G() -> {ok, S} = gen_tcp:accept(L), gen_tcp:recv(S, 0), " +
    'gen_tcp:send(S, <<"HTTP/1.0 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\npid=1">>), ' +
    "gen_tcp:close(S), G() end, F().";
  await using baton = await startBaton({
    command: ["sh", "-c", `exec erl -sname n$RESTART_EPOCH@localhost -noinput -eval '${serve}'`],
    env: { ERL_EPMD_PORT: String(epmd), HOME: work.path },
  });
  await hasHelper(baton);
  const [pid] = (await baton.status()).helpers.map((each) => each.pid);
  // As long as Erlang takes to start: it cannot run twice.
  await using load = new Load({ port, clients: 2, timeoutMs: TEST_TIMEOUT_MS }).start();
  await reload(baton);
  await assertNothingLost(load, baton);
  assert.deepEqual((await baton.status()).helpers.map((each) => each.pid), [pid]);
  assert.deepEqual(await baton.stop(), { code: 0, signal: null }, baton.stderr);
});
