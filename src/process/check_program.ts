/** Checks a program as the launcher would, before the server that makes room for it is stopped. */
import { UserError } from "../config/values/errors.ts";
import { resolveProgram } from "../launcher/resolve.ts";
import type { Files } from "../platform/files/files.ts";
import type { PlanBasis } from "./launch_plan.ts";

/** @throws {UserError} when there is no such program, or it may not be executed */
export function checkProgram(basis: PlanBasis, files: Files): void {
  const { command: [program = ""], env, directory } = basis;
  // A program of a kept plan is open already; one with placeholders is not known before they are filled in.
  if (basis.program !== null || program.includes("{")) return;
  const found = resolveProgram(program, env["PATH"], directory, files);
  if (found.kind === "failed") throw new UserError(found.message, { status: found.status });
}
