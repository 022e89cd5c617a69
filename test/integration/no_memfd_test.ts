/** Where the kernel executes no anonymous file, baton's own binary launches the servers. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { fixtureCommand } from "../support/servers.ts";

/** Linux 6.3; it is of the process's PID namespace. Of the new mount namespace /proc shows it. */
const SETTING = "/proc/sys/vm/memfd_noexec";
const IN_NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
const REFUSING = [...IN_NAMESPACE, "sh", "-c", `echo 2 > ${SETTING} && exec "$@"`, "sh"];
const isPossible = process.geteuid?.() === 0 &&
  spawnSync(REFUSING[0]!, [...REFUSING.slice(1), "true"]).status === 0;

test("a server starts and is reloaded under vm.memfd_noexec=2", {
  skip: isPossible ? false : `needs root, and ${SETTING} of a PID namespace of its own`,
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  const port = await freePort();
  await using baton = await startBaton({
    wrapper: REFUSING,
    command: fixtureCommand("node_http.js"),
    env: { PORT: String(port) },
  });
  await using load = new Load({ port }).start();
  await load.answersMore(10);
  const report = await baton.reload();
  assert.equal(report.result, "ok", `${report.reason}\n${baton.stderr}`);
  await load.answersMore(10);
  const tally = await load.stop();
  assert.equal(tally.lost, 0, formatTally(tally));
  assert.equal((await baton.cli("stop", "web")).code, 0);
});
