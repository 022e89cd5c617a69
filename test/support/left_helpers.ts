/**
 * Helpers that a server (fixtures/leaves_helpers.js) leaves behind, each started in another way, and what they note of
 * the signals that they get.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import type { BatonOptions } from "./baton.ts";
import { freePort } from "./free_port.ts";
import { alive } from "./proc.ts";
import { findPython, fixture, required } from "./programs.ts";
import { fixtureCommand } from "./servers.ts";
import { tempDir } from "./temp_dir.ts";
import { waitUntil } from "./wait_until.ts";

/** Nothing that is stopped waits for it: who waits has failed. */
export const LONG_STOP_MS = 20_000;
/** One helper for each way to start it. */
export const NAMES: readonly string[] = ["a", "b", "c", "d"];

/** How a helper is started, so that it is in its server's group, or has left that and more. */
const WAYS = ["exec", "exec setsid", 'exec setsid env -i PATH="$PATH"', "setsid nohup"] as const;

/** Helpers of one server, whose notes are in a folder; those that are left at the end are killed. */
export class Helpers implements Disposable {
  readonly #dir = tempDir("helpers");

  /** Shell commands, one for each name. */
  commands(names: readonly string[], how = ""): string {
    const python = required("python3", findPython());
    return names.map((name, index) => {
      const way = WAYS[index % WAYS.length];
      const words = `${way} '${python}' '${
        fixture("helper.py")
      }' '${this.#dir.path}' ${name} ${how}`;
      return way === "setsid nohup" ? `(${words} >/dev/null 2>&1 &)` : words;
    }).join("\n");
  }

  #read(name: string, what: string): string {
    const path = this.#dir.join(`${name}.${what}`);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  pid(name: string): number {
    return Number(this.#read(name, "started"));
  }

  /** How often it was told. */
  told(name: string): number {
    return this.#read(name, "told").split("\n").length - 1;
  }

  started(names: readonly string[]): Promise<unknown> {
    return waitUntil(() => names.every((name) => this.pid(name) > 0), { what: "the helpers run" });
  }

  /** Each was told once, and has ended. */
  haveEnded(names: readonly string[], log: string): void {
    assert.deepEqual(names.map((name) => [name, this.told(name)]), names.map((n) => [n, 1]), log);
    assert.deepEqual(names.filter((name) => alive(this.pid(name))), [], log);
  }

  [Symbol.dispose](): void {
    for (const pid of [...NAMES, "old", "new"].map((name) => this.pid(name))) {
      if (pid > 0 && alive(pid)) process.kill(pid, "SIGKILL");
    }
    this.#dir[Symbol.dispose]();
  }
}

export interface HelpersCase extends Partial<BatonOptions> {
  readonly helpers: string;
}

export async function leavingServer(
  { helpers, env, flags = [], ...more }: HelpersCase,
): Promise<BatonOptions> {
  const port = await freePort();
  return {
    command: fixtureCommand("leaves_helpers.js"),
    env: { PORT: String(port), HELPERS: helpers, ...env },
    flags: ["--stop-time", `${LONG_STOP_MS}ms`, ...flags],
    ...more,
  };
}
