/**
 * The promise: where pidfd_getfd is refused, and for a server that becomes another user, baton adopts by the socket trap:
 * nothing is lost in reloads, a server's outgoing connections end when it ends them, and baton keeps none of them.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { DatagramLoad } from "../support/datagram_load.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { openFds } from "../support/proc.ts";
import { which } from "../support/programs.ts";
import { IS_FULL, repeats } from "../support/repeats.ts";
import { restrictedBy } from "../support/restrict.ts";
import { fixture, fixtureCommand, place, server, type ServerId } from "../support/servers.ts";
import { Succession } from "../support/succession.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const RELOADS = repeats({ full: 10, quick: 2 });
/** One process, its own runtime, workers with a shared listener, threads: each makes its sockets another way. */
const SERVERS: readonly ServerId[] = IS_FULL
  ? ["node", "go", "nginx", "gunicorn", "python"]
  : ["nginx"];
const CONNECTIONS = repeats({ full: 10_000, quick: 600 });
const TRAP = ["--duplicates", "socket-trap"];
/** Fewer than connections: of the runtime, and the handful that is on its way. */
const FEW_SOCKETS = 40;
const NOBODY = 65_534;
const SYSTEM_PYTHON = "/usr/bin/python3";
const WITHOUT_PTRACE = ["setpriv", "--bounding-set", "-sys_ptrace", "--inh-caps", "-all"];
const asOthers = {
  ...TEST,
  skip: process.getuid?.() !== 0
    ? "only root may become another user"
    : which("setpriv") === null || !existsSync(SYSTEM_PYTHON)
    ? "setpriv or /usr/bin/python3 is not installed"
    : false,
};

async function reloadUnderLoad(
  baton: Baton,
  at: number | string,
  reloads = RELOADS,
): Promise<void> {
  const place = typeof at === "number" ? { port: at } : { unixPath: at };
  await using load = new Load(place).start();
  const first = (await baton.status()).epoch ?? 0;
  for (let i = 1; i <= reloads; i++) {
    const { result, reason, output } = await baton.reload();
    assert.equal(result, "ok", `${reason}\n${output.join("\n")}`);
    assert.equal((await baton.settled()).epoch, first + i);
  }
  const tally = await load.stop();
  assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
  assert.ok(tally.ok > reloads, formatTally(tally));
}

function socketsOf({ pid }: Baton): number {
  return [...openFds(pid).values()].filter((target) => target.startsWith("socket:")).length;
}

/** Counts connections, and those whose other end has said that it sends no more. */
async function countEnds() {
  const counts = { opened: 0, ended: 0, unclean: 0 };
  const target = createServer((socket) => {
    counts.opened++;
    socket.on("end", () => {
      counts.ended++;
      socket.end();
    });
    socket.on("error", () => counts.unclean++);
    socket.resume();
  });
  await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve));
  const { port } = target.address() as AddressInfo;
  return { counts, port, [Symbol.dispose]: () => void target.close() };
}

/** The fixture, as a user that may not read this tree. */
function asUser(uid: number): string[] {
  const become = ["setpriv", "--reuid", String(uid), "--regid", String(uid), "--clear-groups"];
  return [...become, SYSTEM_PYTHON, "-c", readFileSync(fixture("connects_out.py"), "utf8")];
}

