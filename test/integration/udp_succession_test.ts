/** The promise of --udp switch when baton itself is replaced, or killed: no datagram is without an answer. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Baton, type BatonOptions, startBaton } from "../support/baton.ts";
import { DatagramLoad } from "../support/datagram_load.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { python } from "../support/listening.ts";
import { alive, killTree } from "../support/proc.ts";
import { fixture } from "../support/programs.ts";
import { servingPidOf } from "../support/serving_pid.ts";
import { Succession } from "../support/succession.ts";
import { alone } from "../support/takeover_pair.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const CLIENTS = 8;
const TIMEOUT = { timeout: TEST_TIMEOUT_MS };
const SWITCH = ["--udp", "switch"];

function echo(port: number, flags: readonly string[] = []): BatonOptions {
  const env = { PORT: String(port), TCP: "1" };
  return { command: python(fixture("udp_echo.py")), env, flags: [...SWITCH, ...flags] };
}

async function assertAllAnswered(load: DatagramLoad, ...batons: Baton[]): Promise<void> {
  await load.stop();
  const log = batons.map(({ stderr }) => stderr).join("\n");
  assert.equal(load.answered, load.sent, `${load.text}\n${log}`);
}

describe("--udp switch and a new baton", () => {
  test("baton is killed: the next one goes on", TIMEOUT, async () => {
    using dir = tempDir("baton");
    const port = await freePort();
    await using batons = new Succession({ ...echo(port), dir });
    const first = await batons.next([...SWITCH, "--survive"]);
    const pid = await servingPidOf(first);
    await using load = new DatagramLoad(port, CLIENTS);
    await load.answersOf(pid);
    await batons.kill();
    await load.answersOf(pid);
    const second = await batons.next([...SWITCH, "--survive"]);
    assert.equal(await servingPidOf(second), pid);
    assert.equal((await second.reload()).result, "ok", second.stderr);
    await batons.look();
    await load.answersOf(await servingPidOf(second));
    await assertAllAnswered(load, first, second);
  });

  test("upgrade in place", TIMEOUT, async () => {
    const port = await freePort();
    await using baton = await startBaton(echo(port));
    await using load = new DatagramLoad(port, CLIENTS);
    const upgraded = await baton.cli("upgrade", "--in-place", "web");
    assert.equal(upgraded.code, 0, upgraded.stderr);
    await load.answersOf(await servingPidOf(baton));
    assert.equal((await baton.reload()).result, "ok", baton.stderr);
    await load.answersOf(await servingPidOf(baton));
    await assertAllAnswered(load, baton);
  });

  test("upgrade with a new process", TIMEOUT, async () => {
    const port = await freePort();
    await using baton = await startBaton(echo(port));
    await using load = new DatagramLoad(port, CLIENTS);
    const upgraded = await baton.cli("upgrade", "web");
    assert.equal(upgraded.code, 0, upgraded.stderr);
    const next = await waitUntil(async () => {
      const { pid } = await baton.status();
      return pid !== baton.pid && !alive(baton.pid) ? pid : null;
    }, { what: "the old baton has gone" });
    try {
      assert.equal((await baton.reload()).result, "ok", baton.stderr);
      await load.answersOf(await servingPidOf(baton));
      await assertAllAnswered(load, baton);
    } finally {
      if (alive(next)) killTree(next);
    }
  });

  test("takeover by another baton", TIMEOUT, async () => {
    using dir = tempDir();
    const [port, socket] = [await freePort(), dir.join("handoff")];
    const flags = ["--handoff-socket", socket, "--drain-time", "1s"];
    await using old = await startBaton(echo(port, flags));
    await using load = new DatagramLoad(port, CLIENTS);
    await load.answersOf(await servingPidOf(old));
    await using next = await startBaton(echo(port, ["--takeover", socket]));
    await alone(next, old);
    await load.answersOf(await servingPidOf(next));
    assert.equal((await next.reload()).result, "ok", next.stderr);
    await load.answersOf(await servingPidOf(next));
    await assertAllAnswered(load, old, next);
  });
});
