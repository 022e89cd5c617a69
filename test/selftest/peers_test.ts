/** `make bench-peers` measures what it says: who loses requests is counted as losing, and what stays is found. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { describe, test } from "node:test";
import type { Contestant, Place, Started } from "../../scripts/bench/peers/contestant.ts";
import { deployFile } from "../../scripts/bench/peers/contestants/version_file.ts";
import { measurePeer } from "../../scripts/bench/peers/measure.ts";
import { end, spawnIn } from "../../scripts/bench/peers/own_process.ts";
import type { PeerResult } from "../../scripts/bench/peers/result.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { alive } from "../support/proc.ts";
import { findNode, required } from "../support/programs.ts";
import { fixtureCommand, server } from "../support/servers.ts";

const LIMIT = { timeout: TEST_TIMEOUT_MS, skip: server("node").needs() ?? false };
const PLAN = { reloads: 1, betweenMs: 300, boots: 1 };

/** It reads its version at each request: a deploy is all that it needs. */
const READS_AGAIN = `require("node:http").createServer((_, response) => {
  response.end("version=" + require("node:fs").readFileSync(process.env.VERSION_FILE, "utf8"));
}).listen(process.env.PORT, "127.0.0.1")`;

const readsAgain = () => [required("node", findNode()), "-e", READS_AGAIN];
const app = () => fixtureCommand("peers/app.js");

async function measured(
  hasHttp2: boolean,
  command: () => string[],
  start: (place: Place) => Started,
): Promise<PeerResult> {
  const contestant: Contestant = {
    name: "test",
    program: "Node",
    how: "test",
    hasHttp2,
    install: () => Promise.reject(new Error("not asked for")),
  };
  const installed = {
    version: "1",
    deploy: deployFile,
    bare: command,
    start: (place: Place) => Promise.resolve(start(place)),
  };
  return await measurePeer(contestant, installed, PLAN, () => {});
}

describe("bench-peers", () => {
  test(
    "a restart that closes the port counts as losing, for each kind of client",
    LIMIT,
    async () => {
      const result = await measured(true, app, (place) => {
        let child = spawnIn(place, app());
        return {
          supervisor: null,
          roots: () => [child.pid!],
          reload: async () => {
            await end(child.pid!, "SIGKILL");
            child = spawnIn(place, app());
          },
          stop: () => end(child.pid!, "SIGKILL"),
        };
      });
      assert.ok(result.new.lost > 0, JSON.stringify(result));
      assert.ok(result.kept.lost > 0, JSON.stringify(result));
      assert.ok((result.h2?.lost ?? 0) > 0, JSON.stringify(result));
      assert.equal(result.neverServed, 0);
      assert.match(result.losses.join("\n"), /refused|reset/);
    },
  );

  test(
    "who loses nothing counts as losing nothing, and its new version is seen",
    LIMIT,
    async () => {
      const result = await measured(false, readsAgain, (place) => {
        const { pid } = spawnIn(place, readsAgain());
        return {
          supervisor: pid!,
          roots: () => [pid!],
          reload: () => Promise.resolve(),
          stop: () => end(pid!, "SIGTERM"),
        };
      });
      assert.equal(result.new.lost + result.kept.lost, 0, result.losses.join("\n"));
      assert.ok(result.new.of > 0 && result.kept.of > 0, JSON.stringify(result));
      assert.equal(result.h2, null);
      assert.equal(result.neverServed, 0);
      assert.ok((result.supervisorCpuMs ?? 0) > 0, "the server has used the processor");
      assert.deepEqual(result.leftovers, []);
    },
  );

  test("a process that outlives its contestant is named, and ended", LIMIT, async () => {
    let left = 0;
    const result = await measured(false, readsAgain, (place) => {
      const { pid } = spawnIn(place, readsAgain());
      const env = { ...process.env, ...place.env };
      left = spawn("sleep", ["600"], { env, detached: true, stdio: "ignore" }).pid!;
      return {
        supervisor: null,
        roots: () => [pid!],
        reload: () => Promise.resolve(),
        stop: () => end(pid!, "SIGTERM"),
      };
    });
    assert.equal(result.leftovers.length, 1);
    assert.match(result.leftovers[0] ?? "", new RegExp(`process ${left}: .*sleep 600`));
    assert.ok(!alive(left));
  });
});
