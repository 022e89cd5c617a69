/** The promise: signals control baton as they control any service, at a terminal too. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { connect } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import { Baton, batonCommand, type BatonOptions, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { alive, children, killTree } from "../support/proc.ts";
import { findPython, required } from "../support/programs.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";
import { inFlight, mortal, server, serving } from "../support/controlled.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };

const EXIT_TIMED_OUT = 124;

describe("signals", () => {
  test("HUP reloads", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    await using load = new Load({ port }).start();
    baton.signal("SIGHUP");
    const after = await waitUntil(async () => {
      const status = await baton.settled();
      return status.epoch === 1 && status;
    }, { what: "the new generation serves" });
    assert.equal(after.pid, baton.pid);
    assert.equal(after.lastReload?.result, "ok", "it is a reload as any other");
    assert.equal(after.restarts.ok, 1);
    const tally = await load.stop();
    assert.equal(tally.lost, 0, formatTally(tally));
  });

  test("a HUP whose reload fails is told in status and log", TEST, async () => {
    using work = tempDir();
    const envFile = work.write("env", "A=1\n");
    const flags = ["--env-file", envFile];
    await using baton = await startBaton({ ...server(await freePort()), flags });
    work.write("env", "broken\n");
    baton.signal("SIGHUP");
    const { lastReload } = await waitUntil(async () => {
      const status = await baton.status();
      return status.restarts.failed === 1 && status;
    }, { what: "the reload fails" });
    assert.match(lastReload?.reason ?? "", /Cannot read .*env line 1/);
    assert.match(baton.stderr, /error: reload failed: Cannot read .*env line 1/);
  });

  for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT"] as const) {
    test(`${signal} stops gracefully, exit status 0`, TEST, async () => {
      const port = await freePort();
      await using baton = await startBaton(server(port));
      const { pid } = await serving(baton);
      await using load = await inFlight(baton, port, 1_000);
      baton.signal(signal);
      assert.deepEqual(await baton.exited, { code: 0, signal: null }, baton.stderr);
      assert.equal(alive(pid ?? 0), false);
      assert.equal(existsSync(baton.socketPath), false);
      const tally = await load.finished();
      assert.equal(tally.ok, 1, formatTally(tally));
    });
  }

  test("a second TERM does not wait for requests", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    await using load = await inFlight(baton, port, 45_000);
    baton.signal("SIGTERM");
    await waitUntil(async () => (await baton.status()).generations[0]?.state === "draining", {
      what: "it drains",
    });
    baton.signal("SIGTERM");
    const exit = await baton.exited;
    // It is what was asked for, and somebody has lost an answer by it.
    assert.deepEqual([exit.signal, exit.code], [null, 124], baton.stderr);
    assert.match(baton.stderr, /generation 0 exited cut=1/);
    const tally = await load.finished();
    assert.equal(tally.lost, 1, formatTally(tally));
  });

  test("a third TERM kills a server that does not end", TEST, async () => {
    const port = await freePort();
    const stubborn = { command: fixtureCommand("ignores_term.py"), env: { PORT: String(port) } };
    await using baton = await startBaton({ ...stubborn, flags: ["--stop-time", "10m"] });
    const { pid } = await serving(baton);
    baton.signal("SIGTERM");
    await waitUntil(async () => (await baton.status()).generations[0]?.state === "stopping", {
      what: "the server is told to stop",
    });
    for (let told = 1; told < 3; told++) {
      assert.equal(alive(pid ?? 0), true, "it does not care");
      const stops = () => baton.stderr.match(/SIGTERM: stop/g)?.length ?? 0;
      baton.signal("SIGTERM");
      await waitUntil(() => stops() === told + 1 || baton.exit !== null, { what: "it is heard" });
    }
    const exit = await baton.exited;
    assert.deepEqual([exit.signal, exit.code], [null, EXIT_TIMED_OUT], baton.stderr);
    assert.equal(alive(pid ?? 0), false);
  });

  test("a server that outlives --stop-time is killed, exit status 124", TEST, async () => {
    const port = await freePort();
    const stubborn = { command: fixtureCommand("ignores_term.py"), env: { PORT: String(port) } };
    await using baton = await startBaton({ ...stubborn, flags: ["--stop-time", "300ms"] });
    assert.equal((await baton.stop()).code, EXIT_TIMED_OUT, baton.stderr);
  });

  test("TERM before anything serves ends at once, and the server too", TEST, async () => {
    await using baton = await startBaton({
      command: fixtureCommand("hangs.js"),
      env: {},
      expectFailure: true,
    });
    await waitUntil(() => baton.stdout.includes("hangs: starting"), { what: "the server runs" });
    const [pid = 0] = children(baton.pid);
    assert.equal((await baton.stop()).code, 0, baton.stderr);
    assert.equal(alive(pid), false);
  });

  const USR1: readonly [policy: string, arrives: boolean][] = [
    ["forward", true],
    ["ignore", false],
    ["auto", false], // It is node, to which USR1 means something else.
  ];
  for (const [policy, arrives] of USR1) {
    test(`--usr1 ${policy}: the server ${arrives ? "gets" : "does not get"} it`, TEST, async () => {
      using work = tempDir();
      const note = work.write("note", "");
      const log = work.join("log");
      const flags = ["--usr1", policy, "--log-file", log];
      await using baton = await startBaton({ ...mortal(await freePort(), note), flags });
      renameSync(log, `${log}.1`);
      baton.signal("SIGUSR1");
      await waitUntil(() => existsSync(log), { what: "baton has got it" });
      const { pid = 0 } = await serving(baton);
      if (!arrives) process.kill(pid ?? 0, "SIGUSR1"); // The one it gets is this one.
      await waitUntil(() => readFileSync(note, "utf8") !== "", { what: "the server has got one" });
      assert.equal(readFileSync(note, "utf8"), "USR1\n");
    });
  }
});

/**
 * A server that notes USR1, and dies of it until it has looked for the file GO; a client that says nothing keeps it
 * busy.
 */
