/** `envoy --mode validate`, as a child that is waited for. */
import { readFileSync } from "node:fs";
import { envoyAge, envoyVersionIn } from "../../../envoy/version.ts";
import { UserError } from "../../../config/values/errors.ts";
import { sleep } from "../../../platform/clock.ts";
import { C } from "../../../platform/libc/constants.ts";
import type { Platform } from "../../../platform/platform.ts";

/** Validation takes 0.3 s. */
const LONGEST_MS = 30_000;
const LOOK_MS = 10;

/**
 * @returns what was done, for people
 * @throws {UserError} with Envoy's reason
 */
export async function validateByEnvoy(
  platform: Platform,
  program: string,
  configuration: string,
): Promise<string> {
  const version = envoyVersionIn((await run(platform, [program, "--version"])).output);
  const age = envoyAge(version);
  const name = version === null ? program : `${program} (Envoy ${version})`;
  const words = ["--mode", "validate", "--disable-hot-restart", "--log-level", "warning"];
  const { isOk, output } = await run(platform, [program, ...words, "--config-yaml", configuration]);
  if (isOk === null) throw refused(name, `no verdict within ${LONGEST_MS / 1000} s`, age);
  if (!isOk) throw refused(name, reasonIn(output), age);
  return `validated by ${name}${age === null ? "" : `: ${age}`}`;
}

interface Ended {
  /** Whether Envoy accepts the configuration; null: it had to be killed. */
  readonly isOk: boolean | null;
  readonly output: string;
}

async function run(platform: Platform, argv: readonly [string, ...string[]]): Promise<Ended> {
  const { descriptors, processes, clock, runtime } = platform;
  using none = descriptors.open("/dev/null", C.O_RDWR);
  using file = descriptors.memfd("envoy-validate", 0);
  const pid = processes.spawn({
    path: argv[0],
    argv: [...argv],
    env: runtime.env(),
    descriptors: [none, file, file],
  });
  const deadline = clock.now() + LONGEST_MS;
  for (;;) {
    const end = processes.reap(pid);
    const output = () => readFileSync(`/proc/self/fd/${file.number}`, "utf8");
    if (end !== null) {
      const isOk = end.status.kind === "exited" && end.status.code === 0;
      return { isOk, output: output() };
    }
    if (clock.now() > deadline) {
      processes.signal(pid, C.SIGKILL);
      while (processes.reap(pid) === null) await sleep(clock, LOOK_MS);
      return { isOk: null, output: output() };
    }
    await sleep(clock, LOOK_MS);
  }
}

function refused(name: string, reason: string, age: string | null): UserError {
  const remedy = age === null
    ? "Mend [front], then run this again"
    : `As ${age}: install a newer one, and name it with envoy = in [front]`;
  return new UserError(`Cannot write the front: ${name} refuses it: ${reason}`, {
    remedy: `Nothing was changed. ${remedy}`,
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
