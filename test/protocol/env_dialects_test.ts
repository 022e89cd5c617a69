/**
 * What a server is given by --listen, byte for byte: descriptors, and the variables of every convention for passing
 * them. The server (prints_fds.py) tells what it found before it did anything itself.
 *
 * sd_listen_fds(3); Server::Starter(3pm); einhorn's README; Envoy's RESTART_EPOCH.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import process from "node:process";
import { describe, test } from "node:test";
import { startBare } from "../support/bare_server.ts";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { listeners } from "../support/proc.ts";
import { findPython, FIXTURES, required } from "../support/programs.ts";
import { fixtureCommand } from "../support/servers.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";

/** Signals 1 to 31 in the masks of /proc/PID/status. */
const STANDARD = 0x7fffffffn;
/** Variables of the test run itself, which only begin like ours. */
const OF_TEST_RUN = /^BATON_(?:UNDER_TEST$|TEST_)/;
const HAS_IPV6 = Object.values(networkInterfaces()).flat().some((each) => each?.address === "::1");

/** prints_fds.py, which serves on descriptor 3, with a thread for each further one. */
const ACCEPTS_ALL = `
import os, socket, threading

def serve(fd):
    listener = socket.socket(fileno=fd)
    while True:
        listener.accept()[0].close()

for fd in range(4, 3 + int(os.environ["LISTEN_FDS"])):
    threading.Thread(target=serve, args=(fd,), daemon=True).start()
import prints_fds
`;

/** What prints_fds.py prints. */
interface Given {
  readonly pid: number;
  readonly ppid: number;
  readonly pgid: number;
  readonly cwd: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly fds: Readonly<Record<string, string>>;
  readonly status: Readonly<Record<string, string>>;
}

async function given(port: number): Promise<Given> {
  const response = await fetch(`http://127.0.0.1:${port}/given`);
  const { env, ...rest } = await response.json() as Given;
  const ours = Object.entries(env).filter(([name]) => !OF_TEST_RUN.test(name));
  return { ...rest, env: Object.fromEntries(ours) };
}

/** Starts a server that prints what it was given and accepts from all of it. */
function start(
  work: TempDir,
  options: { flags: readonly string[]; argv?: readonly string[]; wrapper?: readonly string[] },
): Promise<Baton> {
  const { argv = [], ...rest } = options;
  const script = work.write("accepts_all.py", ACCEPTS_ALL);
  return startBaton({
    command: [required("python3", findPython()), script, ...argv],
    env: { PYTHONPATH: FIXTURES, PYTHONDONTWRITEBYTECODE: "1" },
    ...rest,
  });
}

/** The address that each descriptor from 3 on listens at, by the kernel's table. */
function listensAt(fds: Given["fds"]): Record<string, number | undefined> {
  const all = listeners();
  return Object.fromEntries(
    Object.entries(fds).filter(([number]) => Number(number) > 2).map(([number, target]) => {
      const inode = Number(/^socket:\[(\d+)\]$/.exec(target)?.[1]);
      return [number, all.find((listener) => listener.inode === inode)?.port];
    }),
  );
}

async function reload(baton: Baton): Promise<void> {
  assert.equal((await baton.reload()).result, "ok", baton.stderr);
  await baton.settled();
}

describe("a server that is given three listeners", () => {
  async function threePorts(): Promise<{ ports: number[]; third: string; flags: string[] }> {
    const ports = [await freePort(), await freePort(), await freePort()];
    const [web, any, six] = ports;
    const third = HAS_IPV6 ? `[::1]:${six}` : `127.0.0.1:${six}`;
    const specs = [`web=127.0.0.1:${web}`, String(any), `api=${third}`];
    return { ports, third, flags: specs.flatMap((spec) => ["--listen", spec]) };
  }

  test("finds each convention's variables, exactly", { timeout: TEST_TIMEOUT_MS }, async () => {
    using work = tempDir();
    const { ports, third, flags } = await threePorts();
    const [web = 0, any = 0] = ports;
    await using baton = await start(work, { flags });
    for (const epoch of [0, 1]) {
      const { pid, env } = await given(web);
      assert.deepEqual(env, {
        LISTEN_FDS: "3",
        LISTEN_PID: String(pid),
        LISTEN_FDNAMES: "web:listen1:api",
        SERVER_STARTER_PORT: `127.0.0.1:${web}=3;${any}=4;${third}=5`,
        SERVER_STARTER_GENERATION: String(epoch + 1),
        EINHORN_FD_COUNT: "3",
        EINHORN_FD_0: "3",
        EINHORN_FD_1: "4",
        EINHORN_FD_2: "5",
        EINHORN_FDS: "3 4 5",
        BATON_FDS: "web=3;listen1=4;api=5",
        BATON_EPOCH: String(epoch),
        BATON_WORKER: "0",
        RESTART_EPOCH: String(epoch),
        NOTIFY_SOCKET: env["NOTIFY_SOCKET"],
      });
      assert.ok(String(env["NOTIFY_SOCKET"]).startsWith(`${baton.dir.path}/`));
      assert.equal(pid, (await baton.status()).generations.at(-1)?.pid);
      if (epoch === 0) await reload(baton);
    }
  });

  test("has descriptors 0 to 2 and those three, whatever baton was given", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const { ports, flags } = await threePorts();
    const [web = 0, any = 0, six = 0] = ports;
    await using baton = await start(work, {
      flags,
      wrapper: ["sh", "-c", 'exec "$@" 4</dev/null 7</dev/null 9>/dev/null', "sh"],
    });
    const first = await given(web);
    await reload(baton);
    const second = await given(web);
    for (const { fds } of [first, second]) {
      assert.deepEqual(Object.keys(fds).sort(), ["0", "1", "2", "3", "4", "5"]);
    }
    assert.deepEqual(listensAt(second.fds), { 3: web, 4: any, 5: six });
    for (const number of ["3", "4", "5"]) {
      assert.notEqual(first.fds[number], second.fds[number], "a generation has sockets of its own");
    }
  });

  test("finds {fd:NAME} and {port:NAME} filled in", { timeout: TEST_TIMEOUT_MS }, async () => {
    using work = tempDir();
    const { ports, flags } = await threePorts();
    const [web = 0, any = 0, six = 0] = ports;
    const argv = [
      "--fd={fd:web}",
      "{fd:api},{port:api}",
      "http://x:{port:listen1}/",
      "{{fd:web}}",
      "pid.{epoch}",
    ];
    await using _baton = await start(work, { flags, argv });
    const found = (await given(web)).argv.slice(1);
    assert.deepEqual(found, ["--fd=3", `5,${six}`, `http://x:${any}/`, "{fd:web}", "pid.0"]);
  });

  test(
    "is not started with a {fd:NAME} that nobody has",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      await using baton = await startBaton({
        command: fixtureCommand("prints_fds.py", "{fd:other}"),
        env: {},
        flags: ["--listen", `127.0.0.1:${await freePort()}`],
        expectFailure: true,
      });
      assert.equal((await baton.exited).code, 64, baton.stderr);
      assert.match(baton.stderr, /\{fd:other\}/);
    },
  );
});

