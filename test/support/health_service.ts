/** A service of test/fixtures/health_http.js under baton, one version after the other, and what each has counted. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type Baton, startBaton } from "./baton.ts";
import { freePort } from "./free_port.ts";
import { deploy, fixtureCommand } from "./servers.ts";
import { type TempDir, tempDir } from "./temp_dir.ts";

export interface HealthServiceOptions {
  readonly flags?: readonly string[];
  readonly host?: string;
  /** With `--listen`. */
  readonly inherits?: boolean;
  readonly env?: Record<string, string>;
  /** With `--handoff-socket`. */
  readonly handoff?: boolean;
}

/** What one generation was asked: letters of health_http.js. */
export class Counted {
  constructor(readonly letters: string) {}

  /** Requests to /healthz. */
  get probes(): number {
    return this.#count(/p/gi);
  }

  get users(): number {
    return this.#count(/u/g);
  }

  /** Requests to /livez. */
  get live(): number {
    return this.#count(/l/g);
  }

  #count(letter: RegExp): number {
    return this.letters.match(letter)?.length ?? 0;
  }
}

export class HealthService implements AsyncDisposable {
  private constructor(
    readonly baton: Baton,
    readonly port: number,
    readonly host: string,
    readonly work: TempDir,
    readonly options: HealthServiceOptions,
  ) {}

  static async start(options: HealthServiceOptions = {}): Promise<HealthService> {
    const work = tempDir("health");
    const port = await freePort();
    const host = options.host ?? "127.0.0.1";
    const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
    deployVersion(work, { version: "1", healthy: true, port, host, env: options.env });
    const baton = await startBaton({
      command: fixtureCommand("switch.sh"),
      env: { TARGET_FILE: work.join("target") },
      flags: [
        ...options.inherits ? ["--listen", `web=${address}`] : [],
        ...options.handoff ? ["--handoff-socket", work.join("handoff")] : [],
        ...options.flags ?? [],
      ],
    });
    return new HealthService(baton, port, host, work, options);
  }

  /** The next generation is this version; not healthy before `heal`. */
  deploy(version: string, { healthy = false, env = {} } = {}): void {
    const { port, host, work, options } = this;
    deployVersion(work, { version, healthy, port, host, env: { ...options.env, ...env } });
  }

  get handoffSocket(): string {
    return this.work.join("handoff");
  }

  heal(version: string): void {
    writeFileSync(this.work.join(`healthy${version}`), "");
  }

  harm(version: string): void {
    rmSync(this.work.join(`healthy${version}`));
  }

  counted(epoch: number): Counted {
    const path = this.work.join(`record.${epoch}`);
    return new Counted(existsSync(path) ? readFileSync(path, "utf8") : "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.baton[Symbol.asyncDispose]();
    this.work[Symbol.dispose]();
  }
}

function deployVersion(
  work: TempDir,
  { version, healthy, port, host, env = {} }: {
    version: string;
    healthy: boolean;
    port: number;
    host: string;
    env?: Record<string, string> | undefined;
  },
): void {
  if (healthy) writeFileSync(work.join(`healthy${version}`), "");
  deploy(work.join("target"), {
    command: fixtureCommand("health_http.js"),
    env: {
      PORT: String(port),
      HOST: host,
      VERSION: version,
      RECORD: work.join("record"),
      HEALTHY_FILE: work.join(`healthy${version}`),
      ...env,
    },
  });
}
