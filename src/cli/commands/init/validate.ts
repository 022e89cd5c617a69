/** `envoy --mode validate`, as a child that is waited for. */
import { readFileSync } from "node:fs";
import { UserError } from "../../../config/values/errors.ts";
import { sleep } from "../../../platform/clock.ts";
import { C } from "../../../platform/libc/constants.ts";
import type { Platform } from "../../../platform/platform.ts";

/** It takes 0.3 s. */
const LONGEST_MS = 30_000;
const LOOK_MS = 10;

/** @returns what was done, for people @throws {UserError} with Envoy's reason */
export async function validateByEnvoy(
  platform: Platform,
  program: string,
  configuration: string,
): Promise<string> {
  const { descriptors, processes, clock, runtime } = platform;
  using none = descriptors.open("/dev/null", C.O_RDWR);
  using output = descriptors.memfd("envoy-validate", 0);
  const words = ["--mode", "validate", "--disable-hot-restart", "--log-level", "warning"];
  const pid = processes.spawn({
    path: program,
    argv: [program, ...words, "--config-yaml", configuration],
    env: runtime.env(),
    descriptors: [none, output, output],
  });
  const deadline = clock.now() + LONGEST_MS;
  for (;;) {
    const end = processes.reap(pid);
    const said = () => readFileSync(`/proc/self/fd/${output.number}`, "utf8");
    if (end !== null && end.status.kind === "exited" && end.status.code === 0) {
      return `validated by ${program}`;
    }
    if (end !== null) throw refused(program, reasonIn(said()));
    if (clock.now() > deadline) {
      processes.signal(pid, C.SIGKILL);
      while (processes.reap(pid) === null) await sleep(clock, LOOK_MS);
      throw refused(program, `no verdict within ${LONGEST_MS / 1000} s`);
    }
    await sleep(clock, LOOK_MS);
  }
}

function refused(program: string, reason: string): UserError {
  return new UserError(`Cannot write the front: ${program} refuses it: ${reason}`, {
    remedy: "Nothing was changed. Mend [front], then run this again",
  });
}

/** The last error of Envoy's output, without time and place. */
function reasonIn(output: string): string {
  const lines = output.split("\n").filter((line) =>
    /\[(?:critical|error)\]|^error|^Error/.test(line)
  );
  const line = lines.at(-1) ?? output.trim().split("\n").at(-1) ?? "";
  return line.replace(/^(?:\[[^\]]*\]\s*)+/, "").slice(0, 500) || "it gave no reason";
}
