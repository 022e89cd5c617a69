/**
 * The promises under a real systemd, with the unit that `baton init systemd` prints: what systemctl reports is what
 * has happened, no reload loses a connection, and nothing is left behind (RealSystemd checks that at each end).
 */
import assert from "node:assert/strict";
import { mkdirSync, symlinkSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { runCommand, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { which } from "../support/programs.ts";
import {
  noSystemd,
  RealSystemd,
  systemdVersion,
  withSystemdFiles,
} from "../support/real_systemd.ts";
import { deploy, fixtureCommand, place, server } from "../support/servers.ts";
import { installService, unitText } from "../support/systemd_service.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

/** Type=notify-reload is younger than this machine's systemd may be. */
const NOTIFY_RELOAD_SINCE = 253;
const skip = noSystemd();

function figure(text: string): void {
  process.stderr.write(`  ${text}\n`);
}

async function timed<T>(work: Promise<T>): Promise<[T, number]> {
  const startedAt = performance.now();
  const result = await work;
  return [result, Math.round(performance.now() - startedAt)];
}

async function fetchBody(port: number, path = "/"): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    headers: { connection: "close" },
  });
  return await response.text();
}

/**
 * What systemd-analyze says about this unit. It judges all units that are started with it too: another package's may
 * be faulty, as the one that is put beside it here is.
 */
async function faultsOf(unit: string): Promise<string[]> {
  using units = tempDir();
  const path = units.write("web.service", unit);
  units.write("faulty.service", "[Service]\nExecStart=/bin/true\nBogus=1\n");
  mkdirSync(units.join("sysinit.target.wants"));
  symlinkSync("../faulty.service", units.join("sysinit.target.wants/faulty.service"));
  const verify = withSystemdFiles(["systemd-analyze", "verify", "--man=no", path]);
  // A colon at the end: the usual folders come after this one.
  const { code, stdout, stderr } = await runCommand(verify, {
    env: { SYSTEMD_UNIT_PATH: `${units.path}:` },
  });
  const lines = (stdout + stderr).split("\n").filter((line) => line !== "");
  const others = lines.filter((line) => {
    const [, name = "web.service"] = /^(?:\/\S*\/)?([\w@.\\-]+\.[a-z]+):/.exec(line) ?? [];
    return name !== "web.service";
  });
  assert.match(others.join("\n"), /faulty\.service.*Bogus/, "the other unit is judged too");
  const ours = lines.filter((line) => !others.includes(line));
  return code === 0 || ours.length > 0 || others.length > 1 ? ours : [`exit status ${code}`];
}

