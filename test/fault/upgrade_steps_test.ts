/**
 * Fault: the old baton is killed (SIGKILL) at each step of an upgrade by a child, with and without --survive.
 *
 * Allowed outcome: the new one continues as the only baton of the name, with one server; whatever happens to the old
 * server, nobody is refused. Lost is what the old server had in its hands, and with --survive nothing.
 */
import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import { blockedCalls } from "../../src/platform/process/proc.ts";
import { type Baton, batonCommand, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { alive, children, commandLine, killTree, listeners } from "../support/proc.ts";
import { deploy, fixtureCommand, place, server } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const DEADLINE_MS = 30_000;
const CLIENTS = 4;

type Moment =
  | "before the new one says hello"
  | "while the new generation warms up"
  | "before it hears that the new one serves"
  | "while it drains";
const MOMENTS: readonly Moment[] = [
  "before the new one says hello",
  "while the new generation warms up",
  "before it hears that the new one serves",
  "while it drains",
];
const WAYS: readonly (readonly string[])[] = [[], ["--survive"], ["--orphan", "keep"]];

describe("upgrade by a child: kill -9 of the old baton", () => {
  for (const flags of WAYS) {
    for (const moment of MOMENTS) {
      test(
        `kill -9 of the old baton ${moment}${flags.length > 0 ? `, with ${flags.join(" ")}` : ""}`,
        {
          timeout: TEST_TIMEOUT_MS,
        },
        async () => {
          using work = tempDir();
          const port = await freePort();
          const [target, gate, started, go, pidfile] = ["target", "gate", "started", "go", "pid"]
            .map((name) => work.join(name)) as [string, string, string, string, string];
          const good = place(server("node"), { port, workDir: work.path });
          deploy(target, good);
          await using baton = await startBaton({
            command: fixtureCommand("switch.sh"),
            env: { TARGET_FILE: target },
            flags: [...flags, "--pidfile", pidfile],
          });
          const seen = new Set<number>();
          const look = (pid: number) => children(pid).forEach((child) => seen.add(child));
          const oldServer = (await baton.status()).generations[0]!.pid!;
          // Keeps the old generation draining for as long as the test needs it.
          const slow = createConnection({ port, host: "127.0.0.1" });
          let answer = "";
          slow.on("data", (bytes) => answer += String(bytes));
          slow.on("error", () => {});
          slow.write("GET /slow?ms=3000 HTTP/1.1\r\nHost: a\r\n\r\n");
          const isBusy = async () => (await baton.status()).generations[0]!.connections.busy > 0;
          await waitUntil(isBusy, { what: "the slow request is in" });
          await using load = new Load({ port, clients: CLIENTS })
            .start();
          await waitUntil(() => load.tally.ok > 20, { what: "the old server answers" });

          // The new one: held before its first instruction, its server before it listens.
          const real = batonCommand().map((word) => `"${word}"`).join(" ");
          const script = work.write(
            "new_baton",
            `#!/bin/sh\n: >'${started}'\nuntil [ -e '${go}' ]; do sleep 0.02; done\nexec ${real} "$@"\n`,
          );
          chmodSync(script, 0o755);
          deploy(target, {
            command: fixtureCommand("gated_http.js"),
            env: { ...good.env, VERSION: "2", GATE_FILE: gate },
          });
          const upgrade = baton.cli("upgrade", "--exec", script);
          const said = (text: string) =>
            waitUntil(() => baton.stderr.includes(text), { what: `"${text}"\n${baton.stderr}` });
          let newPid = 0;
          try {
            await waitUntil(() => existsSync(started), { what: "the new one is there" });
            newPid = children(baton.pid).find((pid) => commandLine(pid).includes(script))!;
            look(baton.pid);
            const kill = async () => {
              look(baton.pid);
              process.kill(baton.pid, "SIGKILL");
              await waitUntil(() => !alive(baton.pid), { what: "the old one is dead" });
            };
            if (moment === "before the new one says hello") await kill();
            writeFileSync(go, "");
            await said("generation 1 starts");
            if (moment === "while the new generation warms up") await kill();
            if (moment === "before it hears that the new one serves") baton.signal("SIGSTOP");
            look(newPid);
            writeFileSync(gate, "");
            await said("generation 1 serves");
            if (moment === "while it drains") await said("generation 0 drains");
            if (alive(baton.pid)) await kill();
            if (moment === "while it drains" && flags.length > 0) {
              await waitUntil(() => answer.includes("version=1"), { what: "it is answered" });
            }
            slow.destroy();
            assert.equal((await upgrade).code, 0, (await upgrade).stderr);
            await isTheOne(baton, newPid);
            await waitUntil(() => !alive(oldServer), {
              what: `the old server ends\n${baton.stderr}`,
            });
            look(newPid);
            await waitUntil(() => !existsSync(`${pidfile}.oldbin`), {
              what: "the old pidfile is gone",
            });
            assert.equal(readFileSync(pidfile, "utf8").trim(), String(newPid));
            const second = await startBaton({ ...good, dir: baton.dir, expectFailure: true });
            assert.equal((await second.exited).code, 75, second.stderr);
            assert.equal((await baton.reload()).result, "ok", baton.stderr);
            const before = load.tally.ok;
            await waitUntil(() => load.tally.ok > before + 20, { what: "it answers" });
            const tally = await load.stop();
            const text = `${formatTally(tally)}\n${baton.stderr}`;
            process.stderr.write(`  ${moment} ${flags.join(" ")}: ${formatTally(tally)}\n`);
            if (flags.length > 0) assert.equal(tally.lost, 0, text);
            assert.equal(tally.lost - tally.reset - tally.short, 0, text);
            assert.ok(tally.lost <= CLIENTS, text);
            look(newPid);

            assert.equal((await baton.cli("stop")).code, 0);
            const left = () => [newPid, ...seen].filter(alive).map((pid) => commandLine(pid));
            await waitUntil(() => left().length === 0, {
              what: `nothing is left: ${JSON.stringify(left())}\n${baton.stderr}`,
            });
            for (const name of ["web.sock", "web.hold"]) {
              assert.equal(existsSync(baton.dir.join(name)), false, name);
            }
            assert.deepEqual(listeners().filter((listener) => listener.port === port), []);
          } finally {
            for (const pid of [newPid, ...seen]) if (pid > 0 && alive(pid)) killTree(pid);
          }
        },
      );
    }
  }
});

test("kill -9 of the old baton, whose server waits in a listen: that is answered by the new one", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  using work = tempDir();
  const env = { PORT: String(await freePort()), HOST: "127.0.0.1" };
  const [target, gate] = [work.join("target"), work.join("gate")];
  deploy(target, { command: fixtureCommand("listens_again.py"), env });
  await using baton = await startBaton({
    command: fixtureCommand("switch.sh"),
    env: { TARGET_FILE: target },
    flags: ["--survive"],
  });
  const oldServer = (await baton.status()).generations[0]!.pid!;
  const seen = new Set<number>(children(baton.pid));
  const times = (count: number, word: string) =>
    waitUntil(() => baton.stdout.split("\n").filter((line) => line === word).length === count, {
      what: `${count} of the two are "${word}"\n${baton.stdout}${baton.stderr}`,
      deadlineMs: DEADLINE_MS,
    });
  deploy(target, {
    command: fixtureCommand("gated_http.js"),
    env: { ...env, VERSION: "2", GATE_FILE: gate },
  });
  const upgrade = baton.cli("upgrade");
  try {
    await waitUntil(() => baton.stderr.includes("generation 1 starts"), { what: "the new one" });
    children(baton.pid).forEach((child) => seen.add(child));
    const newPid = children(baton.pid).find((pid) => commandLine(pid).includes("--survive"))!;
    // Which baton is to add them to the group is open, so their listens wait. The second one makes
    // the old baton write its state down once more.
    for (const count of [1, 2]) {
      process.kill(oldServer, "SIGUSR2");
      await times(count, "bound");
      await waitUntil(() => inListen(oldServer) === count, { what: `${count} listen` });
      // Whoever answers has worked off what came before: the call is written down.
      assert.equal((await baton.status()).pid, baton.pid);
    }
    process.kill(baton.pid, "SIGKILL");
    await times(2, "listens");
    writeFileSync(gate, "");
    assert.equal((await upgrade).code, 0, baton.stderr);
    await isTheOne(baton, newPid);
    children(newPid).forEach((child) => seen.add(child));
    assert.equal((await baton.cli("stop")).code, 0);
  } finally {
    for (const pid of seen) if (alive(pid)) killTree(pid);
    await upgrade;
  }
});

/** Threads of `pid` that wait in listen(2). */
function inListen(pid: number): number {
  const number = process.arch === "arm64" ? 201 : 50;
  return blockedCalls(pid).filter(({ call }) => call === number).length;
}

/** Asserts that it answers under the name, and has one generation. */
async function isTheOne(baton: Baton, pid: number): Promise<void> {
  try {
    await waitUntil(async () => {
      const snapshot = await baton.status();
      return snapshot.pid === pid && snapshot.epoch === 1 &&
        snapshot.generations.filter(({ state }) => state !== "exited").length === 1;
    }, { what: "the new one is the only one", deadlineMs: DEADLINE_MS });
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${baton.stderr}`);
  }
}
