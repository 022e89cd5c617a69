/**
 * Promise: a probe port is one service's. Another baton that wants it is refused, in every form; the next baton of the
 * same service has it too, and whoever of the two is asked says that the service is ready.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Baton, batonCommand, runCommand, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { statusOf } from "../support/kube_pod.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { alive, killTree } from "../support/proc.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const OPTIONS = { timeout: TEST_TIMEOUT_MS };
const HOST = "127.0.0.1";
/** None of them by chance at the one that says no: one in 2^40. */
const ASKED_OF_BOTH = 40;

async function start(): Promise<{ baton: Baton; port: number; probes: number }> {
  const [port, probes] = [await freePort(), await freePort()];
  const baton = await startBaton({
    command: fixtureCommand("node_http.js"),
    env: { PORT: String(port) },
    flags: ["--probe-listen", `${HOST}:${probes}`],
  });
  return { baton, port, probes };
}

describe("the probe port", () => {
  test("is refused to any other baton", OPTIONS, async () => {
    const { baton, probes } = await start();
    await using _running = baton;
    using dir = tempDir();
    const at = `${HOST}:${probes}`;
    const run = ["run", "--name", "other", "--runtime-dir", dir.path, "--probe-listen", at];
    const others: [option: string, words: string[]][] = [
      ["--probe-listen", [...run, "--", "sleep", "60"]],
      ["--probe-listen", [...run, "--shutdown-only", "--", "sleep", "60"]],
      ["--serve", ["prestop", "--serve", at]],
    ];
    for (const [option, words] of others) {
      // Ends it, should it run.
      const other = await runCommand(["timeout", "10", ...batonCommand(), ...words]);
      assert.equal(other.code, 75, `${words}: ${other.stderr}`);
      assert.match(other.stderr, new RegExp(`EADDRINUSE[^]*another address with ${option}`));
    }
  });

  test(
    "answers with yes while the old baton of an upgrade drains, whoever of the two is asked",
    OPTIONS,
    async () => {
      const { baton, port, probes } = await start();
      await using _running = baton;
      const slow = new AbortController();
      const cut = fetch(`http://${HOST}:${port}/slow?ms=60000`, { signal: slow.signal }).catch(
        () => {},
      );
      await waitUntil(async () => (await baton.status()).generations[0]?.connections.busy === 1, {
        what: "a request is in flight, which the old baton waits for",
      });
      const answers: (number | null)[] = [];
      const ask = async () => {
        answers.push(await statusOf(HOST, { port: probes, path: "/readyz" }, 2_000));
      };
      baton.signal("SIGUSR2");
      while ((await baton.status()).pid === baton.pid) await ask();
      const { pid } = await baton.status();
      try {
        for (let i = 0; i < ASKED_OF_BOTH; i++) await ask();
        assert.ok(alive(baton.pid), "the old one still drains");
        assert.deepEqual([...new Set(answers)], [200], `${answers}\n${baton.stderr}`);
      } finally {
        slow.abort();
        await cut;
        killTree(pid);
      }
    },
  );
});
