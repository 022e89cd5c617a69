/** A service behind a front: two batons, started as `baton init envoy` says. */
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { batonCommand } from "../../../../test/support/baton.ts";
import { freePort } from "../../../../test/support/free_port.ts";
import { alive, killTree } from "../../../../test/support/proc.ts";
import { REPOSITORY } from "../../../../test/support/programs.ts";
import { waitUntil } from "../../../../test/support/wait_until.ts";
import { outputOf, runIn, spawnIn } from "../../peers/own_process.ts";
import { replaceFile } from "../../peers/contestants/version_file.ts";

const DEADLINE_MS = 30_000;
/** Each reload leaves a generation with the streams that came to it. */
const MANY = 24;
/** Longer than a run. */
const DRAIN = "3m";

export interface App {
  readonly name: string;
  readonly protocol: "http" | "grpc";
  /** --ready; null: that of any service. */
  readonly ready: string | null;
  /** Finds or builds what runs it. */
  readonly command: () => readonly string[];
}

export interface WorldOptions {
  readonly dir: string;
  readonly app: App;
  /** The program. */
  readonly envoy: string;
  readonly certificate: { readonly TLS_CERT: string; readonly TLS_KEY: string };
  /** In the environment of all its processes. */
  readonly mark: Readonly<Record<string, string>>;
}

export class World {
  #app = 0;
  #front = 0;

  private constructor(
    readonly options: WorldOptions,
    /** Port of the front, for clients. */
    readonly port: number,
    readonly appPort: number,
  ) {}

  static async start(options: WorldOptions): Promise<World> {
    const world = new World(options, await freePort(), await freePort());
    world.deploy("0");
    world.#write();
    await world.#start();
    return world;
  }

  get #place() {
    const { dir, mark } = this.options;
    const env = { ...mark, PORT: String(this.appPort), VERSION_FILE: join(dir, "version") };
    return { dir, port: this.port, h2Port: 0, env };
  }

  /** Where the endpoint file is. */
  get frontDir(): string {
    return join(this.options.dir, "front");
  }

  /** The Envoys and the batons, by the pid of the baton. */
  get pids(): { readonly app: number; readonly front: number } {
    return { app: this.#app, front: this.#front };
  }

  get output(): string {
    return outputOf(this.#place);
  }

  deploy(version: string): void {
    replaceFile(join(this.options.dir, "version"), `${version}\n`);
  }

  reloadFront(): void {
    process.kill(this.#front, "SIGHUP");
  }

  /** @param flags of `baton reload` @throws {Error} when it fails */
  async reload(...flags: string[]): Promise<void> {
    await this.#call("reload", ...flags);
  }

  async promote(): Promise<void> {
    await this.#call("promote");
  }

  async stop(): Promise<void> {
    for (const pid of [this.#app, this.#front]) {
      if (alive(pid)) process.kill(pid, "SIGTERM");
      // The clients are gone: nothing is to be waited for.
      if (alive(pid)) process.kill(pid, "SIGTERM");
      await waitUntil(() => !alive(pid), { what: "baton has ended", deadlineMs: DEADLINE_MS })
        .catch(() => killTree(pid));
    }
  }

  #call(verb: string, ...flags: string[]): Promise<void> {
    return runIn(this.#place, [...batonCommand(), verb, "app", ...this.#runtime, ...flags]);
  }

  get #runtime(): string[] {
    return ["--runtime-dir", join(this.options.dir, "run")];
  }

  #write(): void {
    const { dir, app, envoy, certificate: { TLS_CERT, TLS_KEY } } = this.options;
    const text = (value: unknown) => JSON.stringify(value);
    const lines = [
      'name = "app"',
      `command = ${text(app.command())}`,
      `max_generations = ${MANY}`,
      `drain_time = "${DRAIN}"`,
      ...app.ready === null ? [] : [`ready = [${text(app.ready)}]`],
      "[front]",
      `eds = ${text(join(this.frontDir, "eds.yaml"))}`,
      `listen = "127.0.0.1:${this.port}"`,
      `certificate = ${text(TLS_CERT)}`,
      `private_key = ${text(TLS_KEY)}`,
      `envoy = ${text(envoy)}`,
      ...app.protocol === "grpc" ? ['upstream = "http2"'] : [],
    ];
    mkdirSync(join(dir, "run"), { mode: 0o700 });
    // Servers find the packages that they need there.
    symlinkSync(join(REPOSITORY, "node_modules"), join(dir, "node_modules"));
    writeFileSync(join(dir, "baton.toml"), `${lines.join("\n")}\n`);
    const [program = "", ...argv] = batonCommand();
    execFileSync(program, [...argv, "init", "envoy"], {
      cwd: dir,
      stdio: ["ignore", "ignore", "inherit"],
    });
  }

  async #start(): Promise<void> {
    const run = [...batonCommand(), "run", ...this.#runtime];
    const many = ["--max-generations", String(MANY), "--drain-time", DRAIN];
    const file = join(this.frontDir, "baton.toml");
    this.#front = spawnIn(this.#place, [...run, ...many, "--config", file]).pid!;
    this.#app = spawnIn(this.#place, run).pid!;
    const [ready = "", ...words] = [...batonCommand(), "ready"];
    for (const name of ["app-front", "app"]) {
      await waitUntil(() => {
        try {
          execFileSync(ready, [...words, name, ...this.#runtime], { stdio: "ignore" });
          return true;
        } catch {
          if (!alive(this.#app) || !alive(this.#front)) throw new Error(this.output);
          return false;
        }
      }, { what: `${name} serves: ${this.output}`, deadlineMs: DEADLINE_MS });
    }
  }
}
