/** What to do about a candidate that has ended, from its last words. */
import { pidfileAdvice } from "../config/servers/pidfile_path.ts";
import { existingPathAdvice } from "../handoff/unix/path_advice.ts";
import { pathOf } from "../steering/group_address.ts";
import type { SupervisorParts } from "./parts.ts";

/** @returns advice for an operator; null: the output shows no cause that is known */
export function adviceFor(parts: SupervisorParts, output: readonly string[]): string | null {
  const { preset, listeners } = parts.context;
  const isAlone = parts.servingIn(parts.service()) === null;
  const paths = listeners.groups.flatMap(({ address }) =>
    address.family === "unix" && address.directory !== "" ? pathOf(address) : []
  );
  return (isAlone ? null : pidfileAdvice(preset, output)) ?? existingPathAdvice(paths, output);
}
