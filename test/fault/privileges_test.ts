/**
 * baton works as any user: what a plain user gets is the same, but for no_new_privs, which the kernel asks for before
 * a process without CAP_SYS_ADMIN may install a filter: seccomp(2).
 */
import assert from "node:assert/strict";
import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync, readlinkSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, type BatonOptions, startBaton, UNDER_TEST } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { findDeno, required } from "../support/programs.ts";
import { repeats } from "../support/repeats.ts";
import { fixtureCommand, place, server, type ServerId } from "../support/servers.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";

const RELOADS = repeats({ full: 5, quick: 2 });
/** nobody, on most systems; nothing here needs the name. */
const PLAIN_USER = 65_534;
const IS_ROOT = process.geteuid?.() === 0;
const ANYONE = 0o755;

/** baton as a plain user; run by one, that is who runs the tests. */
function startAsPlainUser(work: TempDir, options: BatonOptions): Promise<Baton> {
  if (!IS_ROOT) return startBaton(options);
  chmodSync(work.path, ANYONE);
  return startBaton({ ...options, ...denoFor(work, options), uid: PLAIN_USER });
}

/** Deno, and the folder for what it remembers, where any user can reach them: npx keeps it below /root. */
function denoFor(work: TempDir, { env, wrapper = [] }: BatonOptions): Partial<BatonOptions> {
  if (UNDER_TEST !== "deno") return {};
  const copy = work.join("deno");
  copyFileSync(required("deno", findDeno()), copy);
  chmodSync(copy, ANYONE);
  const folder = work.join("deno-dir");
  mkdirSync(folder);
  chownSync(folder, PLAIN_USER, PLAIN_USER);
  return {
    env: { ...env, DENO_DIR: folder, DENO_NO_UPDATE_CHECK: "1" },
    wrapper: [...wrapper, "sh", "-c", `shift; exec "${copy}" "$@"`, "sh"],
  };
}

/** A line of /proc/PID/status of the serving process. */
async function statusLine(baton: Baton, name: string): Promise<string> {
  const { generations } = await baton.status();
  const pid = generations.find(({ state }) => state === "serving")?.pid;
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return new RegExp(`^${name}:\\s+(.*)$`, "m").exec(text)?.[1] ?? "";
}

async function reloadsLoseNothing(baton: Baton, port: number): Promise<void> {
  await using load = new Load({ port }).start();
  for (let i = 1; i <= RELOADS; i++) {
    const report = await baton.reload();
    assert.equal(report.result, "ok", `${report.reason}\n${baton.stderr}`);
    assert.equal((await baton.settled()).epoch, i);
  }
  const tally = await load.stop();
  assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
  assert.ok(tally.byBody.size > RELOADS, formatTally(tally));
}

describe("as a plain user", () => {
  for (const id of ["node", "nginx", "gunicorn"] as const satisfies readonly ServerId[]) {
    const which = server(id);
    const skip = which.needs() ?? false;
    test(`${id}: ${RELOADS} reloads lose nothing`, { skip, timeout: TEST_TIMEOUT_MS }, async () => {
      using work = tempDir();
      const port = await freePort();
      const workDir = work.join("server");
      mkdirSync(workDir);
      if (IS_ROOT) chownSync(workDir, PLAIN_USER, PLAIN_USER);
      await using baton = await startAsPlainUser(work, place(which, { port, workDir }));
      await reloadsLoseNothing(baton, port);
      if (IS_ROOT) {
        assert.equal(await statusLine(baton, "Uid"), Array(4).fill(PLAIN_USER).join("\t"));
      }
      assert.equal((await baton.stop()).code, 0, baton.stderr);
    });
  }

  test("in a directory that it may not enter again (sudo -u app in /root)", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    const closed = work.join("closed");
    mkdirSync(closed);
    if (IS_ROOT) chownSync(closed, PLAIN_USER, PLAIN_USER);
    try {
      await using baton = await startAsPlainUser(work, {
        command: fixtureCommand("node_http.js"),
        env: { PORT: String(port) },
        cwd: closed,
        wrapper: ["sh", "-c", 'chmod 000 . && exec "$@"', "sh"],
      });
      await reloadsLoseNothing(baton, port);
      const { generations } = await baton.status();
      const pid = generations.find(({ state }) => state === "serving")?.pid;
      assert.equal(readlinkSync(`/proc/${pid}/cwd`), closed);
    } finally {
      chmodSync(closed, ANYONE);
    }
  });

  test("the server can gain no privileges: the price of adopting its sockets", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    const options = { command: fixtureCommand("node_http.js"), env: { PORT: String(port) } };
    await using baton = await startAsPlainUser(work, options);
    assert.equal(await statusLine(baton, "NoNewPrivs"), "1");
    assert.equal(await statusLine(baton, "Seccomp"), "2");
    assert.equal(await statusLine(baton, "CapEff"), "0".repeat(16));
  });

  test("a server that inherits its sockets is not restricted at all", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    await using baton = await startAsPlainUser(work, {
      command: fixtureCommand("inherit_fd.js"),
      env: {},
      flags: ["--handoff", "inherit", "--listen", `127.0.0.1:${port}`],
    });
    await reloadsLoseNothing(baton, port);
    assert.equal(await statusLine(baton, "NoNewPrivs"), "0");
    assert.equal(await statusLine(baton, "Seccomp"), "0");
  });
});

test("as root the server may gain privileges as without baton (sudo -u, setuid programs)", {
  skip: !IS_ROOT && "this needs root",
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  const port = await freePort();
  await using baton = await startBaton({
    command: fixtureCommand("node_http.js"),
    env: { PORT: String(port) },
  });
  assert.equal((await baton.reload()).result, "ok", baton.stderr);
  await baton.settled();
  assert.equal(await statusLine(baton, "NoNewPrivs"), "0");
  assert.equal(await statusLine(baton, "Seccomp"), "2");
});
