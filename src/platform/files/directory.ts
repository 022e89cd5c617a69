/** Directories that may be gone, or closed to this user. */
import type { Processes } from "../process/processes.ts";

/** Goes to `path`, chdir(2), if that can be done. @returns whether it was done */
export function entersDirectory(processes: Processes, path: string): boolean {
  try {
    processes.changeDirectory(path);
    return true;
  } catch {
    return false;
  }
}
