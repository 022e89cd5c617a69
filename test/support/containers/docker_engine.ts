/**
 * A Docker engine of the test's own, in a folder of its own, and the story of `baton init compose` played with it: the
 * printed file, by Docker Compose itself. Images come from no registry: they are made of busybox, glibc, baton and the
 * Go server. The network has no way out, so no port is published; all else is as printed.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { batonCommand, type CommandResult, runCommand } from "../baton.ts";
import { buildGo, which } from "../programs.ts";
import { tempDir } from "../temp_dir.ts";
import { waitUntil } from "../wait_until.ts";
import { CONTAINER_NAMES, ContainerLoad, SERVES } from "./runc.ts";
import type { Outcome } from "./runs.ts";

const PORT = 8080;
const START_DEADLINE_MS = 60_000;
const SERVICE = "web";
const CONTROL_GROUP = `${CONTAINER_NAMES}engine`;
const LIBRARIES = [
  "ld-linux-x86-64.so.2",
  "libc.so.6",
  "libpthread.so.0",
  "libdl.so.2",
  "libm.so.6",
];
const LIBRARY_FOLDERS = ["/lib64", "/lib/x86_64-linux-gnu"];

/** Why the story cannot be played here; false = it can. */
export function noEngine(): string | false {
  for (const program of ["dockerd", "docker", "docker-compose", "busybox"]) {
    if (which(program) === null) return `${program} is not installed`;
  }
  const version = execFileSync("docker-compose", ["version", "--short"], { encoding: "utf8" });
  return /^v?[2-9]/.test(version) ? false : `docker-compose is ${version.trim()}, not 2 or later`;
}

export class DockerEngine implements AsyncDisposable {
  readonly #folder = tempDir("docker");
  readonly #project = this.#folder.join("project");
  readonly #daemon: ChildProcess;

  private constructor() {
    const log = openSync(this.#folder.join("log"), "w");
    const place = [
      "--data-root",
      this.#folder.join("data"),
      "--exec-root",
      this.#folder.join("exec"),
    ];
    const network = ["--bridge=none", "--iptables=false", "--ip6tables=false"];
    const words = ["-H", this.#host, "-p", this.#folder.join("pid"), "--storage-driver=vfs"];
    const groups = ["--cgroup-parent", `/${CONTROL_GROUP}`];
    this.#daemon = spawn("dockerd", [...place, ...network, ...words, ...groups], {
      stdio: ["ignore", log, log],
    });
    mkdirSync(this.#project);
  }

  static async start(): Promise<DockerEngine> {
    const engine = new DockerEngine();
    try {
      await waitUntil(async () => (await engine.docker("version")).code === 0, {
        what: "the engine answers",
        deadlineMs: START_DEADLINE_MS,
      });
      return engine;
    } catch (error) {
      await engine[Symbol.asyncDispose]();
      throw error;
    }
  }

  get #host(): string {
    return `unix://${this.#folder.join("socket")}`;
  }

