/** The promise: of a server that answers UDP beside TCP, and lets a second copy bind, no datagram is lost at a reload. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { DatagramLoad } from "../support/datagram_load.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { python, reload } from "../support/listening.ts";
import { fixture } from "../support/programs.ts";
import { IS_FULL, repeats } from "../support/repeats.ts";
import { servingPidOf } from "../support/serving_pid.ts";

const RELOADS = repeats({ full: 10, quick: 2 });
const CLIENTS = 24;

const KINDS: Record<string, Record<string, string>> = {
  "3 UDP sockets with SO_REUSEPORT": { SOCKETS: "3" },
  "one with SO_REUSEADDR only": { OPTION: "SO_REUSEADDR" },
  ...IS_FULL ? { "one with SO_REUSEPORT": {} } : {},
};

describe("UDP beside TCP", () => {
  for (const [kind, env] of Object.entries(KINDS)) {
    test(`${kind}: all is answered over ${RELOADS} reloads`, {
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      const port = await freePort();
      await using baton = await startBaton({
        command: python(fixture("udp_beside_tcp.py")),
        env: { PORT: String(port), ...env },
      });
      await using load = new DatagramLoad(port, CLIENTS);
      for (let i = 0; i < RELOADS; i++) {
        await load.answersOf(await servingPidOf(baton));
        await reload(baton);
        await load.answersOf(await servingPidOf(baton));
      }
      await load.stop();
      assert.equal(load.answered, load.sent, `${load.text}\n${baton.stderr}`);
      assert.equal(load.byPid.size, RELOADS + 1);
      assert.ok(!baton.stderr.includes("warn:"), baton.stderr);
    });
  }
});
