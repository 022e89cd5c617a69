/** Fault: a port, name or pidfile is taken. Allowed outcome: `baton run` refuses with 75 and names the holder; what is merely stale is taken over. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import {
  Baton,
  batonCommand,
  type BatonOptions,
  runCommand,
  startBaton,
} from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { alive, children } from "../support/proc.ts";
import { TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";
import {
  nothingLeftIn,
  refuses,
  server,
  serves,
  Stranger,
  tracingServer,
} from "../support/refusals.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };

const EXIT_USAGE = 64;
const EXIT_BUSY = 75;

describe("what is taken is refused with 75", () => {
  test("a port of --listen that a stranger holds", TEST, async () => {
    using work = tempDir();
    using directory = tempDir();
    await using stranger = await Stranger.at("127.0.0.1");
    for (const host of ["127.0.0.1:", "", "*:"]) {
      const all = ["--runtime-dir", directory.path, "--listen", `${host}${stranger.port}`];
      const { code, stderr } = await runCommand([
        ...batonCommand(),
        "run",
        ...all,
        "--",
        ...tracingServer(work),
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
        names: /Cannot run "web": a baton with this name is already running/,
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
    assert.match(loser.stderr, /a baton with this name is already running/);
    const snapshot = await waitUntil(async () => {
      const status = await winner.status();
      return status.epoch !== null && status;
    }, { what: `the other one serves\n${winner.stderr}` });
    assert.equal(snapshot.pid, winner.pid);
  });

  test("the control socket's place by a directory: it is named, and stays", TEST, async () => {
    using work = tempDir();
    using directory = tempDir();
    mkdirSync(directory.join("web.sock"));
    const words = ["--name", "web", "--runtime-dir", directory.path, "--", ...tracingServer(work)];
    await refuses(work, words, {
      code: EXIT_USAGE,
      names: /^baton: Cannot create control socket \S+web.sock: there is a directory$/m,
      remedy: /Remove it/,
    });
    assert.ok(statSync(directory.join("web.sock")).isDirectory());
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
    test(`takes over ${what}`, TEST, async () => {
      using work = tempDir();
      const pidfile = work.write("web.pid", content);
      const port = await freePort();
      await using baton = await startBaton({ ...server(port), flags: ["--pidfile", pidfile] });
      assert.equal(readFileSync(pidfile, "utf8"), `${baton.pid}\n`);
    });
  }
});

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
