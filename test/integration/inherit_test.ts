/**
 * The promise for servers that take their listening sockets from whoever starts them (--listen): each generation gets
 * sockets of its own, which listen before it runs; nothing is lost by a reload, nor by a slow start.
 */
import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load, type Tally } from "../support/load.ts";
import { alive } from "../support/proc.ts";
import { FIXTURES, which } from "../support/programs.ts";
import { repeats } from "../support/repeats.ts";
import { fixtureCommand, type Runnable } from "../support/servers.ts";
import { waitUntil } from "../support/wait_until.ts";

const RELOADS = repeats({ full: 10, quick: 2 });
const NO_IPV6 =
  Object.values(networkInterfaces()).flat().every((each) => each?.address !== "::1") &&
  "there is no IPv6 on the loopback interface";

interface Inheriting extends Runnable {
  readonly title: string;
  readonly program: string;
  readonly flags?: readonly string[];
}

const ENV = { PYTHONDONTWRITEBYTECODE: "1" };

/** Servers that bind nothing themselves; the listener's name is "web". */
const SERVERS: readonly Inheriting[] = [
  {
    title: "node, by LISTEN_FDS",
    program: "node",
    command: fixtureCommand("inherit_fd.js"),
    env: ENV,
  },
  {
    title: "node listen({fd}), by {fd:web} and without any trap",
    program: "node",
    command: fixtureCommand("inherit_fd.js", "{fd:web}"),
    env: ENV,
    flags: ["--handoff", "inherit"],
  },
  {
    title: "uvicorn --fd {fd:web}",
    program: "uvicorn",
    command: [
      "uvicorn",
      "--app-dir",
      FIXTURES,
      "--fd",
      "{fd:web}",
      "--no-access-log",
      "asgi_app:app",
    ],
    env: ENV,
  },
  {
    title: "gunicorn, by LISTEN_FDS",
    program: "gunicorn",
    command: ["gunicorn", "--workers", "2", "--chdir", FIXTURES, "wsgi_app:app"],
    env: ENV,
  },
  {
    title: "python, which accepts without a listen(2) of its own",
    program: "python3",
    command: fixtureCommand("prints_fds.py"),
    env: ENV,
  },
];

function show(tally: Tally, baton: Baton): string {
  return `${formatTally(tally)}\n${baton.stderr}`;
}

async function reloads(baton: Baton, times: number): Promise<void> {
  for (let i = 1; i <= times; i++) {
    const old = (await baton.status()).generations.find(({ state }) => state === "serving");
    const report = await baton.reload();
    assert.equal(report.result, "ok", `${report.reason}\n${report.output.join("\n")}`);
    const { epoch, listeners } = await baton.settled();
    assert.equal(epoch, i);
    assert.equal(alive(old?.pid ?? 0), false, `old process ${old?.pid} is gone`);
    for (const { members, mode } of listeners) {
      assert.equal(mode, "inherit");
      assert.deepEqual(members.map(({ receiving, epoch }) => [epoch, receiving]), [[i, true]]);
    }
  }
}

describe("a server that inherits its listener is reloaded under load", () => {
  for (const { title, program, command, env, flags = [] } of SERVERS) {
    const skip = which(program) === null && `${program} is not installed`;
    test(
      `${title}: ${RELOADS} reloads lose nothing`,
      { skip, timeout: TEST_TIMEOUT_MS },
      async () => {
        const port = await freePort();
        const listen = ["--listen", `web=127.0.0.1:${port}`];
        await using baton = await startBaton({ command, env, flags: [...listen, ...flags] });
        await using load = new Load({ port }).start();
        await reloads(baton, RELOADS);
        const tally = await load.stop();
        assert.equal(tally.lost, 0, show(tally, baton));
        assert.ok(tally.byBody.size > RELOADS, show(tally, baton));
        assert.equal((await baton.stop()).code, 0, baton.stderr);
      },
    );
  }
});

for (const flags of [[], ["--handoff", "inherit"]]) {
  test(
    `--listen ${flags.join(" ")}: accepted connections have TCP_NODELAY, before and after a reload`,
    {
      timeout: TEST_TIMEOUT_MS,
    },
    async () => {
      const port = await freePort();
      await using baton = await startBaton({
        command: fixtureCommand("prints_fds.py"),
        env: ENV,
        flags: ["--listen", `web=127.0.0.1:${port}`, ...flags],
      });
      const noDelay = async () => (await fetch(`http://127.0.0.1:${port}/no-delay`)).text();
      assert.equal(await noDelay(), "1\n");
      await reloads(baton, 1);
      assert.equal(await noDelay(), "1\n");
    },
  );
}

test("connections that come while the first generation starts are answered by it", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  const port = await freePort();
  await using baton = await startBaton({
    command: ["sh", "-c", 'sleep 1; LISTEN_PID=$$; exec "$@"', "sh", ...SERVERS[0]?.command ?? []],
    env: ENV,
    flags: ["--listen", `web=127.0.0.1:${port}`],
    expectFailure: true,
  });
  await waitUntil(async () => (await baton.status()).listeners.length === 1, {
    what: "baton listens",
  });
  const clients = 16;
  const early = await new Load({ port, clients, maxRequests: clients }).start().finished();
  assert.equal(early.ok, clients, show(early, baton));
});

describe("--listen with IPv6", () => {
  for (const [spec, hosts] of [["[::1]", ["::1"]], ["*", ["::1", "127.0.0.1"]]] as const) {
    test(
      `--listen ${spec}: reloads lose nothing`,
      { skip: NO_IPV6, timeout: TEST_TIMEOUT_MS },
      async () => {
        const port = await freePort();
        await using baton = await startBaton({
          command: fixtureCommand("inherit_fd.js"),
          env: {},
          flags: ["--listen", `${spec}:${port}`],
        });
        await using stack = new AsyncDisposableStack();
        const loads = hosts.map((host) => stack.use(new Load({ port, host, clients: 4 }).start()));
        await reloads(baton, 5);
        for (const load of loads) {
          const tally = await load.stop();
          assert.equal(tally.lost, 0, show(tally, baton));
          assert.equal(tally.byBody.size, 6, show(tally, baton));
        }
      },
    );
  }
});

test("several listeners go to one server, each with its own descriptor", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  const ports = [await freePort(), await freePort(), await freePort()];
  await using baton = await startBaton({
    command: fixtureCommand("inherit_fd.js"),
    env: {},
    flags: ports.flatMap((port) => ["--listen", `127.0.0.1:${port}`]),
  });
  await using stack = new AsyncDisposableStack();
  const loads = ports.map((port) => stack.use(new Load({ port, clients: 2 }).start()));
  await reloads(baton, 5);
  for (const load of loads) {
    const tally = await load.stop();
    assert.equal(tally.lost, 0, show(tally, baton));
    assert.equal(tally.byBody.size, 6, show(tally, baton));
  }
});
