/** The promise: with `baton hot-restarter --guard` a real Envoy's own hot restart harms nothing when it fails. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer as createHttpServer, type ServerResponse } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { batonCommand } from "../support/baton.ts";
import { envoyProgram } from "../support/envoy.ts";
import { EnvoyScript, type ScriptOptions } from "../support/envoy_script.ts";
import { freePort } from "../support/free_port.ts";
import { originalCommand, type Play, startPlay } from "../support/hot_restarter.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { IS_FULL } from "../support/repeats.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const { skip } = envoyProgram();
const TEST = { timeout: TEST_TIMEOUT_MS, skip };
const FULL = { timeout: TEST_TIMEOUT_MS, skip: skip || (!IS_FULL && "is for make test-all") };

interface Guarded extends AsyncDisposable {
  readonly script: EnvoyScript;
  readonly play: Play;
  readonly dir: TempDir;
  readonly reload: () => Promise<{ code: number; text: string }>;
}

/** Epoch 0 serves. */
async function guarded(
  flags: readonly string[] = [],
  options: ScriptOptions = {},
): Promise<Guarded> {
  const dir = tempDir("hre");
  const script = new EnvoyScript(dir, await freePort(), options);
  const rt = dir.join("rt");
  const own = ["--guard", "--name", "edge", "--runtime-dir", rt, ...flags];
  const words = [...batonCommand(), "hot-restarter", ...own];
  const play = startPlay(words, { words: [script.path] }, dir);
  await play.printed("epoch 0 is LIVE");
  return {
    script,
    play,
    dir,
    reload: () => {
      const [program = "", ...args] = batonCommand();
      return new Promise((resolve) =>
        execFile(
          program,
          [...args, "reload", "edge", "--runtime-dir", rt],
          (error, stdout, stderr) =>
            resolve({ code: Number(error?.code ?? 0), text: stdout + stderr }),
        )
      );
    },
    [Symbol.asyncDispose]: async () => {
      await play[Symbol.asyncDispose]();
      script[Symbol.dispose]();
      dir[Symbol.dispose]();
    },
  };
}

async function ends(play: Play): Promise<void> {
  play.signal("SIGTERM");
  const { status, left } = await play.outcome();
  assert.deepEqual({ status, left }, { status: 0, left: 0 });
}

describe("baton hot-restarter --guard with Envoy", () => {
  test("a bad configuration, a good one, and two HUPs at once lose nothing", TEST, async () => {
    await using envoy = await guarded();
    const { script, play } = envoy;
    assert.equal(await script.state(), "LIVE 0");
    await using load = new Load({ port: script.port, clients: 4 }).start();
    await load.answersMore(4);

    script.breakConfiguration("{bad");
    const bad = await envoy.reload();
    assert.equal(bad.code, 70, bad.text);
    assert.match(bad.text, /generation 1: exit status 1\n.*keeps serving[^]*unexpected EOF/);
    await load.answersMore(4);

    script.configure();
    const good = await envoy.reload();
    assert.equal(good.code, 0, good.text);
    assert.equal(
      await script.state(),
      "LIVE 1",
      "the verdict comes when it is LIVE, and not before",
    );

    play.signal("SIGHUP");
    await play.printed("at epoch 2");
    play.signal("SIGHUP");
    await play.printed("epoch 3 is LIVE");
    assert.equal(await script.state(), "LIVE 3");
    await load.answersMore(4);
    const tally = await load.stop();
    assert.equal(tally.lost, 0, formatTally(tally));
    await ends(play);
  });

  test(
    "an Envoy that does not know the one before it is ended, and that is said",
    TEST,
    async () => {
      await using envoy = await guarded();
      const { script, play } = envoy;
      script.use(envoyProgram(), { flags: ["--disable-hot-restart"] });
      const disabled = await envoy.reload();
      assert.equal(disabled.code, 70, disabled.text);
      assert.match(disabled.text, /it runs with --disable-hot-restart/);

      script.use(envoyProgram());
      const own = readFileSync(script.path, "utf8");
      const dynamic = own.replace(/--restart-epoch \S+ --base-id \d+/, "--use-dynamic-base-id");
      writeFileSync(script.path, dynamic);
      const apart = await envoy.reload();
      assert.equal(apart.code, 70, apart.text);
      assert.match(
        apart.text,
        /it has \/dev\/shm\/envoy_\w+, and the Envoy before it has [^]*--safe/,
      );
      rmSync(/it has (\S+),/.exec(apart.text)?.[1] ?? "", { force: true });
      writeFileSync(script.path, own);
      const good = await envoy.reload();
      assert.deepEqual([good.code, await script.state()], [0, "LIVE 1"], good.text);
      await ends(play);
    },
  );

  const failures: Readonly<
    Record<string, (script: EnvoyScript, held: number) => void>
  > = {
    "a certificate that is missing": (script) =>
      script.configure({ tls: { port: 0, cert: "/nonexistent.pem", key: "/nonexistent.key" } }),
    "a port that another process holds": (script, held) => {
      script.configure({ port: held });
    },
    "a control plane that does not answer": (script, held) => script.configureWaiting(held),
  };
  for (const [what, fail] of Object.entries(failures)) {
    test(`${what}: the next start has the same epoch, and nothing is lost`, FULL, async () => {
      await using envoy = await guarded(["--ready-timeout", "3s"]);
      const { script, play } = envoy;
      await using held = await holdPort();
      await using load = new Load({ port: script.port, clients: 4 }).start();
      await load.answersMore(4);
      fail(script, held.port);
      const bad = await envoy.reload();
      assert.equal(bad.code, 70, bad.text);
      await load.answersMore(4);
      script.use(envoyProgram());
      script.configure();
      const good = await envoy.reload();
      assert.equal(good.code, 0, good.text);
      assert.equal(await script.state(), "LIVE 1");
      const tally = await load.stop();
      assert.equal(tally.lost, 0, formatTally(tally));
      await ends(play);
    });
  }

  test("TERM lets requests in flight finish, and a second one does not", FULL, async () => {
    for (const times of [1, 2]) {
      using slow = await slowServer();
      await using envoy = await guarded();
      const { script, play } = envoy;
      script.configure({ upstream: slow.port });
      assert.equal((await envoy.reload()).code, 0);
      await using load = new Load({ port: script.port, clients: 12, maxRequests: 12 }).start();
      await waitUntil(() => slow.waiting() === 12, { what: "12 requests are in flight" });
      play.signal("SIGTERM");
      await play.printed("got SIGTERM");
      if (times === 2) {
        play.signal("SIGTERM");
        await play.printed("sending TERM");
      } else slow.answer();
      const tally = await load.finished();
      const { status, left } = await play.outcome();
      assert.deepEqual({ status, left }, { status: 0, left: 0 });
      assert.equal(tally.lost, times === 1 ? 0 : 12, formatTally(tally));
    }
  });

  test("--wait-drain: a second HUP waits until the first Envoy has drained", FULL, async () => {
    await using envoy = await guarded(["--wait-drain"]);
    const { script, play } = envoy;
    await using load = new Load({ port: script.port, mode: "keep-alive", thinkTimeMs: 5 }).start();
    await load.answersMore(4);
    play.signal("SIGHUP");
    await play.printed("epoch 1 is LIVE");
    play.signal("SIGHUP");
    await play.printed("epoch 0 still drains: SIGHUP waits");
    await play.printed("epoch 2 is LIVE");
    const text = play.read("out");
    assert.ok(text.indexOf("exited with code=0") < text.indexOf("at epoch 2"), text);
    const tally = await load.stop();
    assert.equal(tally.lost, 0, formatTally(tally));
    await ends(play);
  });

  test("1.36.2 to 1.40.0, and back", {
    ...FULL,
    skip: FULL.skip || envoyProgram("1.36.2").skip,
  }, async () => {
    await using envoy = await guarded();
    const { script, play } = envoy;
    await using load = new Load({ port: script.port, clients: 4 }).start();
    await load.answersMore(4);
    for (const [index, version] of (["1.36.2", "1.40.0"] as const).entries()) {
      script.use(envoyProgram(version));
      const { code, text } = await envoy.reload();
      assert.equal(code, 0, text);
      assert.equal(await script.state(), `LIVE ${index + 1}`);
      await load.answersMore(4);
    }
    const tally = await load.stop();
    assert.equal(tally.lost, 0, formatTally(tally));
    await ends(play);
  });
});

