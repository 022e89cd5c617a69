import { REPOSITORY } from "../../test/support/programs.ts";

/** "2 CPUs AMD EPYC, Linux 6.18": the release without what a distribution adds. */
export function machineText(): string {
  const cpu = /^model name\s*:\s*(.*)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1] ?? "";
  const release = /^\d+\.\d+/.exec(Deno.osRelease())?.[0];
  return `${navigator.hardwareConcurrency} CPUs ${cpu}, Linux ${release}`;
}

/** Commit of the work tree; "-dirty" when it differs. */
export function commitText(): string {
  const { success, stdout } = new Deno.Command("git", {
    args: ["-C", REPOSITORY, "describe", "--always", "--dirty"],
  }).outputSync();
  return success ? new TextDecoder().decode(stdout).trim() : "unknown";
}