describe("the socket trap", () => {
  for (const id of SERVERS) {
    const each = server(id);
    test(
      `${id}: ${RELOADS} reloads lose nothing`,
      { ...TEST, skip: each.needs() ?? false },
      async () => {
        using work = tempDir();
        const port = await freePort();
        const placed = place(each, { port, workDir: work.path });
        await using baton = await startBaton({ ...placed, flags: TRAP });
        assert.equal((await baton.status()).duplicates, "socket-trap");
        await reloadUnderLoad(baton, port);
        assert.ok(socketsOf(baton) < FEW_SOCKETS, `${socketsOf(baton)} sockets`);
        assert.equal((await baton.stop()).code, 0, baton.stderr);
      },
    );
  }

  for (const id of SERVERS) {
    const each = server(id);
    test(
      `${id}: ${RELOADS} reloads lose nothing where its listener is replaced at bind`,
      { ...TEST, skip: each.needs() ?? false },
      async () => {
        using work = tempDir();
        const port = await freePort();
        await using baton = await startBaton({
          ...place(each, { port, workDir: work.path }),
          flags: ["--duplicates", "at-bind"],
          wrapper: restrictedBy("pidfd_getfd=EPERM"),
        });
        assert.equal((await baton.status()).duplicates, "at-bind");
        await reloadUnderLoad(baton, port);
      },
    );
  }

  test("is taken where pidfd_getfd is refused", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton({
      command: fixtureCommand("connects_out.py"),
      env: { PORT: String(port) },
      wrapper: restrictedBy("pidfd_getfd=EPERM"),
    });
    assert.equal((await baton.status()).duplicates, "socket-trap");
    await reloadUnderLoad(baton, port, 1);
  });

  test(
    `every one of ${CONNECTIONS} outgoing connections ends when the server ends it`,
    TEST,
    async () => {
      using target = await countEnds();
      const port = await freePort();
      await using baton = await startBaton({
        command: fixtureCommand("connects_out.py"),
        env: {
          PORT: String(port),
          TARGET_PORT: String(target.port),
          CONNECTIONS: String(CONNECTIONS),
        },
        flags: TRAP,
      });
      const { counts } = target;
      await waitUntil(() => counts.ended === CONNECTIONS, {
        what: `all have ended: ${JSON.stringify(counts)}`,
      });
      assert.deepEqual(counts, { opened: CONNECTIONS, ended: CONNECTIONS, unclean: 0 });
      assert.ok(socketsOf(baton) < FEW_SOCKETS, `${socketsOf(baton)} sockets`);
      // It has passed its gate: baton has no part in these.
      await (await fetch(`http://127.0.0.1:${port}/more?n=50`)).text();
      await waitUntil(() => counts.ended === CONNECTIONS + 50, { what: "the later ones too" });
    },
  );

  test("a Unix socket is handed over too", TEST, async () => {
    using work = tempDir();
    const path = work.join("web.sock");
    await using baton = await startBaton({
      command: fixtureCommand("unix_http.js", path),
      env: {},
      flags: TRAP,
    });
    await reloadUnderLoad(baton, path);
    assert.ok(socketsOf(baton) < FEW_SOCKETS, `${socketsOf(baton)} sockets`);
  });

  test("datagrams are answered by the new generation (--udp switch)", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton({
      command: fixtureCommand("udp_echo.py"),
      env: { PORT: String(port) },
      flags: [...TRAP, "--udp", "switch"],
    });
    await using load = new DatagramLoad(port, 8);
    for (let i = 0; i < RELOADS; i++) {
      assert.equal((await baton.reload()).result, "ok", baton.stderr);
      const from = load.answered;
      await waitUntil(() => load.answered > from + 8, { what: "more is answered" });
    }
    await load.stop();
    assert.equal(load.answered, load.sent, `${load.text}\n${baton.stderr}`);
    assert.equal(load.byPid.size, RELOADS + 1);
  });

  test("a listener that is opened after the gate is handed over too", TEST, async () => {
    const [port, late] = [await freePort(), await freePort()];
    await using baton = await startBaton({
      command: fixtureCommand("connects_out.py"),
      env: { PORT: String(port) },
      flags: TRAP,
    });
    const open = () => fetch(`http://127.0.0.1:${port}/late?port=${late}`).then((r) => r.text());
    await open();
    const isMember = async (epoch: number) =>
      (await baton.status()).listeners.some(({ address, members }) =>
        address === `127.0.0.1:${late}` && members.some((each) => each.epoch === epoch)
      );
    assert.ok(await isMember(0), baton.stderr);
    assert.equal((await baton.reload()).result, "ok", baton.stderr);
    await open();
    await waitUntil(() => isMember(1), { what: "both generations have it" });
    assert.match(await (await fetch(`http://127.0.0.1:${late}/`)).text(), /^user=/);
  });

  test("a listener is one after an upgrade of baton, too", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton({
      command: fixtureCommand("connects_out.py"),
      env: { PORT: String(port) },
      flags: TRAP,
    });
    const { code, stderr } = await baton.cli("upgrade", "--in-place");
    assert.equal(code, 0, stderr);
    assert.equal((await baton.status()).duplicates, "socket-trap");
    await reloadUnderLoad(baton, port, 2);
  });

  test("a listener is one when baton was killed (--survive)", TEST, async () => {
    using dir = tempDir("baton");
    const port = await freePort();
    await using batons = new Succession({
      command: fixtureCommand("connects_out.py"),
      env: { PORT: String(port) },
      dir,
    });
    const flags = ["--survive", ...TRAP];
    await batons.next(flags);
    await using load = new Load({ port }).start();
    await batons.kill();
    const second = await batons.next(flags);
    assert.equal((await second.reload()).result, "ok", second.stderr);
    await second.settled();
    await batons.look();
    const tally = await load.stop();
    assert.equal(tally.lost, 0, `${formatTally(tally)}\n${second.stderr}`);
    assert.deepEqual(await second.stop(), { code: 0, signal: null });
  });
});

describe("a server that becomes another user", () => {
  test("is adopted by root without CAP_SYS_PTRACE", asOthers, async () => {
    const port = await freePort();
    await using baton = await startBaton({
      command: asUser(NOBODY),
      env: { PORT: String(port) },
      wrapper: WITHOUT_PTRACE,
    });
    assert.equal((await baton.status()).duplicates, "socket-trap");
    assert.match(await (await fetch(`http://127.0.0.1:${port}/`)).text(), /^user=65534 /);
    await reloadUnderLoad(baton, port);
    assert.equal((await baton.stop()).code, 0, baton.stderr);
  });

  test("may be another one in each generation", asOthers, async () => {
    using work = tempDir();
    const port = await freePort();
    const next = work.join("uid");
    // As the symbolic link of a release: what it leads to changes between two starts.
    const script = `uid=$(cat ${next}); exec setpriv --reuid $uid --regid $uid --clear-groups "$@"`;
    const command = asUser(NOBODY).slice(6);
    writeFileSync(next, String(NOBODY));
    await using baton = await startBaton({
      command: ["sh", "-c", script, "sh", ...command],
      env: { PORT: String(port) },
      flags: TRAP,
    });
    writeFileSync(next, String(NOBODY - 1));
    await reloadUnderLoad(baton, port, 1);
    assert.match(await (await fetch(`http://127.0.0.1:${port}/`)).text(), /^user=65533 /);
  });
});