describe("baton hot-restarter with Envoy, as the original", () => {
  const commands = { original: originalCommand(), baton: [...batonCommand(), "hot-restarter"] };
  for (const [who, command] of Object.entries(commands)) {
    const start = async (dir: TempDir, flags: readonly string[] = []) => {
      const script = new EnvoyScript(dir, await freePort(), { flags });
      const play = startPlay(command, { words: [script.path] }, dir);
      await waitUntil(() => script.state(), { what: "Envoy answers" });
      return { script, play };
    };

    test(`${who}: reload, USR1 reopens logs, TERM ends both`, FULL, async () => {
      using dir = tempDir("hre");
      const log = dir.join("envoy.log");
      const { script, play } = await start(dir, [`--log-path ${log}`]);
      using _script = script;
      await using _play = play;
      play.signal("SIGHUP");
      await waitUntil(async () => await script.state() === "LIVE 1", { what: "epoch 1 is LIVE" });
      renameSync(log, `${log}.1`);
      play.signal("SIGUSR1");
      await waitUntil(() => existsSync(log), { what: "the log is there again" });
      await ends(play);
    });

    test(`${who}: a bad configuration, or two HUPs at once, end all with 1`, FULL, async () => {
      await using held = await holdPort();
      for (const kind of ["configuration", "HUPs"]) {
        using dir = tempDir("hre");
        const { script, play } = await start(dir);
        using _script = script;
        await using _play = play;
        if (kind === "configuration") script.breakConfiguration("{bad");
        // Else the first one may be LIVE before the second one looks.
        else script.configureWaiting(held.port);
        play.signal("SIGHUP");
        await play.printed("at epoch 1");
        if (kind === "HUPs") {
          await waitUntil(() => play.read("err").includes("shutting down admin"), {
            what: "the second one has spoken to the first",
          });
          play.signal("SIGHUP");
        }
        const { status, left } = await play.outcome();
        assert.deepEqual({ status, left }, { status: 1, left: 0 }, kind);
      }
    });
  }
});

/** Answers when it is told to. */
async function slowServer() {
  const port = await freePort();
  const waiting: ServerResponse[] = [];
  const server = createHttpServer((_, response) => void waiting.push(response));
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    port,
    waiting: () => waiting.length,
    answer: () => waiting.forEach((response) => response.end("ok")),
    [Symbol.dispose]: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function holdPort(): Promise<{ readonly port: number } & AsyncDisposable> {
  const port = await freePort();
  const sockets: Socket[] = [];
  // It never answers.
  const server: Server = createServer((socket) => void sockets.push(socket.on("error", () => {})));
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    port,
    [Symbol.asyncDispose]: () => {
      sockets.forEach((socket) => socket.destroy());
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
