/**
 * `baton __check_state N ARGUMENT...`: the new program's half of the preflight of an upgrade in place
 * (`succession/upgrade/preflight.ts`). Reports whether this baton can continue from the state of the running one, with
 * its arguments; changes nothing.
 */
import { jsonBytes } from "../../platform/bytes.ts";
import { Fd } from "../../platform/fd.ts";
import type { Platform } from "../../platform/platform.ts";
import { cutReason } from "../../succession/state/fields.ts";
import { parseResumeState } from "../../succession/state/resume_state.ts";
import { readState } from "../../succession/state/resumption.ts";
import type { PreflightAnswer } from "../../succession/upgrade/preflight.ts";
import { EXIT_NEW_GENERATION_FAILED, EXIT_OK } from "../console/exit_status.ts";
import { surroundingsOf } from "../console/config_reader.ts";
import { parseCommandLine } from "../words/parse.ts";
import { errorText } from "../../platform/error.ts";

export function commandCheckState(
  platform: Platform,
  control: number,
  argv: readonly string[],
): number {
  const answer = examine(platform, control + 1, argv);
  platform.descriptors.send(new Fd(platform.libc, control), jsonBytes(answer));
  return answer.ok ? EXIT_OK : EXIT_NEW_GENERATION_FAILED;
}

function examine(platform: Platform, memory: number, argv: readonly string[]): PreflightAnswer {
  try {
    const state = parseResumeState(readState(memory));
    const surroundings = surroundingsOf(platform);
    const command = parseCommandLine(argv, surroundings.readConfig, surroundings);
    if (command.verb !== "run") throw new Error(`its verb is ${command.verb}, not run`);
    if (command.config.name !== state.name) {
      throw new Error(`the service would be called "${command.config.name}", not "${state.name}"`);
    }
    return { ok: true };
  } catch (error) {
    return { ok: false, reason: cutReason(errorText(error)) };
  }
}
