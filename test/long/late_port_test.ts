/**
 * A port that is opened late, and whatever else may happen while the new generation has not opened it yet. Each of
 * these has to serve for ten seconds first.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import {
  answersOf,
  isSettled,
  nothingLost,
  opensLate,
  pidOf,
  startLate,
  stateOf,
} from "../support/late_service.ts";
import { formatTally, Load } from "../support/load.ts";
import { findNode, findPython, required } from "../support/programs.ts";
import { fixtureCommand } from "../support/servers.ts";
import { Succession } from "../support/succession.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: 120_000 };
const CLIENTS = 4;

function loadOn(port: number, mode: "close" | "keep-alive" = "close"): Load {
  return new Load({ port, clients: CLIENTS, mode, timeoutMs: TEST.timeout }).start();
}

describe("while a late port is not open yet", () => {
  test("the new generation crashes: its heir opens it", TEST, async () => {
    const service = await startLate("60s");
    await using baton = service.baton;
    await using load = loadOn(service.late);
    assert.equal((await baton.reload()).late[0]?.servedBy, 0);
    process.kill(pidOf(await baton.status(), 1), "SIGKILL");
    await waitUntil(() => baton.stderr.includes("generation 2 serves"), { what: "it is replaced" });
    await answersOf(load, pidOf(await baton.status(), 0));
    await opensLate(service, 2);
    await answersOf(load, pidOf(await baton.settled(), 2));
    await nothingLost(load, baton);
  });

  test("two more reloads follow, of generations that do not live to open it", TEST, async () => {
    const service = await startLate("60s");
    await using baton = service.baton;
    await using load = loadOn(service.late);
    for (let epoch = 1; epoch <= 3; epoch++) {
      assert.equal((await baton.reload()).late[0]?.servedBy, 0);
    }
    await waitUntil(async () => await stateOf(baton, 2) === "exited", { what: "they are gone" });
    assert.equal(await stateOf(baton, 0), "draining");
    await opensLate(service, 3);
    await answersOf(load, pidOf(await baton.settled(), 3));
    await nothingLost(load, baton);
  });

  test("room is made for another generation: clients wait", TEST, async () => {
    const service = await startLate("60s", ["--max-generations", "2"]);
    await using baton = service.baton;
    await baton.reload();
    assert.equal((await baton.reload()).late[0]?.servedBy, null);
    await using load = loadOn(service.late);
    await opensLate(service, 2);
    await answersOf(load, pidOf(await baton.settled(), 2));
    await nothingLost(load, baton);
  });

  test("the service stops: nothing is waited for", TEST, async () => {
    const { baton: started } = await startLate("60s");
    await using baton = started;
    await baton.reload();
    const from = performance.now();
    assert.deepEqual(await baton.stop(), { code: 0, signal: null }, baton.stderr);
    assert.ok(performance.now() - from < 15_000, baton.stderr);
  });

  test("the new one goes bad, and the old one serves all again", TEST, async () => {
    const { baton: started, late, port } = await startLate("60s", ["--eject-after", "500ms"]);
    await using baton = started;
    await using load = loadOn(late);
    await baton.reload();
    const [old, bad] = [pidOf(await baton.status(), 0), pidOf(await baton.status(), 1)];
    process.kill(bad, "SIGSTOP");
    await using stuck = loadOn(port);
    await waitUntil(() => baton.stderr.includes("generation 0 serves again"), { what: "it does" });
    process.kill(bad, "SIGCONT");
    await answersOf(load, old);
    await answersOf(stuck, old);
    await baton.settled();
    await nothingLost(load, baton);
  });

  test("baton is upgraded in place", TEST, async () => {
    const service = await startLate("60s");
    await using baton = service.baton;
    await using load = loadOn(service.late);
    await baton.reload();
    const { code, stderr } = await baton.cli("upgrade", "--in-place");
    assert.equal(code, 0, stderr);
    await answersOf(load, pidOf(await baton.status(), 0));
    assert.equal(await stateOf(baton, 0), "draining");
    await opensLate(service, 1);
    await answersOf(load, pidOf(await baton.settled(), 1));
    await nothingLost(load, baton);
  });

  test("another baton takes over: clients wait for its generation", TEST, async () => {
    const service = await startLate("60s");
    await using baton = service.baton;
    await using load = loadOn(service.late);
    const { code, stderr } = await baton.cli("upgrade");
    assert.equal(code, 0, stderr);
    try {
      await waitUntil(async () => {
        const { listeners } = await baton.status();
        const members = listeners.find((each) => each.address === service.address)?.members ?? [];
        return members.some((member) => member.receiving && member.backlog > 0);
      }, { what: "they wait" });
      process.kill(pidOf(await baton.status(), 1), "SIGUSR2");
      await answersOf(load, pidOf(await baton.status(), 1));
      await nothingLost(load, baton);
    } finally {
      await baton.cli("stop");
    }
  });

  test("baton is killed, and started again (--survive)", TEST, async () => {
    using dir = tempDir("baton");
    const [port, late] = [await freePort(), await freePort()];
    const flags = ["--survive", "--log-level", "debug"];
    await using batons = new Succession({
      command: fixtureCommand("binds_later.js"),
      env: { PORT: String(port), LATER_PORT: String(late) },
      dir,
    });
    const address = `127.0.0.1:${late}`;
    const first = await batons.next(flags);
    await isSettled(first);
    await opensLate({ baton: first, address }, 0);
    await using load = loadOn(late);
    await first.reload();
    await batons.look();
    await batons.kill();
    const second = await batons.next(flags);
    await answersOf(load, pidOf(await second.status(), 0));
    assert.equal(await stateOf(second, 0), "draining");
    await opensLate({ baton: second, address }, 1);
    await answersOf(load, pidOf(await second.settled(), 1));
    await nothingLost(load, second);
  });
});

describe("a server that is opened late without a reload", () => {
  test("and crashes: clients wait until its heir has it open", TEST, async () => {
    const service = await startLate("60s");
    await using baton = service.baton;
    process.kill(pidOf(await baton.status(), 0), "SIGKILL");
    await waitUntil(() => baton.stderr.includes('{"kind":"healthy","epoch":1}'), {
      what: "the heir has served for a while",
    });
    await using load = loadOn(service.late);
    await opensLate(service, 1);
    await answersOf(load, pidOf(await baton.status(), 1));
    await nothingLost(load, baton);
  });
});

/** At SIGUSR2 as its twin, but generation 1 takes another address, which holds the old one. */
const MOVES = `
const http = require("node:http");
const { PORT, LATER_PORT, RESTART_EPOCH } = process.env;
const answer = (_, response) => response.end("version=1 pid=" + process.pid);
http.createServer(answer).listen(PORT, "127.0.0.1");
const host = RESTART_EPOCH === "0" ? "127.0.0.1" : "0.0.0.0";
process.on("SIGUSR2", () => http.createServer(answer).listen(LATER_PORT, host));
`;

