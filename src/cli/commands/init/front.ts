/** `baton init envoy`: writes the files of a front, if Envoy accepts them. */
import { rmSync } from "node:fs";
import {
  type FrontDocument,
  frontDocuments,
  validatedText,
} from "../../../init/envoy/front_documents.ts";
import { frontOf } from "../../../init/envoy/front.ts";
import { nextSteps } from "../../../init/envoy/service_file.ts";
import { presetForCommand } from "../../../config/presets.ts";
import { readFront } from "../../../config/front/settings.ts";
import { UserError } from "../../../config/values/errors.ts";
import { resolveProgram } from "../../../launcher/resolve.ts";
import { resolvePath } from "../../../platform/files/path.ts";
import type { Platform } from "../../../platform/platform.ts";
import { EXIT_OK } from "../../console/exit_status.ts";
import type { InitCommand } from "../../words/parse_run.ts";
import type { Printer } from "../../console/printer.ts";
import { checkOurs, prepare, write } from "./front_files.ts";
import { validateByEnvoy } from "./validate.ts";

/** @param baton the words that start this baton */
export async function commandInitFront(
  platform: Platform,
  { config, file, line }: InitCommand,
  { baton, directory }: { readonly baton: readonly string[]; readonly directory: string },
  print: Printer,
): Promise<number> {
  refuseEnvoy(config);
  const settings = readFront(file);
  const front = frontOf(config, settings, (path) => resolvePath(directory, path));
  const { PATH } = platform.runtime.env();
  const found = resolveProgram(settings.envoy, PATH, directory, platform.files);
  const service = {
    baton,
    envoy: found.kind === "found" ? found.path : settings.envoy,
    config: file === null ? null : resolvePath(directory, file.path),
    line,
    isFronted: config.front.length > 0,
  };
  const documents = frontDocuments(front, service);
  documents.forEach(checkOurs);
  prepare(front.directory);
  // Envoy does not start, nor validate, where an endpoint file is missing.
  const once = documents.filter(({ isOnce }) => isOnce);
  const results = new Map(once.map((each) => [each.path, write(each)]));
  const isNew = ({ path }: FrontDocument) => results.get(path) === "wrote";
  const validated = found.kind !== "found"
    ? `not validated: ${found.message}`
    : await validateByEnvoy(platform, found.path, validatedText(front)).catch((error) => {
      for (const { path } of once.filter(isNew)) rmSync(path, { force: true });
      throw error;
    });
  for (const each of documents) {
    const result = results.get(each.path) ?? write(each);
    print.out(`${result.padEnd(9)} ${each.path}`);
  }
  print.out(validated);
  // This command is the pre-flight of the front's own configuration, so it runs again at each of its reloads.
  if (once.some(isNew)) {
    print.out("");
    for (const line of nextSteps(front, service)) print.out(line);
  }
  return EXIT_OK;
}

/** @throws {UserError} where the service is an Envoy: a front is not made for that */
function refuseEnvoy({ command, preset }: InitCommand["config"]): void {
  if (presetForCommand(command, preset).program !== "envoy") return;
  throw new UserError(`Cannot put a front before ${command[0]}: it is an Envoy itself`, {
    remedy: "Name the server behind it. What an Envoy of your own needs is in docs/envoy.md",
  });
}
