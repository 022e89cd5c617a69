/**
 * The promise: a server at a Unix socket is reloaded as one at a port is: no client is refused or finds no path, whatever
 * the server does to its path; mode and owner are as the server makes them, and the path is gone or left at the end as
 * without baton. A version that fails does not touch it.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton, UNDER_TEST } from "../support/baton.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally } from "../support/load.ts";
import { findPython, which } from "../support/programs.ts";
import { IS_FULL, repeats } from "../support/repeats.ts";
import { deploy, fixtureCommand, type Runnable } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { lostNone, nodeAt, nodeInode, unixLoad } from "../support/unix_service.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = {
  timeout: TEST_TIMEOUT_MS,
  skip: findPython() === null && "python3 is not installed",
};
const RELOADS = repeats({ full: 10, quick: 2 });
const CLIENTS = repeats({ full: 16, quick: 4 });
const SOME = 20;

interface Case {
  readonly manners: readonly string[];
  readonly mode: number;
  readonly staysAtEnd: boolean;
}

/** All that a server may do, in as few servers as possible. */
const QUICK: readonly Case[] = [
  { manners: ["unlink", "probe", "chmod", "own-name"], mode: 0o640, staysAtEnd: false },
  { manners: ["rename", "pid-socket"], mode: 0o666, staysAtEnd: true },
];
const ALL: readonly Case[] = [
  ...QUICK,
  { manners: [], mode: 0o775, staysAtEnd: true },
  { manners: ["probe", "remove"], mode: 0o775, staysAtEnd: false },
  { manners: ["relative", "unlink", "remove"], mode: 0o775, staysAtEnd: false },
];

function polite(socket: string, ...manners: readonly string[]): Runnable {
  return { command: fixtureCommand("unix_manners.py", socket, ...manners), env: {} };
}

async function reloaded(baton: Baton): Promise<void> {
  const report = await baton.reload();
  assert.equal(report.result, "ok", `${report.reason}\n${report.output.join("\n")}`);
}

const hiddenIn = (folder: string) => readdirSync(folder).filter((name) => name.startsWith(".s."));

describe("a server at a Unix socket", () => {
  for (const { manners, mode, staysAtEnd } of IS_FULL ? ALL : QUICK) {
    const what = manners.join(", ") || "that just listens";
    test(`${what}: ${RELOADS} reloads lose nothing`, TEST, async () => {
      using work = tempDir();
      const socket = work.join("s");
      await using baton = await startBaton(polite(socket, ...manners));
      await using load = unixLoad(socket, CLIENTS);
      for (let epoch = 1; epoch <= RELOADS; epoch++) {
        await load.answersMore(SOME);
        const before = nodeInode(socket);
        await reloaded(baton);
        assert.notEqual(nodeInode(socket), before, "it is the new generation's");
        assert.equal(statSync(socket).mode & 0o777, mode, "as the server has set it");
        const { listeners } = await baton.settled();
        assert.deepEqual(listeners.map(({ address }) => address), [`unix:${socket}`]);
        await load.answersMore(SOME);
      }
      const tally = await load.stop();
      lostNone(tally, baton);
      assert.ok(tally.byBody.size > RELOADS, "every generation has answered");
      assert.deepEqual(hiddenIn(work.path), [], "nothing is left beside it");
      assert.equal((await baton.stop()).code, 0, baton.stderr);
      assert.equal(existsSync(socket), staysAtEnd, "as without baton");
    });
  }

  test("a version that fails does not touch the path", TEST, async () => {
    using work = tempDir();
    const socket = work.join("s");
    const script = work.join("server.sh");
    deploy(script, polite(socket, "unlink"));
    await using baton = await startBaton({ command: ["sh", script], env: {} });
    await using load = unixLoad(socket, CLIENTS);
    const before = nodeInode(socket);
    deploy(script, polite(socket, "unlink", "chmod", "fails"));
    await load.answersMore(SOME);
    const report = await baton.reload();
    assert.equal(report.result, "failed");
    assert.match(`${report.reason}`, /exit status 3/);
    await baton.settled();
    assert.equal(nodeInode(socket), before);
    assert.equal(statSync(socket).mode & 0o777, 0o775);
    assert.deepEqual(hiddenIn(work.path), [], "its own node is gone");
    await load.answersMore(SOME);
    lostNone(await load.stop(), baton);
  });

  test(
    "on trial: a roll-back leads clients to the one before; a share is refused",
    TEST,
    async () => {
      using work = tempDir();
      const socket = work.join("s");
      await using baton = await startBaton(polite(socket, "unlink", "own-name"));
      await using load = unixLoad(socket, CLIENTS);
      const first = nodeInode(socket);
      assert.equal((await baton.cli("reload", "--hold")).code, 0, baton.stderr);
      assert.notEqual(nodeInode(socket), first);
      assert.equal(statSync(socket).mode & 0o777, 0o775, "by the umask of its server");
      await load.answersMore(SOME);
      assert.equal((await baton.cli("rollback")).code, 0, baton.stderr);
      assert.equal(nodeInode(socket), first);
      await baton.settled();
      assert.equal(
        nodeInode(socket),
        first,
        "the one on trial removed what it called its own at its end",
      );
      await load.answersMore(SOME);
      const { code, stderr } = await baton.cli("reload", "--canary", "5%");
      assert.notEqual(code, 0);
      assert.match(stderr, /unix:\S+: one path leads to one generation.*use --bake or --hold/);
      lostNone(await load.stop(), baton);
    },
  );

  test("a server that ends on trial does not take the path with it", TEST, async () => {
    using work = tempDir();
    const socket = work.join("s");
    await using baton = await startBaton(polite(socket, "unlink", "remove"));
    await using load = unixLoad(socket, CLIENTS);
    const first = nodeInode(socket);
    assert.equal((await baton.cli("reload", "--hold")).code, 0, baton.stderr);
    await load.answersMore(SOME);
    const generationOn = async (epoch: number) => (await baton.status()).generations[epoch];
    process.kill((await generationOn(1))?.pid ?? 0, "SIGTERM");
    await waitUntil(async () => (await generationOn(1))?.state === "exited", { what: "it ends" });
    assert.equal(nodeInode(socket), first);
    await load.answersMore(SOME);
    const tally = await load.stop();
    // ENOENT counts as "other".
    assert.deepEqual(
      [tally.refused, tally.other],
      [0, 0],
      `${formatTally(tally)}\n${baton.stderr}`,
    );
  });

  test(
    "a path at which no process answers is taken over; one that somebody has is not",
    TEST,
    async () => {
      using work = tempDir();
      const socket = work.join("s");
      await using first = await startBaton(nodeAt(socket));
      await using second = await startBaton({ ...nodeAt(socket), expectFailure: true });
      assert.notEqual((await second.exited).code, 0);
      assert.match(second.stderr, /\/s is held by node \(pid \d+\)/);
      first.signal("SIGKILL");
      await first.exited;
      assert.ok(existsSync(socket), "left behind");
      await using third = await startBaton(nodeAt(socket));
      await using load = unixLoad(socket, 1);
      await load.answersMore(1);
      lostNone(await load.stop(), third);
      // What is no socket is the server's own business.
      await third.stop();
      writeFileSync(work.join("file"), "");
      const atFile = { ...nodeAt(work.join("file")), expectFailure: true };
      await using fourth = await startBaton(atFile);
      assert.notEqual((await fourth.exited).code, 0);
      assert.ok(statSync(work.join("file")).isFile());
    },
  );
});