const NOTES_USR1 = `
import os, signal, socket, threading, time
epoch = os.environ["RESTART_EPOCH"]
while epoch == "2" and not os.path.exists(os.environ["GO"]):
    time.sleep(0.01)
def note(*_):
    with open(os.environ["NOTE"], "a") as file:
        file.write("USR1 " + epoch + "\\n")
signal.signal(signal.SIGUSR1, note)
def answer(client):
    client.recv(100)
    client.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
    client.recv(100)
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
def serve():
    while True:
        threading.Thread(target=answer, args=[server.accept()[0]], daemon=True).start()
threading.Thread(target=serve, daemon=True).start()
while True:
    signal.pause()
`;

describe("USR1 that a server wants", () => {
  const skip = findPython() === null && "needs python3";

  test("reaches one that drains, and a candidate when it serves", { ...TEST, skip }, async () => {
    using work = tempDir();
    const port = await freePort();
    const note = work.write("note", "");
    await using baton = await startBaton({
      command: [required("python3", findPython()), "-c", NOTES_USR1],
      env: { PORT: String(port), NOTE: note, GO: work.join("go") },
      flags: ["--usr1", "forward", "--stop-time", "1s"],
    });
    // Its answer is never complete.
    const client = connect(port, "127.0.0.1");
    client.write("GET / HTTP/1.1\r\n\r\n");
    await once(client, "data");
    assert.equal((await baton.reload()).result, "ok", baton.stderr);
    const reloading = baton.reload();
    await waitUntil(() => /generation 2 starts/.test(baton.stderr), { what: "a candidate" });
    baton.signal("SIGUSR1");
    const lines = () => readFileSync(note, "utf8").trim().split("\n").sort();
    await waitUntil(() => lines().length === 2, { what: "the old one and the serving one" });
    assert.deepEqual(lines(), ["USR1 0", "USR1 1"]);
    work.write("go", "");
    assert.equal((await reloading).result, "ok", baton.stderr);
    await waitUntil(() => lines().length === 3, { what: "the new one has got it, too" });
    assert.deepEqual(lines(), ["USR1 0", "USR1 1", "USR1 2"]);
    client.destroy();
  });
});