  docker(...words: readonly string[]): Promise<CommandResult> {
    return runCommand(["docker", ...words], { env: { DOCKER_HOST: this.#host } });
  }

  async #compose(tag: string, ...words: readonly string[]): Promise<string> {
    const env = { DOCKER_HOST: this.#host, TAG: tag };
    const { code, stdout, stderr } = await runCommand(["docker-compose", ...words], {
      env,
      cwd: this.#project,
    });
    assert.equal(code, 0, stderr);
    return stdout.trim();
  }

  async version(): Promise<string> {
    const { stdout } = await this.docker("version", "--format", "{{.Server.Version}}");
    const compose = await runCommand(["docker-compose", "version", "--short"]);
    return `Docker ${stdout.trim()}, Compose ${compose.stdout.trim()}`;
  }

  /** Images web:TAG, each with its tag as the version of the server. */
  async #makeImages(tags: readonly string[]): Promise<void> {
    const root = this.#folder.join("root");
    const copy = (from: string, to: string) => {
      mkdirSync(dirname(join(root, to)), { recursive: true });
      copyFileSync(from, join(root, to));
    };
    for (const folder of ["tmp", "run", "etc"]) mkdirSync(join(root, folder), { recursive: true });
    copy(which("busybox")!, "bin/busybox");
    for (const name of ["sh", "sleep"]) symlinkSync("busybox", join(root, "bin", name));
    for (const library of LIBRARIES) {
      for (const folder of LIBRARY_FOLDERS) {
        const from = join(folder, library);
        try {
          copy(from, from.slice(1));
        } catch {
          // In the other one.
        }
      }
    }
    copy(batonCommand()[0]!, "usr/local/bin/baton");
    copy(buildGo(), "srv/server");
    const archive = this.#folder.join("image.tar");
    execFileSync("tar", ["-C", root, "-cf", archive, "."]);
    for (const tag of tags) {
      const env = `ENV VERSION=${tag} HOST=127.0.0.1 PORT=${PORT}`;
      const { code, stderr } = await this.docker("import", "--change", env, archive, `web:${tag}`);
      assert.equal(code, 0, stderr);
    }
  }

  /** The service's containers that run. */
  async #running(): Promise<string[]> {
    return (await this.#compose("1", "ps", "-q", SERVICE)).split("\n").filter((id) => id !== "");
  }

  /** @param compose what `baton init compose --name web -- /srv/server` prints */
  async playReleases(compose: string, releases: number): Promise<Outcome> {
    const versions = Array.from({ length: releases + 1 }, (_, index) => String(index + 1));
    await this.#makeImages([...versions, "sick"]);
    writeFileSync(join(this.#project, "compose.yaml"), inClosedNetwork(compose));
    await this.#compose("1", "up", "-d");
    const network = await this.docker("inspect", "-f", "{{.State.Pid}}", "project-network-1");
    const path = `/proc/${network.stdout.trim()}/ns/net`;
    const [first = ""] = await this.#running();
    await waitUntil(async () => SERVES.test((await this.docker("logs", first)).stderr), {
      what: "the first release serves",
    });
    await using load = new ContainerLoad(path, PORT);
    await load.answers("1");
    for (const version of versions.slice(1)) {
      await this.#trySickRelease();
      await this.#replace(version);
      await load.answers(version);
    }
    const { ok, lost, errors } = await load.stop();
    assert.equal(lost, 0, JSON.stringify(errors));
    return { adopt: "yes", ok, lost };
  }

  async #replace(version: string): Promise<void> {
    const [old = ""] = await this.#running();
    await this.#up(version);
    assert.equal((await this.docker("wait", old)).stdout.trim(), "0", "it was taken over");
    await this.#compose(version, "rm", "-f", SERVICE);
    assert.equal((await this.#running()).length, 1, "and is not started again");
  }

  /** One whose server never listens. */
  async #trySickRelease(): Promise<void> {
    const before = await this.#running();
    const path = join(this.#project, "compose.yaml");
    const file = execFileSync("cat", [path], { encoding: "utf8" });
    const sick = file.replace('"/srv/server"', '"/bin/sleep", "60"')
      .replace('"run", ', '"run", "--ready-timeout=1s", ').replace("on-failure:5", "no");
    writeFileSync(path, sick);
    try {
      await this.#up("sick");
      const all = (await this.#compose("sick", "ps", "-aq", SERVICE)).split("\n");
      const id = all.find((each) => !before.includes(each))!;
      assert.equal((await this.docker("wait", id)).stdout.trim(), "70");
      assert.deepEqual(await this.#running(), before, "the old one serves on");
    } finally {
      writeFileSync(path, file);
    }
    await this.#compose("1", "rm", "-f", SERVICE);
  }

  async #up(tag: string): Promise<void> {
    const words = ["up", "-d", "--no-deps", "--no-recreate", "--scale", `${SERVICE}=2`, SERVICE];
    await this.#compose(tag, ...words);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { stdout } = await this.docker("ps", "-aq");
    const all = stdout.split("\n").filter((id) => id !== "");
    if (all.length > 0) await this.docker("rm", "-f", ...all);
    if (this.#daemon.exitCode === null) {
      const ended = new Promise((resolve) => this.#daemon.once("close", resolve));
      this.#daemon.kill("SIGTERM");
      await ended;
    }
    removeControlGroups();
    this.#folder[Symbol.dispose]();
  }
}

/** The engine leaves its own, empty, in each hierarchy. */
function removeControlGroups(): void {
  const root = "/sys/fs/cgroup";
  for (const hierarchy of ["", ...readdirSync(root)]) {
    const path = join(root, hierarchy, CONTROL_GROUP);
    if (existsSync(path)) rmdirSync(path);
  }
}

/** Without a port, which needs a bridge, and with an image that is there. */
function inClosedNetwork(compose: string): string {
  return compose.replace(/image: busybox:.*/, "image: web:1").replace(
    /ports: .*/,
    "network_mode: none",
  )
    .replace("REGISTRY/", "");
}
