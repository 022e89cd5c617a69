/** Packs the npm packages: what `npm publish FILE` and `npm install FILE` take. */
import { join } from "node:path";
import { ROOT } from "../facts.ts";
import { archive, copyProgram, writeFile } from "../files.ts";
import {
  type Machine,
  mainManifest,
  NPM_NAME,
  platformManifest,
  platformPackage,
} from "./manifests.ts";

export interface NpmFacts {
  readonly machines: readonly Machine[];
  readonly version: string;
  readonly program: (machine: Machine) => string;
  readonly epoch: number;
  readonly stage: string;
  readonly release: string;
  readonly license: string;
}

const HERE = join(ROOT, "scripts", "dist", "npm");
/** The only entry of a package's archive. */
const FOLDER = "package";

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

export async function npmPackages(facts: NpmFacts): Promise<void> {
  const { machines, version, epoch, stage, release } = facts;
  for (const machine of machines) {
    const name = platformPackage(machine);
    const above = join(stage, name);
    const folder = join(above, FOLDER);
    await copyProgram(facts.program(machine), join(folder, "bin", "baton"));
    await writeFile(join(folder, "package.json"), json(platformManifest(machine, version)));
    await writeFile(
      join(folder, "README.md"),
      `The program of [${NPM_NAME}](https://www.npmjs.com/package/${NPM_NAME}) for this kind of machine.\n`,
    );
    await writeFile(join(folder, "LICENSE"), facts.license);
    await archive(above, [FOLDER], join(release, `${name}-${version}.tgz`), epoch);
  }
  const above = join(stage, NPM_NAME);
  const folder = join(above, FOLDER);
  const copy = async (from: string, to: string, mode?: number) =>
    await writeFile(join(folder, to), await Deno.readTextFile(join(HERE, from)), mode);
  await copy("baton.js", "bin/baton", 0o755);
  await copy("program.js", "lib/program.js");
  await copy("install.js", "install.js");
  await copy("README.md", "README.md");
  await writeFile(join(folder, "package.json"), json(mainManifest(machines, version)));
  await writeFile(join(folder, "LICENSE"), facts.license);
  await archive(above, [FOLDER], join(release, `${NPM_NAME}-${version}.tgz`), epoch);
}
