/**
 * `baton init envoy`: writes the files of a front, if Envoy accepts them. A file that a person has changed is not written
 * over; each of the others is replaced whole, and only when it differs.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import type { FrontDocument } from "../../../init/envoy/front_documents.ts";
import { frontDocuments, MARK, validatedText } from "../../../init/envoy/front_documents.ts";
import { frontOf } from "../../../init/envoy/front.ts";
import { nextSteps } from "../../../init/envoy/service_file.ts";
import { readFront } from "../../../config/front/settings.ts";
import { UserError } from "../../../config/values/errors.ts";
import { resolveProgram } from "../../../launcher/resolve.ts";
import { errorText } from "../../../platform/error.ts";
import { resolvePath } from "../../../platform/files/path.ts";
import type { Platform } from "../../../platform/platform.ts";
import { EXIT_OK, EXIT_SYSTEM } from "../../console/exit_status.ts";
import type { InitCommand } from "../../words/parse_run.ts";
import type { Printer } from "../../console/printer.ts";
import { validateByEnvoy } from "./validate.ts";

/** @param baton the words that start this baton */
export async function commandInitFront(
  platform: Platform,
  { config, file }: InitCommand,
  { baton, directory }: { readonly baton: readonly string[]; readonly directory: string },
  print: Printer,
): Promise<number> {
  const settings = readFront(file);
  const front = frontOf(config, settings, (path) => resolvePath(directory, path));
  const { PATH } = platform.runtime.env();
  const envoy = settings.envoy ?? "envoy";
  const found = resolveProgram(envoy, PATH, directory, platform.files);
  const program = found.kind === "found" ? found.path : null;
  const service = {
    baton,
    envoy: program ?? envoy,
    config: file === null ? null : resolvePath(directory, file.path),
    command: config.command,
    isFronted: config.front.length > 0,
  };
  const documents = frontDocuments(front, service);
  documents.forEach(checkOurs);
  prepare(front.directory);
  // Envoy does not start, nor validate, where an endpoint file is missing.
  const once = documents.filter(({ isOnce }) => isOnce);
  const results = new Map(once.map((each) => [each.path, write(each)]));
  const validated = program === null
    ? `not validated: ${found.kind === "found" ? "" : found.message}`
    : await validateByEnvoy(platform, program, validatedText(front));
  for (const each of documents) {
    const result = results.get(each.path) ?? write(each);
    results.set(each.path, result);
    print.out(`${result.padEnd(9)} ${each.path}`);
  }
  print.out(validated);
  // As the pre-flight of the front it runs at each reload.
  if (documents.some(({ path, isOnce }) => isOnce && results.get(path) === "wrote")) {
    print.out("");
    for (const line of nextSteps(front, service)) print.out(line);
  }
  return EXIT_OK;
}

function prepare(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw new UserError(`Cannot make ${directory}: ${errorText(error)}`, {
      status: EXIT_SYSTEM,
      remedy: "Use a directory that this user may write to: --front eds:DIR/eds.yaml",
    });
  }
}

/** @throws {UserError} for a file that somebody else has written */
function checkOurs({ path, isOnce }: FrontDocument): void {
  if (isOnce || !existsSync(path) || readFileSync(path, "utf8").startsWith(MARK)) return;
  throw new UserError(`Cannot write ${path}: 'baton init envoy' has not written the file there`, {
    remedy: "Move it away, or name another directory: --front eds:DIR/eds.yaml",
  });
}

function write({ path, text, isOnce }: FrontDocument): "wrote" | "kept" | "unchanged" {
  const temporary = `${path}.new`;
  try {
    if (existsSync(path)) {
      if (isOnce) return "kept";
      if (readFileSync(path, "utf8") === text) return "unchanged";
    }
    writeFileSync(temporary, text);
    renameSync(temporary, path);
    return "wrote";
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new UserError(`Cannot write ${path}: ${errorText(error)}`, {
      status: EXIT_SYSTEM,
      remedy: "Use a directory that this user may write to: --front eds:DIR/eds.yaml",
    });
  }
}
