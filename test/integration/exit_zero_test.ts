/**
 * The promise: a server that ends with 0 was done, and ends baton; but not while it is being replaced. Then the one
 * that is on its way takes over, connections wait for it, and none is refused.
 */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { ask, assertNothingLost, python, reload, withFixtures } from "../support/listening.ts";
import { findNode, required } from "../support/programs.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const CLIENTS = 4;
const ENOUGH_REQUESTS = 20;

/** Goes to the background at the first request: each process of a chain forks the next one and ends. */
const CHAIN = `
import os, select
from python_threaded import HOST, PORT, Handler, Server

server = Server((HOST, PORT), Handler)
select.select([server], [], [])
os.setsid() if os.fork() == 0 else os._exit(0)
for _ in range(60):
    if os.fork() > 0:
        os._exit(0)
server.serve_forever()
`;

/** Ends with 0 at SIGUSR2, when it has nothing in hand. Later generations wait for $WORK/go, or end with $WORK/bad. */
const SERVER = `
const fs = require("node:fs");
const http = require("node:http");
const { PORT, RESTART_EPOCH, WORK } = process.env;
const version = Number(RESTART_EPOCH) + 1;
const server = http.createServer((_, response) => {
  response.setHeader("connection", "close");
  response.end("version=" + version + " pid=" + process.pid);
});
process.on("SIGUSR2", () => {
  process.removeAllListeners("SIGUSR2");
  server.close(() => process.exit(0));
});
const begin = () => {
  if (version > 1 && fs.existsSync(WORK + "/bad")) process.exit(fs.rmSync(WORK + "/bad") ?? 3);
  if (version === 1 || fs.existsSync(WORK + "/go")) server.listen(PORT, "127.0.0.1");
  else setTimeout(begin, 20);
};
begin();
`;

async function startServer(work: { path: string }) {
  const port = await freePort();
  const baton = await startBaton({
    command: [required("node", findNode()), "-e", SERVER],
    env: { PORT: String(port), WORK: work.path },
  });
  const [first] = (await baton.settled()).generations;
  const end = () => process.kill(first?.pid ?? NaN, "SIGUSR2");
  return { baton, port, end };
}

describe("a server that ends with 0", () => {
  test("while a reload is under way is succeeded by the candidate", TEST, async () => {
    using work = tempDir();
    const { baton: started, port, end } = await startServer(work);
    await using baton = started;
    await using load = new Load({ port, clients: CLIENTS, timeoutMs: TEST.timeout }).start();
    await waitUntil(() => load.tally.ok >= ENOUGH_REQUESTS, { what: "it answers" });
    const report = baton.reload();
    await waitUntil(() => baton.stderr.includes("generation 1 starts"), { what: "it starts" });
    end();
    await waitUntil(() => baton.stderr.includes("generation 0 exited during a reload"), {
      what: `it ends\n${baton.stderr}`,
    });
    writeFileSync(work.join("go"), "");
    const { result, epoch, reason } = await report;
    assert.deepEqual([result, epoch], ["ok", 1], `${reason}\n${baton.stderr}`);
    await waitUntil(() => (load.tally.byVersion.get("2") ?? 0) >= ENOUGH_REQUESTS, {
      what: `version 2 answers\n${baton.stderr}`,
    });
    const tally = await load.stop();
    assert.equal(tally.refused, 0, `${formatTally(tally)}\n${baton.stderr}`);
  });

  test("and whose candidate fails then is started again", TEST, async () => {
    using work = tempDir();
    const { baton: started, port, end } = await startServer(work);
    await using baton = started;
    const report = baton.cli("reload");
    await waitUntil(() => baton.stderr.includes("generation 1 starts"), { what: "it starts" });
    end();
    await waitUntil(() => baton.stderr.includes("generation 0 exited during a reload"), {
      what: `it ends\n${baton.stderr}`,
    });
    await using load = new Load({ port, clients: 1, maxRequests: 1, timeoutMs: TEST.timeout })
      .start();
    writeFileSync(work.join("bad"), "");
    const { code, stderr } = await report;
    assert.equal(code, 70, stderr);
    assert.ok(stderr.includes("no generation serves: connections wait"), stderr);
    assert.ok(!existsSync(work.join("bad")));
    writeFileSync(work.join("go"), "");
    const tally = await load.finished();
    assert.deepEqual([...tally.byVersion], [["3", 1]], `${formatTally(tally)}\n${baton.stderr}`);
  });

  test("without one ends baton with 0", TEST, async () => {
    using work = tempDir();
    const { baton: started, end } = await startServer(work);
    await using baton = started;
    end();
    assert.deepEqual(await baton.exited, { code: 0, signal: null }, baton.stderr);
  });
});

test(
  "a server that goes to the background is not taken for one that has ended, however often it forks",
  TEST,
  async () => {
    using work = tempDir();
    const port = await freePort();
    await using baton = await startBaton({
      command: python(work.write("server.py", CHAIN)),
      env: withFixtures(port),
    });
    await ask(port);
    await waitUntil(() => baton.exit !== null || baton.stderr.includes("went to the background"), {
      what: "baton follows it",
    });
    assert.equal(baton.exit, null, baton.stderr);
    await using load = new Load({ port, clients: CLIENTS }).start();
    await reload(baton);
    await assertNothingLost(load, baton);
  },
);
