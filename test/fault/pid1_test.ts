/**
 * Fault: baton is PID 1, as in a container without an init. The kernel gives PID 1 no default signal actions and all
 * orphans, and kills everything when it ends.
 *
 * Allowed outcome: the same as elsewhere: a reload loses nothing, orphans are reaped, TERM stops gracefully. Needs
 * root, for a PID namespace.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import type { Baton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { contained, CONTAINER, noContainer } from "../support/pid1.ts";
import { alive, children, state } from "../support/proc.ts";
import { repeats } from "../support/repeats.ts";
import { notPermitted, processNumbered } from "../support/restrict.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const RELOADS = repeats({ full: 5, quick: 2 });
const ORPHANS = 20;
const DOCKER = [
  ...CONTAINER,
  "setpriv",
  "--bounding-set=-all,+chown,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+sys_chroot",
];
const skip = noContainer || notPermitted(DOCKER);
const OPTIONS = { skip, timeout: TEST_TIMEOUT_MS };

async function stops(baton: Baton, pid: number, signal: NodeJS.Signals): Promise<void> {
  process.kill(pid, signal);
  assert.deepEqual(await baton.exited, { code: 0, signal: null }, baton.stderr);
}

async function losesNothing(baton: Baton, pid: number, port: number): Promise<void> {
  await using load = new Load({ port }).start();
  for (let epoch = 1; epoch <= RELOADS; epoch++) {
    const report = await baton.reload();
    assert.equal(report.result, "ok", `${report.reason}\n${baton.stderr}`);
    assert.equal((await baton.settled()).epoch, epoch);
  }
  const tally = await load.stop();
  assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
  assert.equal(tally.byBody.size, RELOADS + 1, formatTally(tally));
  assert.deepEqual(children(pid).filter((child) => !alive(child)), [], "no zombie is left");
  assert.equal((await baton.status()).pid, 1, "baton is PID 1");
}

describe("baton as PID 1", () => {
  for (const [name, wrapper] of [["root", CONTAINER], ["Docker's root", DOCKER]] as const) {
    test(`loses nothing in ${RELOADS} reloads, as ${name}`, OPTIONS, async () => {
      const port = await freePort();
      const command = fixtureCommand("node_http.js");
      await using container = await contained({ wrapper, command, env: { PORT: String(port) } });
      const { baton, pid } = container;
      await losesNothing(baton, pid, port);
      await stops(baton, pid, "SIGTERM");
    });
  }

  test(`loses nothing in ${RELOADS} reloads, with --listen`, OPTIONS, async () => {
    const port = await freePort();
    const command = fixtureCommand("inherit_fd.js");
    const flags = ["--listen", `web=127.0.0.1:${port}`];
    await using container = await contained({ command, flags, env: {} });
    await losesNothing(container.baton, container.pid, port);
    await stops(container.baton, container.pid, "SIGTERM");
  });

  test("reloads on HUP, and ends on INT and QUIT as well", OPTIONS, async () => {
    for (const signal of ["SIGINT", "SIGQUIT"] as const) {
      const env = { PORT: String(await freePort()) };
      await using container = await contained({ command: fixtureCommand("node_http.js"), env });
      const { baton, pid } = container;
      process.kill(pid, "SIGHUP");
      await waitUntil(async () => (await baton.status()).epoch === 1, { what: "epoch 1 serves" });
      await stops(baton, pid, signal);
    }
  });

  test(`reaps ${ORPHANS} orphans of the server while it serves`, OPTIONS, async () => {
    using dir = tempDir();
    const env = { PORT: String(await freePort()) };
    // Each orphan leaves the session, is adopted by PID 1, and ends only once the file is there.
    const orphan = `until [ -e ${dir.join("end")} ]; do sleep 0.05; done`;
    const script = `i=0; while [ $i -lt ${ORPHANS} ]; do i=$((i+1)); ` +
      `(setsid sh -c '${orphan}' &); done; exec "$@"`;
    const command = ["sh", "-c", script, "sh", ...fixtureCommand("node_http.js")];
    await using container = await contained({ command, env });
    const { baton, pid } = container;
    const server = processNumbered((await baton.status()).generations[0]?.pid ?? 0, baton.pid);
    const others = () => children(pid).filter((child) => child !== server);
    assert.ok(others().length >= ORPHANS, `${others().length} orphans are there`);
    dir.write("end", "");
    await waitUntil(() => others().length === 0, { what: "every orphan is reaped" });
    assert.equal(alive(server), true, "the server serves on");
    await stops(baton, pid, "SIGTERM");
  });

  test("TERM lets a request in flight end, and nothing outlives baton", OPTIONS, async () => {
    const port = await freePort();
    const command = fixtureCommand("node_http.js");
    await using container = await contained({ command, env: { PORT: String(port) } });
    const { baton, pid } = container;
    const inside = children(pid);
    const load = new Load({ port, path: "/slow?ms=800", clients: 3, maxRequests: 3 }).start();
    await waitUntil(async () => {
      const { generations } = await baton.status();
      return (generations[0]?.connections?.busy ?? 0) >= 3;
    }, { what: "three requests are in flight" });
    await stops(baton, pid, "SIGTERM");
    const tally = await load.finished();
    assert.deepEqual([tally.ok, tally.lost], [3, 0], formatTally(tally));
    assert.deepEqual(inside.filter((each) => state(each) !== null), []);
  });
});