describe("systemd", { skip }, () => {
  test("what runs is the systemd that was asked for", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using systemd = await RealSystemd.start();
    const { stdout } = await systemd.ctl("show", "--property=Version", "--value");
    assert.match(stdout, new RegExp(`^${systemdVersion()}\\b`));
    if (process.env["BATON_TEST_SYSTEMD_TREE"]) assert.ok(systemdVersion() >= NOTIFY_RELOAD_SINCE);
    figure(`systemd ${stdout.trim()}`);
  });

  test("start, reload, a reload that fails, stop", { timeout: TEST_TIMEOUT_MS }, async () => {
    using work = tempDir();
    const port = await freePort();
    const target = work.join("target");
    const version = (version: string) =>
      place(server("node"), { port, workDir: work.path, version });
    deploy(target, version("1"));
    await using systemd = await RealSystemd.start();
    const service = await installService(systemd, {
      command: fixtureCommand("switch.sh"),
      env: { TARGET_FILE: target },
      settings: ["PrivateTmp=no"],
    });
    const [start, startMs] = await timed(service.ctl("start"));
    assert.equal(start.code, 0, await service.journal());
    const active = await service.show("ActiveState", "StatusText", "MainPID");
    assert.equal(active["ActiveState"], "active");
    assert.equal(active["StatusText"], "generation 0 serves");
    assert.equal(active["MainPID"], String((await service.status()).pid));

    await using load = new Load({ port }).start();
    deploy(target, version("2"));
    const [reload, reloadMs] = await timed(service.ctl("reload"));
    assert.equal(reload.code, 0, `${reload.stderr}\n${await service.journal()}`);
    assert.match(
      await fetchBody(port),
      /version=2/,
      "systemctl waits until the new version serves",
    );
    await service.settled();
    assert.equal((await service.show("StatusText"))["StatusText"], "generation 1 serves");

    deploy(target, { command: fixtureCommand("exits_at_once.js"), env: {} });
    const [failed, failedMs] = await timed(service.ctl("reload"));
    assert.notEqual(failed.code, 0, "a failed reload is told");
    const after = await service.show("ActiveState", "SubState", "StatusText", "MainPID");
    assert.equal(after["ActiveState"], "active");
    assert.equal(after["SubState"], "running");
    assert.equal(after["MainPID"], active["MainPID"]);
    assert.match(after["StatusText"] ?? "", /generation 1 serves.*reload failed.*exit status 3/);
    assert.match(await service.journal(), /reload failed: generation 2: .*exit status 3/);

    const byField = ["journalctl", "-q", "-o", "cat", "BATON_EVENT=reload.failed", "BATON_EPOCH=2"];
    const { stdout: found } = await systemd.run(byField);
    assert.match(found, /^reload\.failed: reload failed: .*exit status 3\n$/, "by its fields");

    const tally = await load.stop();
    assert.equal(tally.lost, 0, formatTally(tally));
    const [stop, stopMs] = await timed(service.ctl("stop"));
    assert.equal(stop.code, 0, stop.stderr);
    const stopped = await service.show("ActiveState", "Result");
    assert.deepEqual(stopped, { ActiveState: "inactive", Result: "success" });
    figure(
      `start ${startMs} ms, reload ${reloadMs} ms, failed reload ${failedMs} ms, stop ${stopMs} ms; ` +
        formatTally(tally),
    );
  });

  test("the server's NOTIFY_SOCKET is baton's own", { timeout: TEST_TIMEOUT_MS }, async () => {
    using work = tempDir();
    const port = await freePort();
    await using systemd = await RealSystemd.start();
    const service = await installService(
      systemd,
      place(server("node"), { port, workDir: work.path }),
    );
    await service.succeeds("start");
    const { generations } = await service.status();
    const { stdout } = await systemd.run(["cat", `/proc/${generations[0]?.pid}/environ`]);
    const variables = stdout.split("\0");
    const own = variables.filter((variable) => variable.startsWith("NOTIFY_SOCKET="));
    assert.deepEqual(own, [`NOTIFY_SOCKET=/run/baton/${service.name}/${service.name}.notify.0`]);
    const forBaton = variables.filter((each) => /^(WATCHDOG_|LISTEN_|FDSTORE|MAINPID)/.test(each));
    assert.deepEqual(forBaton, []);
  });

  test("a slow start and a slow stop get the time they need", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    const { command, env } = place(server("node"), { port, workDir: work.path });
    await using systemd = await RealSystemd.start();
    const service = await installService(systemd, {
      command: ["sh", "-c", 'sleep 3; exec "$@"', "sh", ...command],
      env,
      // Without ExecStop it is systemd's TERM that stops baton.
      settings: ["ExecStop=", "TimeoutStartSec=2s", "TimeoutStopSec=1s"],
    });
    const [start, startMs] = await timed(service.ctl("start"));
    assert.equal(start.code, 0, await service.journal());
    const slow = fetchBody(port, "/slow?ms=3000");
    await waitUntil(async () => {
      const { generations } = await service.status();
      return generations.some(({ connections }) => connections.busy > 0);
    }, { what: "the slow request is under way" });
    const [stop, stopMs] = await timed(service.ctl("stop"));
    assert.equal(stop.code, 0, stop.stderr);
    assert.match(await slow, /version=1/, "the request was finished");
    assert.equal((await service.show("Result"))["Result"], "success");
    figure(
      `TimeoutStartSec of 2 s, TimeoutStopSec of 1 s: start ${startMs} ms, stop ${stopMs} ms, ` +
        "the request in flight was answered",
    );
  });

  test("a reload that takes longer than TimeoutStartSec is not cut short", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    const target = work.join("target");
    const version = (version: string) =>
      place(server("node"), { port, workDir: work.path, version });
    deploy(target, version("1"));
    await using systemd = await RealSystemd.start();
    const service = await installService(systemd, {
      command: fixtureCommand("switch.sh"),
      env: { TARGET_FILE: target },
      settings: ["PrivateTmp=no", "TimeoutStartSec=2s"],
    });
    await service.succeeds("start");
    const next = version("2");
    const command = ["sh", "-c", 'sleep 3; exec "$@"', "sh", ...next.command];
    deploy(target, { command, env: next.env });
    await using load = new Load({ port }).start();
    const [reload, reloadMs] = await timed(service.ctl("reload"));
    assert.equal(reload.code, 0, `${reload.stderr}\n${await service.journal()}`);
    assert.match(await fetchBody(port), /version=2/);
    const tally = await load.stop();
    assert.equal(tally.lost, 0, formatTally(tally));
    figure(`TimeoutStartSec of 2 s: reload ${reloadMs} ms`);
  });

  test("Type=notify-reload waits for the outcome, and STATUS tells it", {
    timeout: TEST_TIMEOUT_MS,
    skip: systemdVersion() < NOTIFY_RELOAD_SINCE &&
      `needs systemd ${NOTIFY_RELOAD_SINCE}, this is ${systemdVersion()}`,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    const target = work.join("target");
    deploy(target, place(server("node"), { port, workDir: work.path }));
    await using systemd = await RealSystemd.start();
    const service = await installService(systemd, {
      command: fixtureCommand("switch.sh"),
      env: { TARGET_FILE: target },
      settings: ["PrivateTmp=no", "Type=notify-reload", "ExecReload="],
    });
    await service.succeeds("start");
    await using load = new Load({ port }).start();
    const reloadMs = await service.succeeds("reload");
    assert.equal((await service.status()).epoch, 1);
    await service.settled();

    deploy(target, { command: fixtureCommand("exits_at_once.js"), env: {} });
    const failedMs = await service.succeeds("reload");
    const after = await service.show("ActiveState", "SubState", "StatusText");
    assert.deepEqual([after["ActiveState"], after["SubState"]], ["active", "running"]);
    assert.match(after["StatusText"] ?? "", /generation 1 serves.*reload failed.*exit status 3/);

    const tally = await load.stop();
    assert.equal(tally.lost, 0, formatTally(tally));
    figure(
      `Type=notify-reload: reload ${reloadMs} ms, failed reload ${failedMs} ms; ${
        formatTally(tally)
      }`,
    );
    await service.succeeds("stop");
  });

  describe("systemd-analyze verify", {
    skip: which("systemd-analyze") === null && "systemd-analyze is not installed",
  }, () => {
    const command = ["node", "server.js", "--title", "100% $sure", 'a "quoted" \\ word', ";"];
    for (const flags of [[], ["--shutdown-only"]]) {
      test(`finds no fault in the unit of "baton run ${flags.join(" ")}"`, async () => {
        assert.deepEqual(await faultsOf(await unitText({ command, flags, env: {} })), []);
      });
    }

    test("finds a fault in a unit that has one", async () => {
      const text = await unitText({ command, flags: [], env: {} });
      const faults = await faultsOf(text.replace("[Service]", "[Service]\nTypo=1"));
      assert.match(faults.join("\n"), /Typo/);
    });
  });
});

test("systemd-notify of a server does not wait in vain for its barrier", {
  skip: which("systemd-notify") === null && "systemd-notify is not installed",
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  using work = tempDir();
  const port = await freePort();
  const { command, env } = place(server("node"), { port, workDir: work.path });
  // It fails after 5 s if nobody closes the descriptor of its barrier; then the server does not start.
  await using baton = await startBaton({
    command: ["sh", "-c", 'systemd-notify --ready --status=soon && exec "$@"', "sh", ...command],
    env,
  });
  assert.match(await fetchBody(port), /version=1/);
  assert.match(baton.stderr, /generation 0 sent READY=1/);
});
