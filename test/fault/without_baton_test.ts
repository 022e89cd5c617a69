/**
 * Fault: a server, or a process that it has left behind, runs on without its baton, or without its generation.
 *
 * Allowed outcome: it removes files, renames them and opens connections as before. The filter that reports these calls
 * stays, and with nothing that answers them the kernel would fail each with ENOSYS, or they would hang.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, batonCommand, runCommand, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { alive } from "../support/proc.ts";
import { fixtureCommand } from "../support/servers.ts";
import { Succession } from "../support/succession.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
/** Time-out for an answer that hangs without the code that is tested here. */
const ANSWER_MS = 20_000;
const WAYS: readonly (readonly string[])[] = [[], ["--duplicates", "socket-trap"]];

/** What the fixture connects to. */
async function startTargets(work: TempDir): Promise<{ port: number } & Disposable> {
  const listening = (at: number | string) =>
    new Promise<Server>((resolve) => {
      const server: Server = createServer((socket) => void socket.on("error", () => {}).end())
        .listen(at, () => resolve(server));
    });
  const servers = [await listening(0), await listening(work.join("db.sock"))];
  const { port } = servers[0]!.address() as AddressInfo;
  return { port, [Symbol.dispose]: () => servers.forEach((server) => server.close()) };
}

function namesFiles(port: number, work: TempDir, target: number) {
  const env = { PORT: String(port), WORK: work.path, TARGET_PORT: String(target) };
  return { command: fixtureCommand("names_files.py"), env };
}

async function ask(port: number, path = "/"): Promise<string> {
  const signal = AbortSignal.timeout(ANSWER_MS);
  return await (await fetch(`http://127.0.0.1:${port}${path}`, { signal })).text();
}

describe("baton is killed", () => {
  for (const way of WAYS) {
    test(`--survive ${way.join(" ")}: the server does all it did`, TEST, async () => {
      using dir = tempDir("baton");
      using work = tempDir();
      using target = await startTargets(work);
      const port = await freePort();
      await using batons = new Succession({ ...namesFiles(port, work, target.port), dir });
      const flags = ["--survive", ...way];
      await batons.next(flags);
      assert.equal(await ask(port), "all done");
      await batons.kill();
      for (let i = 0; i < 3; i++) assert.equal(await ask(port), "all done", `request ${i}`);
      // What may be a listener waits for the next baton.
      const bound = ask(port, "/bind");
      assert.equal(await ask(port), "all done");
      const second = await batons.next(flags);
      assert.equal(await bound, "bound");
      assert.equal(await ask(port), "all done");
      assert.equal((await second.reload()).result, "ok", second.stderr);
      await second.settled();
      await batons.look();
      assert.equal(await ask(port), "all done");
      assert.deepEqual(await second.stop(), { code: 0, signal: null });
    });
  }

  test("--orphan keep: the server does all it did, but for listening", TEST, async () => {
    using work = tempDir();
    using target = await startTargets(work);
    const port = await freePort();
    await using baton = await startBaton({
      ...namesFiles(port, work, target.port),
      flags: ["--orphan", "keep"],
    });
    const { generations: [first] } = await baton.status();
    try {
      process.kill(baton.pid, "SIGKILL");
      await waitUntil(() => !alive(baton.pid), { what: "baton is dead" });
      assert.equal(await ask(port), "all done");
    } finally {
      process.kill(first!.pid!, "SIGKILL");
    }
  });

  test("--orphan keep is refused where outgoing connections need baton", TEST, async () => {
    const words = ["run", "--orphan", "keep", "--duplicates", "socket-trap", "--", "/bin/true"];
    const { code, stderr } = await runCommand([...batonCommand(), ...words]);
    assert.equal(code, 64, stderr);
    assert.match(stderr, /Cannot use --duplicates socket-trap with --orphan keep/);
  });
});

describe("a process that has left its generation without a trace", () => {
  const lastWords = (work: TempDir) =>
    readFileSync(work.join("agent"), "utf8").split("\n").slice(0, -1);

  async function goesOn(work: TempDir, what: string, baton: Baton): Promise<void> {
    const from = lastWords(work).length;
    await waitUntil(() => lastWords(work).length > from + 3, { what: `${what}\n${baton.stderr}` });
    const bad = lastWords(work).slice(from).filter((line) => !line.endsWith(": all done"));
    assert.deepEqual(bad, [], `${what}\n${baton.stderr}`);
  }

  for (const way of WAYS) {
    test(`the server runs on when that, and baton, has ended ${way.join(" ")}`, TEST, async () => {
      using work = tempDir();
      using target = await startTargets(work);
      const port = await freePort();
      const { command, env } = namesFiles(port, work, target.port);
      await using baton = await startBaton({ command, env: { ...env, AGENT: "1" }, flags: way });
      const note = work.join("pid");
      await waitUntil(() => existsSync(note), { what: "it has left" });
      const pid = Number(readFileSync(note, "utf8"));
      try {
        await goesOn(work, "beside its server", baton);
        const { code, stdout, stderr } = await baton.cli("stop");
        assert.equal(code, 0, stderr);
        assert.match(stdout, /lives on/);
        await baton.exited;
        await goesOn(work, "without baton", baton);
      } finally {
        process.kill(pid, "SIGKILL");
      }
    });
  }
});
