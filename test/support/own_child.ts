/**
 * A child of the test made by `Processes.spawn`, which only the test reaps.
 *
 * `await using child = spawnChild(platform, {...})`: killed and reaped at the end.
 */
import type { Fd } from "../../src/platform/fd.ts";
import type { Platform } from "../../src/platform/platform.ts";
import type { ExitStatus } from "../../src/platform/process/wait_status.ts";
import { waitUntil } from "./wait_until.ts";

const SIGKILL = 9;

export class OwnChild implements AsyncDisposable {
  status: ExitStatus | null = null;

  constructor(readonly platform: Platform, readonly pid: number) {}

  /** Waits for its end and reaps it. */
  ended(): Promise<ExitStatus> {
    return waitUntil(
      () => this.status ??= this.platform.processes.reap(this.pid)?.status ?? null,
      { what: `process ${this.pid} has ended` },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.status === null) this.platform.processes.signal(this.pid, SIGKILL);
    await this.ended();
  }
}

export interface ChildOptions {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly descriptors?: readonly (Fd | number)[];
}

/** @param options `argv[0]` is the program's path */
export function spawnChild(platform: Platform, options: ChildOptions): OwnChild {
  const pid = platform.processes.spawn({
    path: options.argv[0]!,
    argv: options.argv,
    env: options.env ?? { PATH: "/usr/bin:/bin" },
    descriptors: options.descriptors ?? [0, 2, 2],
  });
  return new OwnChild(platform, pid);
}

/** A shell that runs `script`. */
export function spawnShell(platform: Platform, script: string, more: Partial<ChildOptions> = {}) {
  return spawnChild(platform, { argv: ["/bin/sh", "-c", script], ...more });
}