/** @returns a command for the path, and what it needs */
const REAL: readonly {
  readonly name: string;
  readonly program: string;
  command(socket: string, folder: string): string[];
}[] = [
  { name: "node", program: "node", command: () => fixtureCommand("node_http.js") },
  {
    name: "gunicorn",
    program: "gunicorn",
    command: (socket) => ["gunicorn", "-w", "2", "--bind", `unix:${socket}`, "wsgi_app:app"],
  },
  {
    name: "uvicorn",
    program: "uvicorn",
    command: (socket) => ["uvicorn", "--uds", socket, "--log-level", "warning", "asgi_app:app"],
  },
  {
    name: "puma",
    program: "puma",
    command: (socket, folder) => {
      writeFileSync(`${folder}/c.ru`, 'run ->(e){[200,{"content-type"=>"text/plain"},["hi"]]}\n');
      return ["puma", "-q", "-b", `unix://${socket}`, `${folder}/c.ru`];
    },
  },
  {
    name: "nginx",
    program: "nginx",
    command: (socket, folder) => {
      const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(" ");
      writeFileSync(
        `${folder}/nginx.conf`,
        `daemon off; worker_processes 2; pid ${folder}/pid; error_log ${folder}/log; events {}
         http { access_log off; ${paths} server { listen unix:${socket}; return 200 "hi\\n"; } }`,
      );
      return ["nginx", "-p", folder, "-c", `${folder}/nginx.conf`];
    },
  },
  {
    name: "haproxy",
    program: "haproxy",
    command: (socket, folder) => {
      writeFileSync(
        `${folder}/haproxy.cfg`,
        `defaults\n  mode http\n  timeout connect 5s\n  timeout client 5s\n  timeout server 5s
frontend f\n  bind ${socket} mode 666
  http-request return status 200 content-type text/plain string hi\n`,
      );
      return ["haproxy", "-db", "-f", `${folder}/haproxy.cfg`];
    },
  },
];

describe("known servers at a Unix socket", () => {
  for (const { name, program, command } of REAL) {
    const skip = !IS_FULL || UNDER_TEST !== "bun"
      ? "only in make test-all"
      : which(program) === null && `${program} is not installed`;
    test(`${name}: ${RELOADS} reloads lose nothing`, { ...TEST, skip }, async () => {
      using work = tempDir();
      const socket = work.join("s");
      const fixtures = new URL("../fixtures", import.meta.url).pathname;
      const env = { SOCKET: socket, PYTHONPATH: fixtures, PYTHONDONTWRITEBYTECODE: "1" };
      await using baton = await startBaton({ command: command(socket, work.path), env });
      const { mode } = statSync(socket);
      await using load = unixLoad(socket, CLIENTS);
      for (let i = 1; i <= RELOADS; i++) {
        await load.answersMore(SOME);
        await reloaded(baton);
        assert.equal(statSync(socket).mode, mode);
        await baton.settled();
      }
      const tally = await load.stop();
      process.stderr.write(`  ${name}: ${tally.ok} ok, ${tally.lost} lost\n`);
      lostNone(tally, baton);
      assert.equal((await baton.stop()).code, 0, baton.stderr);
    });
  }
});
