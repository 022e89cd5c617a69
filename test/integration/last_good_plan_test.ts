/**
 * The promise: where nothing serves after a failed deploy, the version before it runs again as it was started: with its
 * program, arguments, environment and directory, whatever the deploy has done to their names. Also after an upgrade of
 * baton, and after its death.
 */
import assert from "node:assert/strict";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Baton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { commandLine, openFds } from "../support/proc.ts";
import { findNode, FIXTURES, required } from "../support/programs.ts";
import { repeats } from "../support/repeats.ts";
import { servingPid } from "../support/serving_pid.ts";
import { Succession } from "../support/succession.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const AGAIN = repeats({ full: 10, quick: 1 });
const STOP_FIRST = ["--order", "stop-first"];

/** `current` leads to the first release. The second one does not start, and neither does what its environment says. */
class Releases {
  readonly current: string;
  readonly envFile: string;

  constructor(readonly dir: TempDir, readonly port: number) {
    for (const release of ["1", "2"]) mkdirSync(dir.join("releases", release), { recursive: true });
    copyFileSync(join(FIXTURES, "node_http.js"), dir.join("releases/1/server.js"));
    dir.write("releases/2/server.js", "console.error('a bad version'); process.exit(3);\n");
    const script = '#!/bin/sh\nexec "$NODE" "$SERVER"\n';
    chmodSync(dir.write("releases/1/run", script), 0o755);
    chmodSync(dir.write("releases/2/run", "#!/bin/sh\nexit 3\n"), 0o755);
    this.current = dir.join("current");
    symlinkSync("releases/1", this.current);
    this.envFile = dir.write("env", `PORT=${port}\nVERSION=1\n`);
  }

  deploy(): void {
    symlinkSync("releases/2", this.dir.join("next"));
    renameSync(this.dir.join("next"), this.current);
    writeFileSync(this.envFile, "PORT=none\nVERSION=2\n");
  }

  /** A reload fails, and the first release serves. @returns its process */
  async failsAndRestores(baton: Baton): Promise<number> {
    const before = servingPid(await baton.status());
    const { result, reason } = await baton.reload();
    assert.equal(result, "failed", baton.stderr);
    assert.match(reason ?? "", /exit status 3/);
    const pid = servingPid(await baton.settled());
    assert.notEqual(pid, before);
    const answer = await (await fetch(`http://127.0.0.1:${this.port}/`)).text();
    assert.match(answer, new RegExp(`pid=${pid} version=1`), baton.stderr);
    return pid;
  }
}

test(
  "after a moved link and a changed environment file, in the directory of then",
  TEST,
  async () => {
    using work = tempDir();
    using dir = tempDir("baton");
    const releases = new Releases(work, await freePort());
    const node = required("node", findNode());
    await using batons = new Succession({
      command: [node, join(releases.current, "server.js")],
      env: { PWD: releases.current },
      cwd: releases.current,
      dir,
    });
    const baton = await batons.next([...STOP_FIRST, "--env-file", releases.envFile]);
    releases.deploy();
    const pid = await releases.failsAndRestores(baton);
    assert.deepEqual(commandLine(pid), [node, work.join("releases/1/server.js")]);
    assert.equal(readlinkSync(`/proc/${pid}/cwd`), work.join("releases/1"));
    const held = [...openFds(pid).values()].filter((target) => target.startsWith(work.path));
    assert.deepEqual(held, [], "none of baton's descriptors");

    // Again and again from the same plan, without a descriptor more in baton.
    const descriptors = openFds(baton.pid).size;
    for (let i = 0; i < AGAIN; i++) await releases.failsAndRestores(baton);
    assert.equal(openFds(baton.pid).size, descriptors);
  },
);

test("after its own script was removed with its directory", TEST, async () => {
  using work = tempDir();
  using dir = tempDir("baton");
  const releases = new Releases(work, await freePort());
  await using batons = new Succession({
    command: [join(releases.current, "run")],
    env: { NODE: required("node", findNode()), SERVER: join(FIXTURES, "node_http.js") },
    dir,
  });
  const baton = await batons.next([...STOP_FIRST, "--env-file", releases.envFile]);
  releases.deploy();
  rmSync(work.join("releases/1"), { recursive: true });
  await releases.failsAndRestores(baton);
  assert.match(baton.stderr, /releases\/1\/run was replaced or removed: the former one is used/);
});

for (const how of ["an upgrade of baton in place", "the death of baton, with --survive"] as const) {
  test(`after ${how}`, TEST, async () => {
    using work = tempDir();
    using dir = tempDir("baton");
    const releases = new Releases(work, await freePort());
    await using batons = new Succession({
      command: [required("node", findNode()), join(releases.current, "server.js")],
      env: {},
      dir,
    });
    const survives = how.includes("--survive");
    const flags = [...STOP_FIRST, "--env-file", releases.envFile];
    if (survives) flags.push("--survive");
    let baton = await batons.next(flags);
    if (survives) {
      await batons.kill();
      // What the next one is started with is the bad version already.
      releases.deploy();
      baton = await batons.next(flags);
    } else {
      const { code, stderr } = await baton.cli("upgrade", "--in-place");
      assert.equal(code, 0, stderr);
      releases.deploy();
    }
    await releases.failsAndRestores(baton);
    await batons.look();
    assert.equal((await baton.stop()).code, 0, baton.stderr);
    assert.deepEqual(batons.left, []);
  });
}
