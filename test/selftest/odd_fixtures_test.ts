/** The broken and odd fixtures do what their names say: the tests of failed deploys rest on it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { accepts, BareServer, startBare } from "../support/bare_server.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { alive, children, listeners, openFds } from "../support/proc.ts";
import { findPython, required } from "../support/programs.ts";
import { deploy, fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const LIMIT = { timeout: TEST_TIMEOUT_MS };

type Environment = Record<string, string>;

/** Becomes its arguments, with a listener on $PORT as descriptor 3, as systemd would start them. */
const ACTIVATOR = `
import os, socket, sys
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)  # also when it was 3 before
os.environ["LISTEN_FDS"] = "1"
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[1], sys.argv[1:])
`;

/** Prints each datagram that comes to the Unix socket in its argument. */
const NOTIFY_READER = `
import socket, sys
reader = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
reader.bind(sys.argv[1])
while True:
    print(reader.recv(4096), flush=True)
`;

/** Starts a program from which nothing is expected yet. */
function start([program = "", ...argv]: string[], env: Environment = {}): BareServer {
  return new BareServer(spawn(program, argv, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  }));
}

function python(script: string, ...argv: string[]): string[] {
  return [required("python3", findPython()), "-c", script, ...argv];
}

async function exits(server: BareServer): Promise<(number | string | null)[]> {
  const exit = await waitUntil(() => server.exit, { what: "the fixture exits" });
  return [exit.code, exit.signal];
}

async function serves(port: number, version = "1"): Promise<void> {
  const tally = await new Load({ port, maxRequests: 20, clients: 4 }).start().finished();
  assert.deepEqual([tally.ok, tally.lost], [20, 0], formatTally(tally));
  assert.deepEqual([...tally.byVersion.keys()], [version]);
}

async function serverOf(name: string, env: Environment = {}): Promise<[BareServer, number]> {
  const port = await freePort();
  const command = fixtureCommand(name);
  return [await startBare({ command, env: { PORT: String(port), ...env }, port }), port];
}

describe("a broken fixture", () => {
  test("exits_at_once exits 3 and says why", LIMIT, async () => {
    await using broken = start(fixtureCommand("exits_at_once.js"));
    assert.deepEqual(await exits(broken), [3, null]);
    await waitUntil(() => /cannot read conf/.test(broken.output), { what: "its reason is read" });
  });

  test("exits_after exits 4 and has said several lines", LIMIT, async () => {
    await using broken = start(fixtureCommand("exits_after.js"), { MS: "50" });
    assert.deepEqual(await exits(broken), [4, null]);
    await waitUntil(() => broken.output.match(/\n/g)?.length === 4, { what: "four lines" });
  });

  test("hangs lives and never listens", LIMIT, async () => {
    await using broken = start(fixtureCommand("hangs.js"));
    await waitUntil(() => /starting/.test(broken.output), { what: "it has started" });
    assert.ok(alive(broken.pid));
    assert.deepEqual(listeners(broken.pid), []);
  });

  test("other_port listens elsewhere", LIMIT, async () => {
    const [port, other] = [await freePort(), await freePort()];
    const env = { PORT: String(port), OTHER_PORT: String(other) };
    await using _broken = await startBare({
      command: fixtureCommand("other_port.js"),
      env,
      port: other,
    });
    await serves(other);
    assert.equal(await accepts(port), false);
  });

  test("dies_in_gate listens, then exits 5", LIMIT, async () => {
    const [broken] = await serverOf("dies_in_gate.js", { MS: "200" });
    await using _ = broken;
    assert.deepEqual(await exits(broken), [5, null]);
  });
});