/** At SIGUSR2 a child listens at the late port, as one for each client does. */
const FORKS = `
import os, signal, socket, sys
main = socket.socket()
main.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
main.bind(("127.0.0.1", int(os.environ["PORT"])))
main.listen()
def session(*_):
    if os.fork() == 0:
        late = socket.socket()
        late.bind(("127.0.0.1", int(os.environ["LATER_PORT"])))
        late.listen()
        signal.pause()
signal.signal(signal.SIGUSR2, session)
while True:
    main.accept()[0].close()
`;

/** At SIGUSR2 two threads listen at the late port, each with a socket of its own. */
const WORKERS = `
import os, signal, socket, threading
def work(port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(64)
    answer = f"version=1 pid={os.getpid()}".encode()
    head = b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(answer)
    while True:
        client, _ = listener.accept()
        with client:
            if client.recv(65536):
                client.sendall(head + answer)
def start(port):
    threading.Thread(target=work, args=(port,), daemon=True).start()
signal.signal(signal.SIGUSR2, lambda *_: [start(int(os.environ["LATER_PORT"])) for _ in range(2)])
start(int(os.environ["PORT"]))
while True:
    signal.pause()
`;

describe("a late port", () => {
  test("that the next version opens at all addresses is opened", TEST, async () => {
    const command = [required("node", findNode()), "-e", MOVES];
    const service = await startLate("60s", [], command);
    await using baton = service.baton;
    assert.equal((await baton.reload()).late[0]?.servedBy, 0);
    await opensLate({ baton, address: `0.0.0.0:${service.late}` }, 1);
    const { lastReload } = await baton.settled();
    assert.equal(lastReload?.late[0]?.state, "opened");
    await using load = loadOn(service.late);
    await answersOf(load, pidOf(await baton.status(), 1));
    await nothingLost(load, baton);
  });

  test("of a session is not waited for", TEST, async () => {
    const command = [required("python3", findPython()), "-c", FORKS];
    const { baton: started } = await startLate("60s", [], command, true);
    await using baton = started;
    assert.deepEqual((await baton.reload()).late, []);
    await baton.settled();
  });

  test("that its server closes is not waited for any longer", TEST, async () => {
    const script = `
const http = require("node:http");
const { PORT, LATER_PORT } = process.env;
const answer = (_, response) => response.end("version=1 pid=" + process.pid);
http.createServer(answer).listen(PORT, "127.0.0.1");
const late = http.createServer(answer);
process.on("SIGUSR2", () => late.listening ? late.close() : late.listen(LATER_PORT, "127.0.0.1"));
`;
    const { baton: started } = await startLate("60s", [], [
      required("node", findNode()),
      "-e",
      script,
    ]);
    await using baton = started;
    assert.equal((await baton.reload()).late[0]?.servedBy, 0);
    process.kill(pidOf(await baton.status(), 0), "SIGUSR2");
    await baton.settled();
  });

  test("with kept connections (--keep-alive migrate)", TEST, async () => {
    const service = await startLate("60s", ["--keep-alive", "migrate"]);
    await using baton = service.baton;
    await using first = loadOn(service.port, "keep-alive");
    await using load = loadOn(service.late, "keep-alive");
    await baton.reload();
    await answersOf(first, pidOf(await baton.status(), 0));
    await answersOf(load, pidOf(await baton.status(), 0));
    await opensLate(service, 1);
    await answersOf(load, pidOf(await baton.status(), 1));
    await baton.settled();
    await nothingLost(first, baton);
    await nothingLost(load, baton);
  });

  test("of several workers, one listener each", TEST, async () => {
    const command = [required("python3", findPython()), "-c", WORKERS];
    const service = await startLate("60s", [], command);
    await using baton = service.baton;
    await using load = loadOn(service.late);
    assert.equal((await baton.reload()).late[0]?.servedBy, 0);
    await answersOf(load, pidOf(await baton.status(), 0));
    await opensLate(service, 1);
    await answersOf(load, pidOf(await baton.settled(), 1));
    await nothingLost(load, baton);
    assert.ok(load.tally.ok > 0, formatTally(load.tally));
  });
});

test(
  "a late port that only a crashed generation had is refused once that is given up",
  TEST,
  async () => {
    const port = await freePort();
    const late = await freePort();
    await using baton = await startBaton({
      command: fixtureCommand("binds_later.js"),
      env: { PORT: String(port), LATER_PORT: String(late) },
      flags: ["--ready-timeout", "12s", "--log-level", "debug"],
    });
    await isSettled(baton);
    await opensLate({ baton, address: `127.0.0.1:${late}` }, 0);
    process.kill(pidOf(await baton.status(), 0), "SIGKILL");
    const said = `generation 1 does not listen at 127.0.0.1:${late}`;
    await waitUntil(() => baton.stderr.includes(said), { what: said });
    const asked = await new Load({ port: late, clients: 1, maxRequests: 1 }).start().finished();
    assert.equal(asked.refused, 1, formatTally(asked));
  },
);
