/** What is done with baton in containers: reloads under load, and releases that take over from each other. */
import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import { batonCommand, type CommandResult } from "../baton.ts";
import { place, type Runnable, server, type ServerId } from "../servers.ts";
import { type TempDir, tempDir } from "../temp_dir.ts";
import { waitUntil } from "../wait_until.ts";
import type { Situation } from "./bundle.ts";
import type { Engine } from "./engines.ts";
import { type Container, type ContainerOptions, Network, SERVES } from "./runc.ts";

/** Each container has a network of its own: any port is free. */
const PORT = 8080;
const SLOW_MS = 120_000;

export interface Place {
  readonly engine: Engine;
  readonly situation?: Situation;
  readonly added?: readonly string[];
}

export interface Outcome {
  /** "yes", or why it was not run. */
  readonly adopt: string;
  readonly ok: number;
  readonly lost: number;
}

/** A server as a container finds it: an interpreter in root's home is not there for others. */
function serverIn(work: TempDir, id: ServerId, version: string): Runnable {
  chmodSync(work.path, 0o777);
  const { command, env } = place(server(id), { port: PORT, workDir: work.path, version });
  const [program = "", ...argv] = command;
  return { command: [program.startsWith("/root/") ? "/usr/bin/python3" : program, ...argv], env };
}

/** By root, a server that becomes another user before it binds: what gosu and su-exec do. */
export const AS_OTHER_USER = [
  "setpriv",
  "--reuid=1000",
  "--regid=1000",
  "--clear-groups",
];

export interface ReloadRun extends Place {
  readonly server: ServerId;
  /** Put in front of the server. */
  readonly front?: readonly string[];
  readonly reloads: number;
}

/** Reloads under load. @throws {Error} when one fails, or something is lost */
export async function reloadsUnderLoad(run: ReloadRun): Promise<Outcome> {
  await using network = await Network.make();
  using work = tempDir();
  const { command, env } = serverIn(work, run.server, "1");
  const options: ContainerOptions = {
    ...run,
    command: [...run.front ?? [], ...command],
    env,
    shares: [work],
  };
  await using container = await network.start({ ...options, expectFailure: true });
  const refusal = await startedOrRefused(container);
  if (refusal !== null) return { adopt: refusal, ok: 0, lost: 0 };
  await using load = await container.load(PORT);
  await load.answers("1");
  for (let n = 1; n <= run.reloads; n++) succeeded(await container.baton("reload"), container);
  await load.answers("1");
  const tally = await load.stop();
  assert.equal(tally.lost, 0, JSON.stringify(tally.errors) + container.stderr);
  assert.equal((await container.stop()).code, 0, container.stderr);
  return { adopt: "yes", ok: tally.ok, lost: tally.lost };
}

/** @returns "71" when baton says that it cannot work there; null when a generation serves */
async function startedOrRefused(container: Container): Promise<string | null> {
  await waitUntil(
    () => container.exit !== null || SERVES.test(container.stderr),
    { what: `a generation serves\n${container.stderr}`, deadlineMs: SLOW_MS },
  );
  if (container.exit === null) return null;
  assert.equal(container.exit.code, 71, container.stderr);
  return "71";
}

function succeeded({ code, stdout, stderr }: CommandResult, container: Container): void {
  assert.equal(code, 0, [stdout, stderr, container.stderr].join("\n"));
}

/** What `baton doctor` says there: its exit status and its report. */
export async function doctorIn(place: Place): Promise<{ code: number | null; adopt: boolean }> {
  await using network = await Network.make();
  const command = [...batonCommand(), "doctor", "--json"];
  const { code, stdout, stderr } = await network.run(command, { ...place, command, env: {} });
  const { modes } = JSON.parse(stdout || assert.fail(stderr)) as {
    modes: { name: string; works: boolean }[];
  };
  return { code, adopt: modes.find(({ name }) => name === "adopt")!.works };
}

export interface ReleaseStory extends Place {
  readonly server: ServerId;
  /** The words before the server's: `baton run ... --`, without the program. */
  readonly flags: (socket: string) => readonly string[];
  /** How many releases follow the first one. */
  readonly releases: number;
}

/**
 * What `docker compose` does with the file of `baton init compose`: one container has the network, each release is one
 * more in it. Between the releases one that never gets ready is tried.
 */
export async function releasesUnderLoad(story: ReleaseStory): Promise<Outcome> {
  await using network = await Network.make();
  using work = tempDir();
  using handoff = tempDir();
  const flags = story.flags(handoff.join("web"));
  const containers: Container[] = [];
  const start = (version: string) => {
    const runnable = serverIn(work, story.server, version);
    return network.start({ ...story, ...runnable, flags, shares: [work, handoff] });
  };
  try {
    let old = await start("1");
    containers.push(old);
    await using load = await old.load(PORT);
    await load.answers("1");
    for (let n = 2; n <= 1 + story.releases; n++) {
      await using unhealthy = await network.start({
        ...story,
        command: ["sleep", "60"],
        env: {},
        flags: [...flags, "--ready-timeout", "1s"],
        shares: [handoff],
        expectFailure: true,
      });
      assert.equal((await unhealthy.exited).code, 70, unhealthy.stderr);
      await load.answers(String(n - 1));
      const next = await start(String(n));
      containers.push(next);
      await load.answers(String(n));
      // Not restarted by "on-failure".
      assert.equal((await old.exited).code, 0, old.stderr);
      succeeded(await next.baton("reload"), next);
      old = next;
    }
    const tally = await load.stop();
    assert.equal(
      tally.lost,
      0,
      JSON.stringify(tally.errors) + containers.map((c) => c.stderr).join("\n"),
    );
    assert.equal((await old.stop()).code, 0, old.stderr);
    return { adopt: "yes", ok: tally.ok, lost: tally.lost };
  } finally {
    for (const container of containers) await container[Symbol.asyncDispose]();
  }
}