describe("an odd fixture", () => {
  for (const name of ["nonblock_listener.py", "prefork_reuseport.py", "sd_notify.py"]) {
    test(`${name} serves, and TERM ends it`, LIMIT, async () => {
      const [server, port] = await serverOf(name);
      await using _ = server;
      const processes = [server.pid, ...children(server.pid)];
      await serves(port);
      server.signal("SIGTERM");
      await exits(server);
      await waitUntil(() => !processes.some(alive), { what: "all its processes are gone" });
    });
  }

  test("prefork_reuseport has two workers with a listener each", LIMIT, async () => {
    const [server, port] = await serverOf("prefork_reuseport.py");
    await using _ = server;
    const open = () => listeners().filter((each) => each.port === port);
    await waitUntil(() => open().length === 2, { what: "both workers listen" });
    assert.equal(new Set(open().map((each) => each.inode)).size, 2);
    for (const worker of children(server.pid)) assert.equal(listeners(worker).length, 1);
  });

  test("ignores_term serves on after TERM", LIMIT, async () => {
    const [server, port] = await serverOf("ignores_term.py");
    await using _ = server;
    server.signal("SIGTERM");
    await serves(port);
    assert.ok(alive(server.pid));
  });

  test("no_signals takes its time, and TERM cuts the request", LIMIT, async () => {
    const [server, port] = await serverOf("no_signals.js", { MS: "500" });
    await using _ = server;
    const one = await new Load({ port, clients: 1, maxRequests: 1 }).start().finished();
    assert.ok(one.ok === 1 && one.maxLatencyMs >= 499, formatTally(one));
    const before = new Set(openFds(server.pid).values());
    const cut = new Load({ port, clients: 1, maxRequests: 1 }).start();
    const accepted = () => [...openFds(server.pid).values()].some((each) => !before.has(each));
    await waitUntil(accepted, { what: "the request is accepted" });
    server.signal("SIGTERM");
    assert.deepEqual(await exits(server), [null, "SIGTERM"]);
    const tally = await cut.finished();
    assert.deepEqual([tally.ok, tally.reset + tally.short], [0, 1], formatTally(tally));
  });

  test("two_ports serves on both", LIMIT, async () => {
    const second = await freePort();
    const [server, first] = await serverOf("two_ports.js", { PORT2: String(second) });
    await using _ = server;
    await serves(first);
    await serves(second);
  });

  test("shutdown_listener finishes its requests on TERM, refusing others", LIMIT, async () => {
    const [server, port] = await serverOf("shutdown_listener.py");
    await using _ = server;
    await serves(port);
    await waitUntil(() => threads(server.pid) === 1, { what: "no other thread is left" });
    const slow = new Load({ port, path: "/slow?ms=500", clients: 2, maxRequests: 2 }).start();
    await waitUntil(() => threads(server.pid) === 3, { what: "both requests have a thread" });
    server.signal("SIGTERM");
    await waitUntil(async () => !await accepts(port), { what: "the port refuses" });
    assert.deepEqual(await exits(server), [0, null]);
    const tally = await slow.finished();
    assert.deepEqual([tally.ok, tally.lost], [2, 0], formatTally(tally));
  });

  test("shutdown_listener stops listening on USR2, and lives", LIMIT, async () => {
    const [server, port] = await serverOf("shutdown_listener.py");
    await using _ = server;
    server.signal("SIGUSR2");
    await waitUntil(async () => !await accepts(port), { what: "the port refuses" });
    assert.ok(alive(server.pid));
  });

  test("inherit_fd.js serves on LISTEN_FDS, and exits 6 without", LIMIT, async () => {
    const port = await freePort();
    const command = python(ACTIVATOR, ...fixtureCommand("inherit_fd.js"));
    await using _server = await startBare({ command, env: { PORT: String(port) }, port });
    await serves(port);
    await using without = start(fixtureCommand("inherit_fd.js"));
    assert.deepEqual(await exits(without), [6, null]);
  });

  test("prints_fds.py tells what it was given, inherited or not", LIMIT, async () => {
    const port = await freePort();
    const command = python(ACTIVATOR, ...fixtureCommand("prints_fds.py"));
    await using server = await startBare({ command, env: { PORT: String(port) }, port });
    const line = await waitUntil(() => /^\{.*\}$/m.exec(server.output)?.[0], { what: "its JSON" });
    const given = JSON.parse(line);
    assert.match(given.fds["3"], /^socket:/);
    assert.equal(given.env.LISTEN_PID, String(server.pid));
    assert.equal(given.pid, server.pid);
    await serves(port);
    const [bare, barePort] = await serverOf("prints_fds.py");
    await using _ = bare;
    await serves(barePort);
  });

  test("sd_notify.py is ready some time after it listens", LIMIT, async () => {
    using dir = tempDir();
    const path = dir.join("notify");
    await using reader = start(python(NOTIFY_READER, path));
    await waitUntil(() => alive(reader.pid) && existsSync(path), { what: "the socket is there" });
    const [server, port] = await serverOf("sd_notify.py", { NOTIFY_SOCKET: path, MS: "300" });
    await using _ = server;
    assert.doesNotMatch(reader.output, /READY=1/);
    await waitUntil(() => /READY=1/.test(reader.output), { what: "READY=1 is sent" });
    await serves(port);
  });

  test("switch.sh becomes what its file says, by pid", LIMIT, async () => {
    using dir = tempDir();
    const [port, TARGET_FILE] = [await freePort(), dir.join("target")];
    const env = { PORT: String(port), VERSION: "it's 2" };
    deploy(TARGET_FILE, { command: fixtureCommand("node_http.js"), env });
    const command = fixtureCommand("switch.sh");
    await using server = await startBare({ command, env: { TARGET_FILE }, port });
    const tally = await new Load({ port, maxRequests: 5 }).start().finished();
    assert.deepEqual([...tally.byBody], [[server.pid, 5]], formatTally(tally));
    deploy(TARGET_FILE, { command: fixtureCommand("exits_at_once.js"), env: {} });
    await using broken = start(command, { TARGET_FILE });
    assert.deepEqual(await exits(broken), [3, null]);
  });
});

function threads(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).length;
}
