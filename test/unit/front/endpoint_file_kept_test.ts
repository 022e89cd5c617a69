/** The endpoint file on disk: whose it stays, and what replaces it. */
import assert from "node:assert/strict";
import { chmodSync, chownSync, readdirSync, readFileSync, statSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import type { AssignedEndpoint } from "../../../src/front/assignment.ts";
import { EndpointFile } from "../../../src/front/endpoint_file.ts";
import { tempDir } from "../../support/temp_dir.ts";
import { testPlatform } from "../../support/test_platform.ts";

const ONE: AssignedEndpoint[] = [{
  epoch: 3,
  worker: 0,
  address: { host: "127.66.3.1", port: 3000 },
  isHealthy: true,
  weight: 1,
}];
const NONE: AssignedEndpoint[] = [];
const LED = ["127.66.3.1:3000"];

async function scene(content: string | null = null) {
  const platform = await testPlatform();
  const dir = tempDir();
  const path = dir.join("eds.yaml");
  if (content !== null) dir.write("eds.yaml", content);
  const said: string[] = [];
  const file = new EndpointFile(platform, {
    path,
    cluster: "web",
    owner: { service: "web", host: "here" },
    warn: (text) => void said.push(text),
  });
  const led = () => {
    const found = file.led();
    return found === null ? null : [...found];
  };
  return { dir, path, file, said, led };
}

describe("EndpointFile", () => {
  test("is made where there is none, with nothing but its lock beside it", async () => {
    const { dir, file, led } = await scene();
    assert.equal(file.exists, false);
    assert.deepEqual(led(), []);
    assert.deepEqual(file.write(ONE), { kind: "written" });
    assert.equal(file.exists, true);
    assert.deepEqual(led(), LED);
    assert.deepEqual(readdirSync(dir.path).sort(), [".eds.yaml.lock", "eds.yaml"]);
    assert.equal(statSync(dir.join("eds.yaml")).mode & 0o777, 0o644, "Envoy is another user");
  });

  test("is another file after a change, and the same one where nothing changes", async () => {
    const { path, file } = await scene();
    file.write(ONE);
    const { ino } = statSync(path);
    file.write(ONE);
    assert.equal(statSync(path).ino, ino);
    file.write(NONE);
    assert.notEqual(statSync(path).ino, ino, "Envoy notices a rename only");
  });

  test("keeps mode and owner of the one that it replaces", async () => {
    const { path, file } = await scene("");
    chmodSync(path, 0o640);
    const isRoot = process.getuid?.() === 0;
    if (isRoot) chownSync(path, 65_534, 65_533);
    file.write(ONE);
    const { mode, uid, gid } = statSync(path);
    assert.equal(mode & 0o777, 0o640);
    if (isRoot) assert.deepEqual([uid, gid], [65_534, 65_533]);
  });

  for (
    const [content, warning] of [
      ["", null],
      ["resources: []\n", null],
      [
        "resources:\n- lb_endpoints: [{}]\n",
        /was no file of endpoints in JSON \(.+\), and is replaced/,
      ],
    ] as const
  ) {
    test(`replaces ${JSON.stringify(content)}${warning === null ? "" : ", and says so once"}`, async () => {
      const { file, said, led, path, dir } = await scene(content);
      assert.deepEqual(led(), content === "" ? [] : null);
      file.write(ONE);
      assert.deepEqual(led(), LED);
      assert.equal(said.length, warning === null ? 0 : 1);
      if (warning !== null) assert.match(said[0]!, warning);
      dir.write("eds.yaml", content);
      file.write(ONE);
      assert.equal(said.length, warning === null ? 0 : 1);
      assert.match(readFileSync(path, "utf8"), /127\.66\.3\.1/);
    });
  }
});
