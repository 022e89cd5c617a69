/**
 * The platform of the runtime that runs the tests, and the words that start baton from source on it.
 *
 * The one other place beside the two entries that imports `platform/runtime/{bun,deno}.ts`, and only by a
 * dynamic import: neither of the two would load on the other.
 */
import { join } from "node:path";
import process from "node:process";
import type { Clock } from "../../src/platform/clock.ts";
import { Platform } from "../../src/platform/platform.ts";
import type { Runtime } from "../../src/platform/runtime/runtime.ts";
import { REPOSITORY } from "./programs.ts";

const RUNS_ON_BUN = "Bun" in globalThis;

/** The words that run a TypeScript file of the repository on the runtime that runs the tests. */
export function runtimeCommand(script: string): string[] {
  if (RUNS_ON_BUN) return [process.execPath, script];
  const manifest = join(REPOSITORY, "deno.json");
  return [process.execPath, "run", "-A", "--no-check", "--config", manifest, script];
}

/** The runtime at hand; its `selfCommand` starts baton from source, not the tests. */
export async function testRuntime(): Promise<Runtime> {
  const runtime = RUNS_ON_BUN
    ? (await import("../../src/platform/runtime/bun.ts")).bunRuntime()
    : (await import("../../src/platform/runtime/deno.ts")).denoRuntime();
  const entry = RUNS_ON_BUN ? "main_bun.ts" : "main_deno.ts";
  return { ...runtime, selfCommand: runtimeCommand(join(REPOSITORY, "src", entry)) };
}

/** A platform of its own for one test: `await using platform = await testPlatform()` ends its reactor. */
export async function testPlatform(clock?: Clock): Promise<Platform & AsyncDisposable> {
  const platform = new Platform(await testRuntime(), clock);
  return Object.assign(platform, { [Symbol.asyncDispose]: () => platform.close() });
}
