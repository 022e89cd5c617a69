/**
 * The promise: a broken new version costs nothing. The old generation serves on, untouched; no request is
 * lost; `baton reload` exits 70 with the reason and the last words; nothing of the broken one is left; and
 * the next good version is deployed as if nothing had happened.
 */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import type { Snapshot } from "../../src/report/snapshot.ts";
import { type Baton, type CommandResult, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { children } from "../support/proc.ts";
import { deploy, fixture, fixtureCommand, type Runnable } from "../support/servers.ts";
import { servingPid } from "../support/serving_pid.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";
import { answered } from "../support/broken_deploy.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };

const READY_TIMEOUT_MS = 2_000;

/** What a reload may take beside the server's own time, on a busy machine. */
const SLACK_MS = 8_000;

const ENOUGH_REQUESTS = 20;

const MAX_SHOWN_LINES = 20;

interface Ports {
  readonly service: number;
  /** The other port, of servers with two listeners, and of versions that listen elsewhere. */
  readonly other: number;
  /** A program that is no part of the service listens there. */
  readonly stranger: number;
}

type Version = (version: string, ports: Ports) => Runnable;

interface BrokenDeploy {
  readonly what: string;
  /** @default the ordinary time-out of a minute */
  readonly flags?: readonly string[];
  /** What makes a start complete. @default it listens */
  readonly ready?: (ports: Ports) => string;
  readonly good?: Version;
  readonly broken: Version;
  readonly reason: RegExp;
  /** Behind the reason: its last lines, or why there are none. */
  readonly lastWords: RegExp;
  /** Longest time of its own. */
  readonly takesMs: number;
}

function nodeFixture(name: string, extra: (ports: Ports) => Record<string, string> = () => ({})) {
  return (version: string, ports: Ports): Runnable => ({
    command: fixtureCommand(name),
    env: {
      PORT: String(ports.service),
      PORT2: String(ports.other),
      VERSION: version,
      PYTHONDONTWRITEBYTECODE: "1",
      ...extra(ports),
    },
  });
}

const nodeHttp = nodeFixture("node_http.js");

const notifying = nodeFixture("sd_notify.py", () => ({ MS: "50" }));

const NOTIFY = ["--ready", "notify"];

const SHORT_TIMEOUT = ["--ready-timeout", "5s"];

const BROKEN_DEPLOYS: readonly BrokenDeploy[] = [
  {
    what: "exits at once",
    broken: nodeFixture("exits_at_once.js"),
    reason: /it exited before it was ready: exit status 3\b/,
    lastWords: /^its last output:\n {2}exits_at_once: cannot read configuration/,
    takesMs: 0,
  },
  {
    what: "exits after 1.5 s without ever listening",
    broken: nodeFixture("exits_after.js", () => ({ MS: "1500" })),
    reason: /it exited before it was ready: exit status 4\b/,
    lastWords: /^its last output:\n {2}exits_after: starting[^]*exits_after: giving up/,
    takesMs: 1_500,
  },
  {
    what: "hangs for ever",
    flags: SHORT_TIMEOUT,
    broken: nodeFixture("hangs.js"),
    reason: /not ready within 5 s: it does not listen at 127\.0\.0\.1:\d+/,
    lastWords: /^its last output:\n {2}hangs: starting/,
    takesMs: READY_TIMEOUT_MS,
  },
  {
    what: "is a program that is not found",
    broken: () => ({ command: ["/no/such/program"], env: {} }),
    reason: /it exited before it was ready: exit status 127\b/,
    lastWords: /\/no\/such\/program: not found/,
    takesMs: 0,
  },
  {
    what: "is a program that is not executable",
    broken: () => ({ command: [fixture("node_http.js")], env: {} }),
    reason: /it exited before it was ready: exit status 126\b/,
    lastWords: /node_http\.js: Permission denied/,
    takesMs: 0,
  },
  {
    what: "is killed by a signal",
    broken: () => ({ command: ["sh", "-c", "kill -SEGV $$"], env: {} }),
    reason: /it exited before it was ready: killed by SIGSEGV/,
    lastWords: /^it printed nothing$/,
    takesMs: 0,
  },
  {
    what: "listens on another port",
    flags: SHORT_TIMEOUT,
    broken: nodeFixture("other_port.js", (ports) => ({ OTHER_PORT: String(ports.other) })),
    reason: /not ready within 5 s: it does not listen at \S+; it listens at 127\.0\.0\.1:\d+/,
    lastWords: /^it printed nothing$/,
    takesMs: READY_TIMEOUT_MS,
  },
  {
    what: "dies in the gate",
    flags: NOTIFY,
    good: notifying,
    broken: nodeFixture("dies_in_gate.js"),
    reason: /it exited before it was ready: exit status 5\b/,
    lastWords: /^its output is in the output of baton$/,
    takesMs: 300,
  },
  {
    what: "listens and never says that it is ready",
    flags: [...NOTIFY, ...SHORT_TIMEOUT],
    good: notifying,
    broken: nodeHttp,
    reason: /not ready within 5 s: it has not sent READY=1/,
    lastWords: /^its output is in the output of baton$/,
    takesMs: READY_TIMEOUT_MS,
  },
  {
    // The kernel would prefer it for all that comes to 127.0.0.1.
    what: "listens at a more specific address",
    flags: SHORT_TIMEOUT,
    good: nodeFixture("node_http.js", () => ({ HOST: "0.0.0.0" })),
    broken: nodeHttp,
    reason:
      /exit status 1 \(127\.0\.0\.1:\d+ overlaps with 0\.0\.0\.0:\d+, where another generation/,
    lastWords: /EADDRINUSE/,
    takesMs: 0,
  },
  {
    what: "needs a port that a stranger holds",
    // The first generation passes its gate with one listener if it is slow to open the other.
    ready: ({ other }) => `tcp:${other}`,
    good: nodeFixture("two_ports.js"),
    broken: nodeFixture("two_ports.js", (ports) => ({ PORT2: String(ports.stranger) })),
    reason: new RegExp(
      `exit status 1 \\(127\\.0\\.0\\.1:\\d+ is held by .*\\(pid ${process.pid}\\)`,
    ),
    lastWords: /EADDRINUSE/,
    takesMs: 0,
  },
];

describe("a broken new version costs nothing", () => {
  for (const deployment of BROKEN_DEPLOYS) {
    test(`a new version fails: it ${deployment.what}`, TEST, () => deployBroken(deployment));
  }
});

async function deployBroken(deployment: BrokenDeploy): Promise<void> {
  using work = tempDir();
  await using stranger = await Stranger.start();
  const ports = { service: await freePort(), other: await freePort(), stranger: stranger.port };
  const good = deployment.good ?? nodeHttp;
  const targetFile = work.join("target");
  deploy(targetFile, good("1", ports));
  await using baton = await startBaton({
    command: fixtureCommand("switch.sh"),
    env: { TARGET_FILE: targetFile },
    flags: [
      ...deployment.flags ?? [],
      ...deployment.ready === undefined ? [] : ["--ready", deployment.ready(ports)],
    ],
  });
  await using load = new Load({ port: ports.service }).start();
  await answered(load, "1");
  const before = await baton.settled();

  deploy(targetFile, deployment.broken("broken", ports));
  const result = await reloadFails(baton, deployment);
  const after = await statusByCli(baton);
  assertFailureIsTold(after, deployment);
  assert.equal(servingPid(after), servingPid(before), "the old process serves on");
  await onlyOneServer(baton, servingPid(before));
  await oldOneAnswers(ports.service, servingPid(before));

  deploy(targetFile, good("2", ports));
  const repaired = await baton.cli("reload");
  assert.equal(repaired.code, 0, repaired.stderr);
  await answered(load, "2");
  const settled = await baton.settled();
  assert.deepEqual([settled.epoch, settled.restarts.ok, settled.restarts.failed], [2, 1, 1]);
  const tally = await load.stop();
  assert.equal(tally.lost, 0, `${formatTally(tally)}\n${result.stderr}\n${baton.stderr}`);
  assert.deepEqual(
    [...tally.byVersion.keys()].sort(),
    ["1", "2"],
    "the broken one answered nobody",
  );
  assert.equal((await baton.stop()).code, 0, baton.stderr);
}

/** `baton reload` as a user sees it fail. */
async function reloadFails(baton: Baton, deployment: BrokenDeploy): Promise<CommandResult> {
  const result = await baton.cli("reload");
  const said = `${result.stderr}\n--- baton:\n${baton.stderr}`;
  assert.equal(result.code, 70, said);
  assert.equal(result.stdout, "", "a failure is no result");
  assert.match(result.stderr, deployment.reason);
  assert.match(result.stderr, /generation 1\b/);
  assert.match(result.stderr, /the old generation keeps serving; nothing was lost/);
  const [, , heading = "", ...lines] = result.stderr.trimEnd().split("\n");
  assert.match([heading, ...lines].join("\n"), deployment.lastWords, said);
  assert.ok(lines.length <= MAX_SHOWN_LINES, said);
  return result;
}

function assertFailureIsTold(snapshot: Snapshot, deployment: BrokenDeploy): void {
  assert.equal(snapshot.epoch, 0);
  assert.deepEqual(snapshot.restarts, { ok: 0, failed: 1, crashes: 0 });
  const failed = snapshot.generations.find(({ epoch }) => epoch === 1);
  assert.equal(failed?.outcome, "failed");
  // The same cause as in the verdict; "it exited before it was ready" is what the outcome says.
  const [, cause = deployment.reason.source] = deployment.reason.source.split("was ready: ");
  assert.match(failed?.reason ?? "", new RegExp(cause));
  const { lastReload } = snapshot;
  assert.equal(lastReload?.result, "failed");
  assert.equal(lastReload?.epoch, 1);
  assert.match(lastReload?.reason ?? "", deployment.reason);
  assert.equal(lastReload?.connectionsCut, 0);
  const { durationMs = 0 } = lastReload ?? {};
  assert.ok(durationMs >= deployment.takesMs, `not before its time: ${durationMs} ms`);
  assert.ok(durationMs <= deployment.takesMs + SLACK_MS, `within its time-out: ${durationMs} ms`);
}

async function statusByCli(baton: Baton): Promise<Snapshot> {
  const { code, stdout, stderr } = await baton.cli("status", "--json");
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

/** Nothing of the broken one is left: no process, no member, no file. */
async function onlyOneServer(baton: Baton, pid: number): Promise<void> {
  await waitUntil(() => children(baton.pid).every((child) => child === pid), {
    what: `${pid} is baton's only child`,
  });
  const snapshot = await waitUntil(async () => {
    const status = await baton.status();
    return status.generations.every(({ epoch, state }) => epoch === 0 || state === "exited") &&
      status;
  }, { what: "the broken generation is gone" });
  const members = snapshot.listeners.flatMap((listener) => listener.members);
  assert.ok(members.length > 0);
  assert.deepEqual(members.filter(({ epoch, receiving }) => epoch !== 0 || !receiving), []);
}

async function oldOneAnswers(port: number, pid: number): Promise<void> {
  const tally = await new Load({ port, clients: 1, maxRequests: ENOUGH_REQUESTS }).start()
    .finished();
  assert.deepEqual([...tally.byBody], [[pid, ENOUGH_REQUESTS]], formatTally(tally));
}

/** A program that is no part of the service and listens at a port: this very process. */
class Stranger implements AsyncDisposable {
  readonly #server = createServer((socket) => socket.destroy());

  constructor(readonly port: number) {}

  static async start(): Promise<Stranger> {
    const stranger = new Stranger(await freePort());
    await new Promise<void>((resolve, reject) => {
      stranger.#server.once("error", reject);
      stranger.#server.listen(stranger.port, "127.0.0.1", resolve);
    });
    return stranger;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
