/** Packs the Debian package with dpkg-deb(1). */
import { join } from "node:path";
import { compress, copyProgram, kibibytes, makeFolder, run, writeFile } from "../files.ts";
import type { Machine } from "../npm/manifests.ts";
import type { TreeFile } from "../tree.ts";
import { SERVICES } from "../unit.ts";
import {
  changelog,
  control,
  copyright,
  type DebianFacts,
  debianFileName,
  LINTIAN_OVERRIDES,
  SCRIPTS,
} from "./files.ts";

export interface DebianParts {
  readonly machine: Machine;
  readonly epoch: number;
  readonly version: string;
  readonly program: string;
  readonly tree: readonly TreeFile[];
  readonly license: string;
  readonly thirdParty: string;
  /** CHANGELOG.md */
  readonly changes: string;
  readonly stage: string;
  readonly release: string;
}

/** Debian keeps both in one file: debian/copyright. */
const LICENSES = /^share\/doc\/baton\/LICENSE/;

export async function debianPackage(parts: DebianParts): Promise<void> {
  const { machine: { arch }, version, stage, epoch } = parts;
  const usr = join(stage, "usr");
  const doc = join(usr, "share", "doc", "baton");
  const date = new Date(epoch * 1000).toUTCString().replace("GMT", "+0000");
  await copyProgram(parts.program, join(usr, "bin", "baton"));
  for (const { path, text } of parts.tree.filter((each) => !LICENSES.test(each.path))) {
    await writeFile(join(usr, path), text);
    if (path.startsWith("share/man/")) await compress(join(usr, path));
  }
  const partial = { version, arch, date, kibibytes: 0 };
  await writeFile(join(doc, "copyright"), copyright(parts.license, parts.thirdParty));
  await writeFile(join(doc, "changelog"), parts.changes);
  await writeFile(join(doc, "changelog.Debian"), changelog(partial));
  for (const name of ["changelog", "changelog.Debian"]) await compress(join(doc, name));
  await writeFile(join(usr, "share", "lintian", "overrides", "baton"), LINTIAN_OVERRIDES);
  const facts: DebianFacts = { ...partial, kibibytes: await kibibytes(stage) };
  await makeFolder(join(stage, SERVICES));
  const debian = join(stage, "DEBIAN");
  await writeFile(join(debian, "control"), control(facts));
  for (const [name, text] of Object.entries(SCRIPTS)) {
    await writeFile(join(debian, name), text, 0o755);
  }
  const files = (await run("find", ["usr", "-type", "f", "-printf", "%p\\n"], stage)).trim().split(
    "\n",
  );
  await writeFile(join(debian, "md5sums"), await run("md5sum", files.sort(), stage));
  const file = join(parts.release, debianFileName({ version, arch }));
  // gzip: every dpkg reads it, and it is the quickest to unpack.
  const how = ["-Zgzip", "-z9", "--root-owner-group", "--build"];
  await run("env", [`SOURCE_DATE_EPOCH=${epoch}`, "dpkg-deb", ...how, stage, file]);
}
