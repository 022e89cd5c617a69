/**
 * Fault: wrong words, places that are taken, and clients that do not behave.
 *
 * Allowed outcome: `baton run` refuses with 64 (wrong; change something) or 75 (taken; later may do) and one
 * message that names the thing and the remedy; nothing is started and nothing is left behind. A baton that
 * runs is not disturbed, whatever comes to its control socket. What is merely stale is taken over.
 */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, chownSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import type { Snapshot } from "../../src/report/snapshot.ts";
import {
  Baton,
  batonCommand,
  type BatonOptions,
  runCommand,
  startBaton,
} from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { alive, children, openFds, privateMemoryBytes } from "../support/proc.ts";
import { findNode, required } from "../support/programs.ts";
import { fixtureCommand } from "../support/servers.ts";
import { TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const EXIT_USAGE = 64;
const EXIT_SYSTEM = 71;
const EXIT_BUSY = 75;
const NOBODY = 65_534;
const SOMEBODY_ELSE = 65_533;
const isRoot = process.getuid?.() === 0;

/** Why another user cannot be played, or false. */
function cannotBeNobody(): string | false {
  if (!isRoot) return "needs root, to run programs as another user";
  const [program = "", ...argv] = [...batonCommand(), "version"];
  try {
    execFileSync(program, argv, { uid: NOBODY, gid: NOBODY, stdio: "ignore" });
    return false;
  } catch {
    return `user ${NOBODY} cannot run ${program}`;
  }
}

const AS_NOBODY = { ...TEST, skip: cannotBeNobody() };

interface Refusal {
  readonly code: number;
  /** What it names, in the first line. */
  readonly names: RegExp;
  /** Behind it; null: the first line says it. */
  readonly remedy: RegExp | null;
}

/** A server that would leave a trace. */
function tracingServer(work: TempDir): string[] {
  return ["sh", "-c", `: > ${work.join("started")}; exec sleep 60`];
}

/** `baton run` that refuses before anything is started. */
async function refuses(
  work: TempDir,
  words: readonly string[],
  refusal: Refusal,
  uid?: number,
): Promise<void> {
  // Ends only when nobody holds its output any more: no process is left behind.
  const result = await runCommand([...batonCommand(), "run", ...words], { cwd: work.path, uid });
  assert.equal(result.code, refusal.code, result.stderr);
  assert.equal(result.stdout, "");
  const [first = "", second, ...more] = result.stderr.trimEnd().split("\n");
  assert.match(first, refusal.names);
  if (refusal.remedy === null) assert.equal(second, undefined, result.stderr);
  else assert.match(second ?? "", refusal.remedy, result.stderr);
  assert.deepEqual(more, [], "no more than that");
  assert.equal(existsSync(work.join("started")), false, "no server was started");
}

/** No socket, and nobody has the lock. A holder (--survive) ends a moment after its baton. */
async function nothingLeftIn(directory: string): Promise<void> {
  await waitUntil(() => {
    const files = readdirSync(directory);
    assert.deepEqual(files.filter((file) => !file.endsWith(".lock")), []);
    for (const file of files) {
      const { ino } = statSync(`${directory}/${file}`);
      const held = readFileSync("/proc/locks", "utf8").split("\n")
        .filter((line) => line.includes(`:${ino} `));
      assert.deepEqual(held, [], `${file} is not locked`);
    }
    return true;
  }, { what: "nothing is left" });
}

describe("wrong words are refused with 64", () => {
  const OF_RUN: readonly [what: string, words: readonly string[], names: RegExp, remedy: RegExp][] =
    [
      ["an unknown flag", ["--nope"], /Unknown option --nope for run/, /--help/],
      ["a mistyped flag", ["--lisen", "80"], /Unknown option --lisen .*mean --listen\?/, /--help/],
      ["no command", [], /command of the server is missing/, /baton run -- PROGRAM/],
      [
        "a listener without port",
        ["--listen", "localhost"],
        /"localhost": the port/,
        /ADDRESS:PORT/,
      ],
      [
        "a listener at port 0",
        ["--listen", "127.0.0.1:0"],
        /"127.0.0.1:0": port 0/,
        /Give the port/,
      ],
      [
        "a port beyond 65535",
        ["--listen", ":65536"],
        /":65536": ports end at 65535/,
        /ADDRESS:PORT/,
      ],
      [
        "a host name",
        ["--listen", "example.org:80"],
        /host names are not looked up/,
        /127\.0\.0\.1/,
      ],
      ["IPv6 without brackets", ["--listen", "::1:80"], /needs brackets/, /\[::1\]:8080/],
      [
        "the same address twice",
        ["--listen", "127.0.0.1:8080", "--listen", "b=127.0.0.1:8080"],
        /127\.0\.0\.1:8080 twice: as "listen0" and as "b"/,
        /Remove one/,
      ],
      [
        "the same listener name twice",
        ["--listen", "a=8080", "--listen", "a=8081"],
        /listener name "a" twice: for 0\.0\.0\.0:8080 and for 0\.0\.0\.0:8081/,
        /its own name/,
      ],
      [
        "an option given twice",
        ["--drain-time", "1s", "--drain-time", "2s"],
        /--drain-time is given more than once/,
        /Give it once/,
      ],
    ];
  for (const [what, words, names, remedy] of OF_RUN) {
    test(what, TEST, async () => {
      using work = tempDir();
      using directory = tempDir();
      const command = what === "no command" ? [] : ["--", ...tracingServer(work)];
      const all = ["--runtime-dir", directory.path, ...words, ...command];
      await refuses(work, all, { code: EXIT_USAGE, names, remedy });
      await nothingLeftIn(directory.path);
    });
  }

  const VERBS: readonly [words: readonly string[], names: RegExp, remedy: RegExp][] = [
    [["statsu"], /Unknown command "statsu": did you mean status\?/, /baton --help/],
    [["reload", "a", "b"], /Unexpected word "b" for reload/, /baton reload --help/],
    [["stop", "--jsno"], /Unknown option --jsno for stop/, /baton stop --help/],
    [["status", "--name", "../etc"], /In --name: cannot use "..\/etc"/, /letters|^ /],
  ];
  for (const [words, names, remedy] of VERBS) {
    test(`baton ${words.join(" ")}`, TEST, async () => {
      const { code, stderr } = await runCommand([...batonCommand(), ...words]);
      assert.equal(code, EXIT_USAGE, stderr);
      assert.match(stderr, names);
      assert.match(stderr, remedy);
    });
  }
});

describe("output that nobody can have", () => {
  const COMMANDS = ["init systemd -- server", "doctor", "version"];

  for (const words of COMMANDS) {
    test(`baton ${words}: is no success on a full disk`, TEST, async () => {
      const script = 'exec "$@" >/dev/full';
      const all = [...batonCommand(), ...words.split(" ")];
      const { code, stderr } = await runCommand(["sh", "-c", script, "sh", ...all]);
      assert.equal(code, EXIT_SYSTEM, stderr);
      assert.match(stderr, /^baton: Cannot write to standard output: ENOSPC\n {2}\S.*\n$/);
    });

    test(`baton ${words}: is one when its reader has had enough`, TEST, async () => {
      using work = tempDir();
      const gate = work.join("gate");
      await runCommand(["mkfifo", gate]);
      // Its last reader has gone before anything is written.
      const script = 'exec 3<>"$GATE" 4>"$GATE" 3<&-; exec "$@" >&4 4>&-';
      const all = [...batonCommand(), ...words.split(" ")];
      const gone = await runCommand(["sh", "-c", script, "sh", ...all], { env: { GATE: gate } });
      assert.deepEqual(gone, { code: 0, stdout: "", stderr: "" });
    });
  }
});

describe("what is taken is refused with 75", () => {
  test("a port of --listen that a stranger holds", TEST, async () => {
    using work = tempDir();
    using directory = tempDir();
    await using stranger = await Stranger.at("127.0.0.1");
    for (const host of ["127.0.0.1:", "", "*:"]) {
      const all = ["--runtime-dir", directory.path, "--listen", `${host}${stranger.port}`];
      const { code, stderr } = await runCommand([
        ...batonCommand(),
        ...["run", ...all, "--", ...tracingServer(work)],
      ]);
      assert.equal(code, EXIT_BUSY, stderr);
      const holder = `held by .* \\(pid ${process.pid}\\): stop that, or use another address`;
      assert.match(stderr, new RegExp(`Cannot listen at \\S+:${stranger.port}: it is ${holder}`));
      assert.equal(existsSync(work.join("started")), false, "no server was started");
      await nothingLeftIn(directory.path);
    }
  });

  for (const mode of [[], ["--shutdown-only"], ["--survive"]]) {
    test(`a probe port that a stranger holds ${mode.join("")}`, TEST, async () => {
      using work = tempDir();
      using directory = tempDir();
      await using stranger = await Stranger.at("127.0.0.1");
      const pidfile = work.join("web.pid");
      const flags = [...mode, "--runtime-dir", directory.path, "--pidfile", pidfile];
      const address = `127.0.0.1:${stranger.port}`;
      await refuses(
        work,
        [...flags, "--probe-listen", address, "--", ...tracingServer(work)],
        {
          code: EXIT_BUSY,
          names: new RegExp(`Cannot answer probes at ${address}: `),
          remedy: /Use another address with --probe-listen/,
        },
      );
      assert.equal(existsSync(pidfile), false, "a pidfile is left");
      await nothingLeftIn(directory.path);
    });
  }

  test("a name that runs already; the first instance is untouched", TEST, async () => {
    using work = tempDir();
    const port = await freePort();
    await using baton = await startBaton(server(port));
    const before = await baton.settled();
    await refuses(
      work,
      ["--name", "web", "--runtime-dir", baton.dir.path, "--", ...tracingServer(work)],
      {
        code: EXIT_BUSY,
        names: /Cannot run "web": a baton with this name is running already/,
        remedy: /baton reload web.*--name/,
      },
    );
    await serves(baton, port, before);
  });

  test("of two that start at the same time under one name, one runs", TEST, async () => {
    using directory = tempDir();
    const ports = [await freePort(), await freePort()];
    await using first = startIn(directory, server(ports[0] ?? 0));
    await using second = startIn(directory, server(ports[1] ?? 0));
    const loser = await Promise.race([
      first.exited.then(() => first),
      second.exited.then(() => second),
    ]);
    const winner = loser === first ? second : first;
    assert.equal(loser.exit?.code, EXIT_BUSY, loser.stderr);
    assert.match(loser.stderr, /a baton with this name is running already/);
    const snapshot = await waitUntil(async () => {
      const status = await winner.status();
      return status.epoch !== null && status;
    }, { what: `the other one serves\n${winner.stderr}` });
    assert.equal(snapshot.pid, winner.pid);
  });

  test("the pidfile of another baton that is alive", TEST, async () => {
    using work = tempDir();
    using directory = tempDir();
    const port = await freePort();
    const pidfile = work.join("web.pid");
    await using baton = await startBaton({ ...server(port), flags: ["--pidfile", pidfile] });
    const before = await baton.settled();
    await refuses(
      work,
      ["--runtime-dir", directory.path, "--pidfile", pidfile, "--", ...tracingServer(work)],
      {
        code: EXIT_BUSY,
        names: new RegExp(`Cannot take over pidfile ${pidfile}: process ${baton.pid} \\(.+\\)`),
        remedy: /Stop that process, or use another --pidfile/,
      },
    );
    assert.equal(readFileSync(pidfile, "utf8"), `${baton.pid}\n`);
    await nothingLeftIn(directory.path);
    await serves(baton, port, before);
  });
});

describe("what is stale is taken over", () => {
  test("control socket, lock and pidfile of a baton that was killed", TEST, async () => {
    using work = tempDir();
    const port = await freePort();
    const pidfile = work.join("web.pid");
    const options = { ...server(port), flags: ["--pidfile", pidfile] };
    await using killed = await startBaton(options);
    const pids = [killed.pid, ...children(killed.pid)];
    killed.signal("SIGKILL");
    await killed.exited;
    await waitUntil(() => !pids.some(alive), { what: "the killed baton's server has ended" });
    assert.ok(statSync(killed.socketPath).isSocket());
    assert.equal(readFileSync(pidfile, "utf8"), `${killed.pid}\n`);

    await using baton = startIn(killed.dir, options);
    const snapshot = await waitUntil(async () => {
      const status = await baton.status();
      return status.epoch !== null && status;
    }, { what: `it serves\n${baton.stderr}` });
    assert.equal(snapshot.pid, baton.pid);
    assert.equal(readFileSync(pidfile, "utf8"), `${baton.pid}\n`);
    assert.equal((await baton.stop()).code, 0, baton.stderr);
    assert.equal(existsSync(pidfile), false);
    await nothingLeftIn(baton.dir.path);
  });

  const STALE_PIDFILES: readonly [what: string, content: string][] = [
    ["an empty pidfile", ""],
    ["a pidfile that holds garbage", "garbage"],
    ["a pidfile with a number that no process has", "4194304999"],
    ["a pidfile with a number that no process can have", "-1"],
    ["a pidfile with the number of init", "1"],
    ["a pidfile with a number that another program has by now", `${process.pid}\n`],
  ];
  for (const [what, content] of STALE_PIDFILES) {
    test(what, TEST, async () => {
      using work = tempDir();
      const pidfile = work.write("web.pid", content);
      const port = await freePort();
      await using baton = await startBaton({ ...server(port), flags: ["--pidfile", pidfile] });
      assert.equal(readFileSync(pidfile, "utf8"), `${baton.pid}\n`);
    });
  }
});

describe("a runtime directory that cannot be used or trusted is refused with 64", () => {
  const remedy = /Use --runtime-dir with a directory of your own/;

  test("it cannot be made", TEST, async () => {
    using work = tempDir();
    const file = work.write("file", "");
    for (const directory of [file, `${file}/below`]) {
      const words = ["--runtime-dir", directory, "--", ...tracingServer(work)];
      const names = new RegExp(`Cannot make runtime directory ${directory}: `);
      await refuses(work, words, { code: EXIT_USAGE, names, remedy });
    }
  });

  test("others may write to it", TEST, async () => {
    using work = tempDir();
    for (const mode of [0o777, 0o775, 0o757, 0o1777]) {
      using directory = tempDir();
      chmodSync(directory.path, mode);
      const words = ["--runtime-dir", directory.path, "--", ...tracingServer(work)];
      const names = new RegExp(`Cannot trust .* ${directory.path}: others may write to it`);
      await refuses(work, words, { code: EXIT_USAGE, names, remedy });
      assert.deepEqual(readdirSync(directory.path), []);
    }
  });

  test("it may not be written to", { ...TEST, skip: isRoot && AS_NOBODY.skip }, async () => {
    using work = tempDir();
    using directory = tempDir();
    chmodSync(work.path, 0o755);
    chmodSync(directory.path, 0o555);
    const words = ["--runtime-dir", directory.path, "--", ...tracingServer(work)];
    const names = /Cannot write to the runtime directory: .*EACCES/;
    // To root modes mean nothing.
    const uid = isRoot ? NOBODY : undefined;
    await refuses(work, words, { code: EXIT_USAGE, names, remedy }, uid);
    assert.deepEqual(readdirSync(directory.path), []);
  });

  test("it belongs to another user", {
    ...TEST,
    skip: !isRoot && "needs root, to give a directory away",
  }, async () => {
    using work = tempDir();
    using directory = tempDir();
    chownSync(directory.path, NOBODY, NOBODY);
    const words = ["--runtime-dir", directory.path, "--", ...tracingServer(work)];
    const names = new RegExp(`Cannot trust .* ${directory.path}: it belongs to user ${NOBODY}`);
    await refuses(work, words, { code: EXIT_USAGE, names, remedy });
    assert.deepEqual(readdirSync(directory.path), []);
  });

  test("its path is too long for a Unix socket", TEST, async () => {
    using work = tempDir();
    const directory = work.join("x".repeat(100));
    const words = ["--runtime-dir", directory, "--", ...tracingServer(work)];
    const names = /Cannot use runtime directory .*\d+ bytes long, and 107 fit/;
    await refuses(work, words, { code: EXIT_USAGE, names, remedy: /shorter path/ });
    assert.equal(existsSync(directory), false);
  });
});

describe("a file that cannot be written is refused with 64", () => {
  for (const flag of ["--pidfile", "--log-file"]) {
    test(flag, TEST, async () => {
      using work = tempDir();
      using directory = tempDir();
      const path = work.join("missing", "file");
      const pidfile = work.join("web.pid");
      const words = ["--runtime-dir", directory.path, flag, path];
      if (flag !== "--pidfile") words.push("--pidfile", pidfile);
      await refuses(work, [...words, "--", ...tracingServer(work)], {
        code: EXIT_USAGE,
        names: new RegExp(`Cannot write ${flag}.*${path}.*ENOENT`),
        remedy: null,
      });
      assert.equal(existsSync(pidfile), false, "no pidfile is left behind");
      await nothingLeftIn(directory.path);
    });
  }
});

const HOST = "HTTP/1.1\r\nHost: baton\r\n";

/** What the server must survive, with the status it answers; null: it says nothing. */
const BAD_REQUESTS: readonly [what: string, bytes: string | Uint8Array, status: number | null][] = [
  ["nothing at all", "", null],
  ["garbage", crypto.getRandomValues(new Uint8Array(4096)), null],
  ["a TLS client", Uint8Array.of(0x16, 3, 1, 0, 4, 1, 0, 0, 0), null],
  ["half a request", `GET /v1/status ${HOST}`, null],
  ["half a body", `POST /v1/reload ${HOST}Content-Length: 9\r\n\r\n{}`, null],
  ["no request line", "\r\n\r\n\r\n", 400],
  ["an unknown method", `get /v1/status ${HOST}\r\n`, 400],
  ["an HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
  ["an unknown path", `GET /v1/../../etc/passwd ${HOST}\r\n`, 404],
  ["the wrong method for a path", `GET /v1/stop ${HOST}\r\n`, 404],
  ["a header that is none", `GET /v1/status ${HOST}no colon\r\n\r\n`, 400],
  ["a target that is no URL", `GET //[ ${HOST}\r\n`, 404],
  ["a negative length", `POST /v1/reload ${HOST}Content-Length: -1\r\n\r\n`, 400],
  ["a huge length", `POST /v1/reload ${HOST}Content-Length: 999999999\r\n\r\n`, 413],
  ["a chunked body", `POST /v1/stop ${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 501],
  ["a target that is too long", `GET /${"a".repeat(4096)} ${HOST}\r\n`, 400],
  ["a head that is too long", `GET /v1/status ${HOST}X: ${"a".repeat(16_384)}\r\n\r\n`, 431],
  ["a head that never ends", "a".repeat(256 * 1024), 431],
];

describe("the control socket survives its clients", () => {
  test("garbage, oversized and unfinished requests", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    const before = await baton.settled();
    const descriptors = openFds(baton.pid).size;
    for (const [what, bytes, status] of BAD_REQUESTS) {
      const answer = await talk(baton.socketPath, bytes, { end: true });
      const expected = status === null
        ? /^$/
        : new RegExp(`^HTTP/1.1 ${status} Error\r\n[^]*\\{"error":"[^]*"\\}$`);
      assert.match(answer, expected, what);
      assert.equal((await baton.status()).pid, baton.pid, `status works after ${what}`);
    }
    await waitUntil(() => openFds(baton.pid).size <= descriptors, { what: "nothing leaks" });
    await serves(baton, port, before);
  });

  test("a request that comes byte by byte is answered", TEST, async () => {
    await using baton = await startBaton(server(await freePort()));
    const socket = createConnection(baton.socketPath);
    const answer = received(socket);
    socket.setNoDelay(true);
    for (const byte of "GET /v1/status HTTP/1.1\r\nHost: baton\r\n\r\n") {
      await new Promise<void>((resolve) => socket.write(byte, () => resolve()));
    }
    assert.match(await answer, /^HTTP\/1\.1 200 OK\r\n[^]*"name":"web"/);
  });

  test("a client that has closed its sending half is answered", TEST, async () => {
    await using baton = await startBaton(server(await freePort()));
    await baton.settled();
    const answer = await talk(baton.socketPath, `POST /v1/reload ${HOST}\r\n`, { end: true });
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[^]*"result":"ok"/);
  });

  test("slow clients are told to go, and more of them than are allowed at once", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    const before = await baton.settled();
    const descriptors = openFds(baton.pid).size;
    const MOST_AT_ONCE = 32;
    const TOO_MANY = 50;
    const sockets = Array.from({ length: TOO_MANY }, () => createConnection(baton.socketPath));
    const answers = sockets.map((socket) => received(socket));
    for (const socket of sockets) socket.write("GET /v1/status HTTP/1.1\r\nHost: ");
    let ended = 0;
    for (const answer of answers) answer.then(() => ended++);
    await waitUntil(() => ended >= TOO_MANY - MOST_AT_ONCE, { what: "those over the limit go" });
    assert.equal(ended, TOO_MANY - MOST_AT_ONCE);
    assert.ok(openFds(baton.pid).size <= descriptors + MOST_AT_ONCE);
    const texts = await Promise.all(answers);
    const late = texts.filter((text) => /^HTTP\/1\.1 408 /.test(text)).length;
    assert.equal(late, MOST_AT_ONCE, texts.join("\n"));
    await waitUntil(() => openFds(baton.pid).size <= descriptors, { what: "nothing leaks" });
    await serves(baton, port, before);
  });

  test("memory stays bounded under a flood", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    const before = await baton.settled();
    const flood = async (connections: number) => {
      for (let i = 0; i < connections; i++) {
        await talk(baton.socketPath, new Uint8Array(1024 * 1024).fill(97));
      }
    };
    await flood(20); // What the runtime takes once and keeps is not counted.
    const bytes = privateMemoryBytes(baton.pid) ?? 0;
    await flood(200);
    const grown = (privateMemoryBytes(baton.pid) ?? Infinity) - bytes;
    assert.ok(grown < 48 * 1024 * 1024, `grew by ${grown} bytes under a flood of 200 MiB`);
    await serves(baton, port, before);
  });

  test("a client that goes away while its reload is under way", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    await baton.settled();
    const socket = createConnection(baton.socketPath);
    socket.write("POST /v1/reload HTTP/1.1\r\nHost: baton\r\n\r\n");
    await waitUntil(async () => (await baton.status()).generations.length > 1, {
      what: "the reload is under way",
    });
    socket.destroy();
    const after = await waitUntil(async () => {
      const status = await baton.settled();
      return status.epoch === 1 && status;
    }, { what: "the reload goes on without its client" });
    assert.deepEqual(after.restarts, { ok: 1, failed: 0, crashes: 0 });
  });
});

describe("other users", () => {
  test("the control socket is for its owner alone", TEST, async () => {
    await using baton = await startBaton(server(await freePort()));
    assert.equal(statSync(baton.socketPath).mode & 0o777, 0o600);
    assert.equal(statSync(baton.dir.join("web.lock")).mode & 0o777, 0o600);
  });

  test("one who gets past the mode of the file is refused by its user id", AS_NOBODY, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    const before = await baton.settled();
    chmodSync(baton.dir.path, 0o755);
    chmodSync(baton.socketPath, 0o666);
    for (const line of ["GET /v1/status", "POST /v1/stop", "POST /v1/reload"]) {
      const words = [required("node", findNode()), "-e", ASK, baton.socketPath, line];
      const refused = await runCommand(words, { uid: NOBODY });
      assert.equal(refused.stdout, "connected, closed after 0 bytes", refused.stderr);
    }
    const asked = [required("node", findNode()), "-e", ASK, baton.socketPath, "GET /v1/status"];
    const answered = await runCommand(asked);
    assert.match(answered.stdout, /^connected, closed after \d{3,} bytes$/, "root is answered");
    const { code, stderr } = await runCommand(
      [...batonCommand(), "stop", "--runtime-dir", baton.dir.path],
      { uid: NOBODY },
    );
    assert.equal(code, EXIT_SYSTEM, stderr);
    await serves(baton, port, before);
  });

  test("a client does not talk to the control socket of another user", AS_NOBODY, async () => {
    using directory = tempDir();
    await using impostor = await Stranger.at(directory.join("web.sock"));
    chmodSync(directory.path, 0o755);
    chmodSync(directory.join("web.sock"), 0o666);
    chownSync(directory.join("web.sock"), SOMEBODY_ELSE, SOMEBODY_ELSE);
    for (const verb of ["status", "reload", "stop"]) {
      const { code, stdout, stderr } = await runCommand(
        [...batonCommand(), verb, "web", "--runtime-dir", directory.path],
        { uid: NOBODY },
      );
      assert.equal(code, EXIT_SYSTEM, stderr);
      assert.equal(stdout, "");
      assert.match(stderr, new RegExp(`web\\.sock belongs to user ${SOMEBODY_ELSE}, not to you`));
    }
    assert.equal(impostor.connections, 0, "it was not even connected to");
  });

  test("a socket path that is no socket is not trusted", TEST, async () => {
    using directory = tempDir();
    directory.write("web.sock", "");
    const { code, stderr } = await runCommand(
      [...batonCommand(), "status", "--runtime-dir", directory.path],
    );
    assert.equal(code, EXIT_SYSTEM, stderr);
    assert.match(stderr, /web\.sock is not a socket/);
  });
});

/** Sends one request line to the socket and prints what became of it. */
const ASK = `
const [path, line] = process.argv.slice(1);
let bytes = 0;
const socket = require("node:net").createConnection(path, () => {
  process.stdout.write("connected, ");
  socket.write(line + " HTTP/1.1\\r\\nHost: baton\\r\\n\\r\\n");
});
socket.on("data", (data) => bytes += data.length);
socket.on("error", () => {});
socket.on("close", () => process.stdout.write("closed after " + bytes + " bytes"));
`;

function server(port: number): BatonOptions {
  return { command: fixtureCommand("node_http.js"), env: { PORT: String(port) } };
}

/** As startBaton, in a directory that has been used before; does not wait. */
function startIn(directory: TempDir, options: BatonOptions): Baton {
  const [program = "", ...argv] = batonCommand();
  const name = ["--name", "web", "--runtime-dir", directory.path];
  const words = [...argv, "run", ...name, ...options.flags ?? [], "--", ...options.command];
  const child = spawn(program, words, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
  });
  return new Baton(child, directory, undefined);
}

/** The same baton and the same server as before, and it answers. */
async function serves(baton: Baton, port: number, before: Snapshot): Promise<void> {
  const after = await baton.settled();
  assert.deepEqual(
    [after.pid, after.epoch, after.generations[0]?.pid, after.restarts],
    [before.pid, before.epoch, before.generations[0]?.pid, before.restarts],
  );
  const tally = await new Load({ port, clients: 2, maxRequests: 20 }).start().finished();
  assert.deepEqual([tally.ok, tally.lost], [20, 0], formatTally(tally));
}

/** All that comes until the connection ends, however it ends. */
function received(socket: ReturnType<typeof createConnection>): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    socket.on("data", (bytes) => text += String(bytes));
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
  });
}

/** Sends bytes and gives what comes back before the end. */
function talk(
  path: string,
  bytes: string | Uint8Array,
  options: { end?: boolean } = {},
): Promise<string> {
  const socket = createConnection(path);
  const text = received(socket);
  socket.write(bytes);
  if (options.end) socket.end();
  return text;
}

/** Somebody who listens where baton or its clients want to go. */
class Stranger implements AsyncDisposable {
  connections = 0;
  port = 0;
  readonly #server = createServer((socket) => {
    this.connections++;
    socket.destroy();
  });

  /** @param place a host, where it listens at a free port, or a path */
  static async at(place: string): Promise<Stranger> {
    const stranger = new Stranger();
    if (!place.includes("/")) stranger.port = await freePort();
    const where = place.includes("/") ? { path: place } : { host: place, port: stranger.port };
    await new Promise<void>((resolve, reject) => {
      stranger.#server.once("error", reject);
      stranger.#server.listen(where, resolve);
    });
    return stranger;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