describe("a terminal", () => {
  const skip = findPython() === null && "needs python3, for a terminal of its own";

  test(
    "that is closed stops baton; a HUP while it is open reloads",
    { ...TEST, skip },
    async () => {
      const port = await freePort();
      await using terminal = await Terminal.run(server(port));
      const { baton } = terminal;
      process.kill(baton.pid, "SIGHUP");
      await waitUntil(async () => (await baton.settled()).epoch === 1, { what: "it has reloaded" });
      const { pid } = await serving(baton);
      await using load = await inFlight(baton, port, 1_000);
      terminal.tell("close");
      assert.equal(await terminal.ended, "exit 0");
      assert.equal(alive(pid ?? 0), false);
      assert.match(terminal.log, /warn: the terminal was closed: stopping/);
      assert.doesNotMatch(terminal.log, /generation 2 starts/);
      const tally = await load.finished();
      assert.equal(tally.ok, 1, formatTally(tally));
    },
  );

  test("in which Ctrl-C is typed stops baton gracefully", { ...TEST, skip }, async () => {
    const port = await freePort();
    await using terminal = await Terminal.run(server(port));
    const { baton } = terminal;
    await using load = await inFlight(baton, port, 1_000);
    terminal.tell("ctrl-c");
    assert.equal(await terminal.ended, "exit 0");
    assert.match(terminal.log, /info: SIGINT: stop/);
    const tally = await load.finished();
    assert.equal(tally.ok, 1, `the server was not interrupted: ${formatTally(tally)}`);
  });
});

/** Runs a command in a new session with a terminal of its own; each line on stdin is a deed. */
const TERMINAL = `
import os, pty, select, sys
pid, master = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
print("pid", pid, flush=True)
watched = [0, master]
while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
    readable, _, _ = select.select(watched, [], [], 0.05)
    try:
        if master in readable:
            os.read(master, 4096)
    except OSError:
        watched.remove(master)
    if 0 in readable:
        deed = os.read(0, 4096)
        if deed == b"ctrl-c\\n":
            os.write(master, b"\\x03")
        if deed == b"close\\n":
            watched.remove(master)
            os.close(master)
        if deed == b"":
            watched.remove(0)
_, status = os.waitpid(pid, 0)
print(f"exit {os.WEXITSTATUS(status)}" if os.WIFEXITED(status) else f"signal {os.WTERMSIG(status)}")
`;

/** baton in a terminal. */
class Terminal implements AsyncDisposable {
  readonly ended: Promise<string>;
  baton!: Baton;
  #said = "";

  constructor(readonly child: ChildProcess, readonly work: ReturnType<typeof tempDir>) {
    child.stdout?.on("data", (bytes) => this.#said += String(bytes));
    child.stderr?.on("data", (bytes) => this.#said += String(bytes));
    this.ended = new Promise((resolve) => {
      child.once("close", () => resolve(this.#said.trim().split("\n").at(-1) ?? ""));
    });
  }

  static async run(options: BatonOptions): Promise<Terminal> {
    const work = tempDir();
    const name = ["--name", "web", "--runtime-dir", work.path, "--log-file", work.join("log")];
    const words = [...batonCommand(), "run", ...name, "--", ...options.command];
    const child = spawn(required("python3", findPython()), ["-c", TERMINAL, ...words], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...options.env },
    });
    const terminal = new Terminal(child, work);
    terminal.baton = new Baton(child, work, undefined);
    const pid = await waitUntil(() => /^pid (\d+)$/m.exec(terminal.#said)?.[1], {
      what: "baton runs in a terminal",
    });
    Object.assign(terminal.baton, { pid: Number(pid) });
    await waitUntil(async () => (await terminal.baton.status()).epoch === 0, {
      what: `it serves: ${terminal.#said}`,
    });
    return terminal;
  }

  get log(): string {
    return readFileSync(this.work.join("log"), "utf8");
  }

  tell(deed: "ctrl-c" | "close"): void {
    this.child.stdin?.write(`${deed}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null) killTree(this.child.pid ?? 0);
    await this.ended;
    this.work[Symbol.dispose]();
  }
}
