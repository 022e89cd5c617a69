/**
 * Real containers, by runc: each has namespaces of its own, an engine's default capabilities and its seccomp profile.
 * The network is that of a `Network`, which several containers may share, as those of a pod do.
 *
 * `await using network = await Network.make()`, then `await using web = await network.start({...})`. Nothing is left
 * behind: containers are deleted, with their control groups, and the network ends with its process.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Exit } from "../bare_server.ts";
import { batonCommand, type CommandResult, runCommand, UNDER_TEST } from "../baton.ts";
import { findBun, REPOSITORY, required, which } from "../programs.ts";
import { notPermitted } from "../restrict.ts";
import type { Runnable } from "../servers.ts";
import { type TempDir, tempDir } from "../temp_dir.ts";
import { waitUntil } from "../wait_until.ts";
import { bundleConfig, FOLDERS, LINKS, type Mount, type Situation, WRITABLE } from "./bundle.ts";
import { type Engine, seccompProfile } from "./engines.ts";

/** What those of this process begin with; also their control groups. */
export const CONTAINER_NAMES = `baton-container-${process.pid}-`;
const MAX_OUTPUT_LENGTH = 256 * 1024;
const START_DEADLINE_MS = 60_000;
/** For load that a test has forgotten. */
const LOAD_LIMIT_MS = 300_000;
/** What baton logs at the switch. */
export const SERVES = /generation \d+ serves/;

/** Why there are no containers here; false = there are. */
export function noContainers(): string | false {
  if (process.getuid?.() !== 0) return "containers need root";
  if (UNDER_TEST !== "bun") return "Deno itself is not in the containers";
  for (const program of ["runc", "nsenter", "ip"]) {
    if (which(program) === null) return `${program} is not installed`;
  }
  return notPermitted(["unshare", "--net", "--pid", "--fork", "--mount-proc"]);
}

export interface ContainerOptions extends Runnable {
  readonly engine: Engine;
  readonly situation?: Situation;
  readonly added?: readonly string[];
  /** Flags of `run`, before `--`. */
  readonly flags?: readonly string[];
  /** Folders that the container may write to, under the same path. */
  readonly shares?: readonly TempDir[];
  /** Do not wait until a generation serves. */
  readonly expectFailure?: boolean;
}

/** A network namespace with its loopback interface up. */
export class Network implements AsyncDisposable {
  readonly #folder = tempDir("runc");
  #containers = 0;

  private constructor(readonly holder: ChildProcess) {}

  static async make(): Promise<Network> {
    // Ends with this process, whose end of the pipe is closed then.
    const script = "ip link set lo up && echo up && exec cat >/dev/null";
    const holder = spawn("unshare", ["--net", "sh", "-c", script], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const network = new Network(holder);
    let isUp = false;
    holder.stdout!.once("data", () => isUp = true);
    try {
      await waitUntil(() => isUp, { what: "the network namespace is there" });
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
    return network;
  }

  get path(): string {
    return `/proc/${this.holder.pid}/ns/net`;
  }

  /** Starts `baton run` as process 1 of a container. */
  async start(options: ContainerOptions): Promise<Container> {
    const { flags = [], command } = options;
    const words = [...batonCommand(), "run", ...flags, "--", ...command];
    const container = this.#create(words, options);
    if (options.expectFailure) return container;
    try {
      await waitUntil(() => container.exit !== null || SERVES.test(container.stderr), {
        what: "a generation serves",
        deadlineMs: START_DEADLINE_MS,
      });
      if (container.exit !== null) throw new Error(`It ended with ${container.exit.code}`);
      return container;
    } catch (error) {
      await container[Symbol.asyncDispose]();
      throw new Error(`${String(error)}\n${container.stderr}`);
    }
  }

  /** Runs `command` as process 1 of a container, to its end. */
  async run(command: readonly string[], options: ContainerOptions): Promise<CommandResult> {
    await using container = this.#create(command, options);
    const { code } = await container.exited;
    return { code, stdout: container.stdout, stderr: container.stderr };
  }

  #create(command: readonly string[], options: ContainerOptions): Container {
    const { situation = {}, engine, added = [], shares = [] } = options;
    // runc 1.1 cannot exec in a container that has a user namespace and another's network.
    const hasOwnNetwork = situation.mapsUsersTo !== undefined;
    const id = `${CONTAINER_NAMES}${this.#containers++}`;
    const bundle = this.#folder.join(id);
    const rootfs = join(bundle, "rootfs");
    for (const folder of FOLDERS) mkdirSync(join(rootfs, folder), { recursive: true });
    // runc 1.1 gives a tmpfs the mode of the folder below it, whatever its options say.
    for (const folder of WRITABLE) chmodSync(join(rootfs, folder), 0o1777);
    for (const link of LINKS) symlinkSync(`usr/${link}`, join(rootfs, link));
    const user = (situation.uid ?? 0) + (situation.mapsUsersTo ?? 0);
    for (const share of shares) chownSync(share.path, user, user);
    const mounts: Mount[] = [
      { path: REPOSITORY, isReadOnly: true },
      ...shares.map(({ path }) => ({ path, isReadOnly: false })),
    ];
    // The root of a user namespace may not make them.
    for (const { path } of mounts) mkdirSync(join(rootfs, path), { recursive: true });
    const config = bundleConfig({
      engine,
      situation,
      command,
      environment: options.env,
      added,
      mounts,
      network: hasOwnNetwork ? null : this.path,
      rootfs,
      seccomp: seccompProfile,
    });
    writeFileSync(join(bundle, "config.json"), JSON.stringify(config));
    const runc = ["runc", "--root", this.#folder.join("state")];
    return new Container(runc, id, bundle, hasOwnNetwork ? null : this.path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.holder.once("close", resolve));
    if (this.holder.exitCode === null) {
      this.holder.stdin!.end();
      await ended;
    }
    this.#folder[Symbol.dispose]();
  }
}

export class Container implements AsyncDisposable {
  readonly exited: Promise<Exit>;
  exit: Exit | null = null;
  stdout = "";
  stderr = "";
  readonly #child: ChildProcess;

  constructor(
    readonly runc: readonly string[],
    readonly id: string,
    bundle: string,
    readonly network: string | null,
  ) {
    const [program = "", ...words] = runc;
    this.#child = spawn(program, [...words, "run", "--bundle", bundle, id], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.exited = new Promise((resolve) => {
      this.#child.once("close", (code, signal) => resolve(this.exit = { code, signal }));
    });
    const keep = (text: string, bytes: unknown) => (text + bytes).slice(-MAX_OUTPUT_LENGTH);
    this.#child.stdout!.on("data", (bytes) => this.stdout = keep(this.stdout, bytes));
    this.#child.stderr!.on("data", (bytes) => this.stderr = keep(this.stderr, bytes));
  }