describe("a server that is given no listener", () => {
  test("finds the epoch and where to notify, and nothing that was meant for baton", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const port = await freePort();
    await using baton = await startBaton({
      command: fixtureCommand("prints_fds.py"),
      env: {
        PORT: String(port),
        VERSION: "7",
        LISTEN_FDS: "2",
        LISTEN_PID: "1",
        LISTEN_FDNAMES: "a:b",
        LISTEN_PIDFDID: "5",
        WATCHDOG_PID: "1",
      },
    });
    const { env, fds } = await given(port);
    assert.deepEqual(env, {
      PORT: String(port),
      VERSION: "7",
      BATON_EPOCH: "0",
      BATON_WORKER: "0",
      RESTART_EPOCH: "0",
      NOTIFY_SOCKET: env["NOTIFY_SOCKET"],
    });
    assert.deepEqual(Object.keys(fds).sort(), ["0", "1", "2"]);
    await reload(baton);
    assert.equal((await given(port)).env["BATON_EPOCH"], "1");
  });

  test("is started though the service manager has stored something for somebody else", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const port = await freePort();
    const stores = "export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=stored";
    await using _baton = await startBaton({
      command: fixtureCommand("prints_fds.py"),
      env: { PORT: String(port) },
      wrapper: ["sh", "-c", `${stores}; exec "$@" 3</dev/null`, "sh"],
    });
    const { env, fds } = await given(port);
    assert.equal(env["LISTEN_FDS"], undefined);
    assert.deepEqual(Object.keys(fds).sort(), ["0", "1", "2"]);
  });

  test("has the signal dispositions, working directory and user of a bare start", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const port = await freePort();
    const runnable = { command: fixtureCommand("prints_fds.py"), env: { PORT: String(port) } };
    let bare: Given;
    {
      await using _server = await startBare({ ...runnable, port });
      bare = await given(port);
    }
    await using baton = await startBaton(runnable);
    const wrapped = await given(port);
    for (const line of ["SigBlk", "SigIgn", "SigCgt", "Uid", "Gid", "NoNewPrivs"]) {
      // Without CAP_SYS_ADMIN the filter needs no_new_privs: docs/handoff.md.
      if (line === "NoNewPrivs" && process.geteuid?.() !== 0) continue;
      // Signals 32 and 33 belong to the C library, which refuses to set them for anybody.
      const own = (text = "0") => line.startsWith("Sig") ? BigInt(`0x${text}`) & STANDARD : text;
      assert.equal(own(wrapped.status[line]), own(bare.status[line]), line);
    }
    assert.equal(wrapped.cwd, bare.cwd);
    assert.equal(wrapped.ppid, baton.pid);
    assert.equal(wrapped.pgid, wrapped.pid, "a process group of its own");
  });

  test("starts with no signal ignored, whatever baton's runtime ignores", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    const file = work.join("status");
    const record = ["sh", "-c", `cat /proc/$$/status >"${file}"; exec "$@"`, "sh"];
    await using _baton = await startBaton({
      command: [...record, ...fixtureCommand("prints_fds.py")],
      env: { PORT: String(port) },
    });
    const status = readFileSync(file, "utf8");
    const mask = /^SigIgn:\s+([0-9a-f]+)$/m.exec(status)?.[1];
    assert.equal(BigInt(`0x${mask}`) & STANDARD, 0n, `SigIgn ${mask}`);
  });
});
