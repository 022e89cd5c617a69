/** What the launcher would say of a program, before the server that makes room for it is stopped. */
import { UserError } from "../config/values/errors.ts";
import { resolveProgram } from "../launcher/resolve.ts";
import type { Files } from "../platform/files/files.ts";
import type { PlanBasis } from "./launch_plan.ts";

/** @throws {UserError} when there is no such program, or it may not be executed */
export function checkProgram(basis: PlanBasis, files: Files): void {
  const { command: [program = ""], env, directory } = basis;
  // Kept open, or not known before its placeholders are filled in.
  if (basis.program !== null || program.includes("{")) return;
  const found = resolveProgram(program, env["PATH"], directory, files);
  if (found.kind === "failed") throw new UserError(found.message, { status: found.status });
}
