/** The endpoint file where its path is none of a plain file. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { after, before, describe, it } from "node:test";
import { EndpointFile } from "../../../src/front/endpoint_file.ts";
import type { Platform } from "../../../src/platform/platform.ts";
import { testPlatform } from "../../support/test_platform.ts";
import { type TempDir, tempDir } from "../../support/temp_dir.ts";

let platform: Platform & AsyncDisposable;
let dir: TempDir;
before(async () => {
  platform = await testPlatform();
  dir = tempDir("endpoints");
});
after(async () => {
  await platform[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

const ENDPOINTS = [
  { address: { host: "127.64.0.1", port: 3000 }, isHealthy: true, weight: 1, epoch: 0, worker: 0 },
];

function place(): string {
  const path = dir.join(`${readdirSync(dir.path).length}`);
  mkdirSync(path);
  return path;
}

function write(path: string) {
  const owner = { service: "web", host: "here" };
  const warn = (text: string) => assert.fail(text);
  return new EndpointFile(platform, { path, cluster: "web", owner, warn }).write(ENDPOINTS);
}

function assertWritten(path: string): void {
  assert.deepEqual(write(path), { kind: "written" });
  assert.match(readFileSync(path, "utf8"), /127\.64\.0\.1/);
}

describe("the endpoint file", () => {
  // Reading a FIFO, or opening one as the lock, would stop all of baton.
  it("is refused at once where it is a FIFO, or a directory", () => {
    const at = place();
    execFileSync("mkfifo", [`${at}/eds.yaml`]);
    mkdirSync(`${at}/dir.yaml`);
    for (const name of ["eds.yaml", "dir.yaml"]) {
      const result = write(`${at}/${name}`);
      assert.equal(result.kind, "failed");
      assert.match(JSON.stringify(result), /cannot write .*it is no regular file/);
    }
  });

  it("has a lock that may be a FIFO", () => {
    const at = place();
    execFileSync("mkfifo", [`${at}/.eds.yaml.lock`]);
    assertWritten(`${at}/eds.yaml`);
  });

  it("stays a link, and what that leads to is replaced, also where it is not there yet", () => {
    const at = place();
    mkdirSync(`${at}/real`);
    mkdirSync(`${at}/links`);
    symlinkSync("../real", `${at}/links/dir`);
    symlinkSync("dir/target.yaml", `${at}/links/eds.yaml`);
    assertWritten(`${at}/links/eds.yaml`);
    assert.equal(readlinkSync(`${at}/links/eds.yaml`), "dir/target.yaml");
    assert.equal(lstatSync(`${at}/real/target.yaml`).isFile(), true);
    assert.deepEqual(readdirSync(`${at}/links`).sort(), ["dir", "eds.yaml"]);
    assert.deepEqual(readdirSync(`${at}/real`).sort(), [".target.yaml.lock", "target.yaml"]);
  });

  it("is renewed where the link is: an Envoy that watches that directory reads it again", () => {
    const at = place();
    mkdirSync(`${at}/real`);
    writeFileSync(`${at}/real/eds.yaml`, "");
    symlinkSync("real/eds.yaml", `${at}/eds.yaml`);
    const before = lstatSync(`${at}/eds.yaml`).ino;
    assertWritten(`${at}/eds.yaml`);
    assert.notEqual(lstatSync(`${at}/eds.yaml`).ino, before);
  });

  it("says that links lead in a circle", () => {
    const at = place();
    symlinkSync("b.yaml", `${at}/a.yaml`);
    symlinkSync("a.yaml", `${at}/b.yaml`);
    assert.match(JSON.stringify(write(`${at}/a.yaml`)), /lead in a circle/);
  });
});
