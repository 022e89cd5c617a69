/** Promise: on a full disk the endpoint file stays as it is, whole; the service serves on, and says what is wrong. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { get } from "node:http";
import process from "node:process";
import { test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { FakeEnvoy, hostsIn } from "../support/front/fake_envoy.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const MOUNT = 'mount -t tmpfs -o size=64k,mode=755 tmpfs "$1" && shift && exec "$@"';
/** A mount of its own, which nothing but baton and its servers sees. */
const ENTER = ["unshare", process.getuid?.() === 0 ? "-m" : "-rm", "sh", "-c", MOUNT, "sh"];

function canMount(): boolean {
  using dir = tempDir();
  const [program = "", ...words] = [...ENTER, dir.path, "true"];
  return spawnSync(program, words).status === 0;
}

/** @param files of its own mount */
function fill(files: string): void {
  const block = new Uint8Array(4096);
  const file = openSync(`${files}/filling`, "w");
  try {
    for (;;) writeSync(file, block);
  } catch (error) {
    assert.match(String(error), /ENOSPC/);
  } finally {
    closeSync(file);
  }
}

/** @returns whether all to which a front would lead something now answer */
async function serves(file: string): Promise<boolean> {
  const healthy = hostsIn(readFileSync(file, "utf8")).filter((host) => host.includes("HEALTHY"));
  const statuses = await Promise.all(healthy.map((host) =>
    new Promise((resolve, reject) => {
      get(`http://${host.split(" ")[0]}/`, (answer) => {
        answer.resume().on("end", () => resolve(answer.statusCode));
      }).on("error", reject);
    })
  ));
  return statuses.length > 0 && statuses.every((status) => status === 200);
}

async function okReload(baton: Baton): Promise<void> {
  const { result, reason } = await baton.reload();
  assert.equal(result, "ok", `${reason}\n${baton.stderr}`);
}

const SKIP = canMount() ? false : "needs a mount of its own: root, or user namespaces";

test(
  "a full disk fails a reload, and leaves the endpoint file as it was",
  { timeout: TEST_TIMEOUT_MS, skip: SKIP },
  async () => {
    using dir = tempDir("front");
    using own = tempDir("full");
    const path = own.join("eds.yaml");
    const socket = dir.join("admin.sock");
    await using baton = await startBaton({
      command: fixtureCommand("node_http.js"),
      env: { PORT: String(await freePort()) },
      flags: [`--front=eds:${path},admin=unix:${socket},timeout=2s`, "--quiet=100ms"],
      wrapper: [...ENTER, own.path],
      expectFailure: true,
    });
    const mounted = `/proc/${baton.pid}/root${own.path}`;
    const file = `${mounted}/eds.yaml`;
    await using _ = await new FakeEnvoy(file, socket).start();
    const hosts = () => hostsIn(readFileSync(file, "utf8"));
    await waitUntil(async () => (await baton.status()).epoch === 0 && hosts().length === 1, {
      what: `the first generation is in the file\n${baton.stderr}`,
    });

    const before = readFileSync(file, "utf8");
    fill(mounted);
    const { result, reason, serving } = await baton.reload();
    assert.equal(result, "failed");
    assert.match(reason ?? "", /cannot write \S+eds\.yaml: ENOSPC/);
    assert.equal(serving, 0);
    assert.equal(readFileSync(file, "utf8"), before);
    assert.ok(await serves(file), baton.stderr);
    const [front] = (await baton.status()).fronts;
    assert.match(front?.lastError?.reason ?? "", /ENOSPC/);

    // There is room again, until the switch is over.
    rmSync(`${mounted}/filling`);
    await okReload(baton);
    fill(mounted);
    assert.ok(await serves(file), baton.stderr);
    await baton.settled();
    await waitUntil(() => /ENOSPC\S*.*; it is tried again/.test(baton.stderr), {
      what: `the old one cannot be taken out\n${baton.stderr}`,
    });
    assert.equal(hosts().length, 2);
    assert.ok(await serves(file), baton.stderr);
    rmSync(`${mounted}/filling`);
    await waitUntil(() => hosts().length === 1, { what: "it is taken out when there is room" });
    assert.ok(await serves(file), baton.stderr);

    // The mount is gone with its last process.
    fill(mounted);
    const { code } = await baton.stop();
    assert.equal(code, 0, baton.stderr);
    const [last = ""] = baton.stderr.split("\n").filter((line) => line.includes("ENOSPC")).slice(
      -1,
    );
    assert.match(last, /ENOSPC.*; it names servers that have ended, until web is started again/);
  },
);