  /** A command of baton inside, as `docker exec` does it. */
  baton(...words: readonly string[]): Promise<CommandResult> {
    return runCommand([...this.runc, "exec", this.id, ...batonCommand(), ...words]);
  }

  /** New connections in its network, until `stop()`. */
  async load(port: number): Promise<ContainerLoad> {
    return new ContainerLoad(this.network ?? await this.#ownNetwork(), port);
  }

  async #ownNetwork(): Promise<string> {
    const { stdout } = await runCommand([...this.runc, "state", this.id]);
    return `/proc/${(JSON.parse(stdout) as { pid: number }).pid}/ns/net`;
  }

  /** As the engine sends it to process 1. */
  async signal(name: string): Promise<void> {
    await runCommand([...this.runc, "kill", this.id, name]);
  }

  /** As `docker stop` does it, without its time-out. */
  async stop(): Promise<Exit> {
    if (this.exit === null) await this.signal("TERM");
    return await this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await runCommand([...this.runc, "delete", "--force", this.id]);
    await this.exited;
  }
}

/** load_main.ts in the network namespace. */
export class ContainerLoad implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #stdout = "";
  #live = "";

  constructor(network: string, port: number) {
    const main = join(REPOSITORY, "test", "support", "load_main.ts");
    const bun = required("bun", findBun());
    const words = ["--port", String(port), "--clients", "8", "--live"];
    const limit = ["--max-duration-ms", String(LOAD_LIMIT_MS), "--timeout-ms", "30000"];
    this.#child = spawn("nsenter", [`--net=${network}`, bun, main, ...words, ...limit], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#ended = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.stdout!.on("data", (bytes) => this.#stdout += String(bytes));
    this.#child.stderr!.on("data", (bytes) => this.#live += String(bytes));
  }

  /** The latest counts, of at most half a second ago. */
  get text(): string {
    return this.#live.trimEnd().split("\n").findLast((line) => line.startsWith("ok ")) ?? "";
  }

  /** Waits until `version` has answered `count` requests more. */
  async answers(version: string, count = 50): Promise<void> {
    const now = () => Number(new RegExp(`versions .*?\\b${version}:(\\d+)`).exec(this.text)?.[1]);
    const before = now() || 0;
    await waitUntil(() => now() > before + count, { what: `version ${version} answers` });
  }

  async stop(): Promise<
    { readonly ok: number; readonly lost: number; readonly errors: unknown[] }
  > {
    this.#child.kill("SIGTERM");
    await this.#ended;
    return JSON.parse(this.#stdout);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}
