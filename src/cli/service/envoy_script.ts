/** Checks a start script of Envoy: hot-restarter.py, which baton replaces, starts one. */
import { closeSync, constants, openSync, readSync } from "node:fs";
import { resolve } from "node:path";
import type { Config } from "../../config/config.ts";
import { checkEnvoyScript, scriptIn } from "../../config/envoy_epoch.ts";

const LONGEST_SCRIPT = 64 * 1024;

/** @throws {UserError} when the script uses Envoy's own hot restart; not when it cannot be read */
export function refuseEnvoyScript({ command, cwd }: Pick<Config, "command" | "cwd">): void {
  const path = scriptIn(command);
  if (path !== null) checkEnvoyScript(path, beginning(resolve(cwd ?? "/", path)));
}

function beginning(path: string): string {
  let descriptor: number | null = null;
  try {
    // Non-blocking: the path may be a FIFO.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const bytes = new Uint8Array(LONGEST_SCRIPT);
    return new TextDecoder("latin1").decode(bytes.subarray(0, readSync(descriptor, bytes)));
  } catch {
    return "";
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}
