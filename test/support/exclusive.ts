/** A server that must not run twice, in releases that a symbolic link chooses from. */
import { copyFileSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { findPython, fixture, required } from "./programs.ts";
import type { Runnable } from "./servers.ts";
import type { TempDir } from "./temp_dir.ts";

/** What its start and its end take by themselves, beside those of Python. */
const OWN_MS = { START_MS: "120", STOP_MS: "80" };

/** The server that `work/current` leads to. */
export function exclusive(work: TempDir, port: number): Runnable {
  const script = work.join("current/exclusive.py");
  return {
    command: [required("python3", findPython()), script, work.join("lock")],
    env: { PORT: String(port), PYTHONDONTWRITEBYTECODE: "1", ...OWN_MS },
  };
}

/** From now on `work/current` leads to this version. */
export function release(work: TempDir, version: string): void {
  const folder = work.join(`release-${version}`);
  mkdirSync(folder, { recursive: true });
  copyFileSync(fixture("exclusive.py"), `${folder}/exclusive.py`);
  writeFileSync(`${folder}/VERSION`, version);
  symlinkSync(folder, work.join("next"));
  renameSync(work.join("next"), work.join("current"));
}
