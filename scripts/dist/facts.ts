/** What the packages say about this version: from git, deno.json, deno.lock and node_modules. */
import { join } from "node:path";
import { VERSION } from "../../src/cli/console/version.ts";
import { run } from "./files.ts";
import { packageId, type SbomFacts } from "./sbom.ts";

/** Between the licenses. */
const SEPARATOR = `\n\n${"-".repeat(72)}\n\n`;

export const ROOT = new URL("../../", import.meta.url).pathname;

/** What `scripts/build.ts` writes: the packages of which code is in the program, by name@version. */
export const BUNDLED = join(ROOT, "dist", "bundled.json");

/** In seconds: SOURCE_DATE_EPOCH (reproducible-builds.org), else the time of the commit. */
export async function sourceEpoch(): Promise<number> {
  const given = Deno.env.get("SOURCE_DATE_EPOCH");
  if (given !== undefined && /^\d+$/.test(given)) return Number(given);
  try {
    return Number(await run("git", ["-C", ROOT, "log", "-1", "--format=%ct"]));
  } catch (error) {
    throw new Error(
      "Cannot find the date of this version: there is no git checkout. Set SOURCE_DATE_EPOCH",
      {
        cause: error,
      },
    );
  }
}

async function bundled(): Promise<ReadonlySet<string>> {
  return new Set(JSON.parse(await Deno.readTextFile(BUNDLED)));
}

/** The folder of an installed package. */
function folderOf(id: string): string {
  const at = id.indexOf("@", 1);
  const name = id.slice(0, at);
  const store = join(ROOT, "node_modules", ".deno");
  return join(store, id.replaceAll("/", "+"), "node_modules", name);
}

async function readText(path: string): Promise<string | null> {
  return await Deno.readTextFile(path).catch(() => null);
}

export async function sbomFacts(epoch: number): Promise<SbomFacts> {
  const lock = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.lock")));
  const licenses = new Map<string, string>();
  for (const key of Object.keys(lock.npm)) {
    // Of the packages for one processor only this machine's is there, and the document is the same everywhere.
    if (lock.npm[key].cpu?.length === 1) continue;
    const id = packageId(key);
    const text = await readText(join(await installedFolder(key), "package.json"));
    const license = text === null ? undefined : JSON.parse(text).license;
    if (typeof license === "string") licenses.set(id, license);
  }
  return {
    version: VERSION,
    timestamp: new Date(epoch * 1000).toISOString().replace(/\.\d+Z$/, "Z"),
    packages: lock.npm,
    bundled: await bundled(),
    licenses,
  };
}

/** The store's folder has what the package was resolved beside in its name, too. */
function installedFolder(key: string): Promise<string> {
  const id = packageId(key);
  const at = id.indexOf("@", 1);
  const store = join(ROOT, "node_modules", ".deno");
  const full = join(store, key.replaceAll("/", "+"), "node_modules", id.slice(0, at));
  return Deno.stat(full).then(() => full, () => folderOf(id));
}

/** The licenses of everything that is in the program besides baton's own code: each text once. */
export async function thirdPartyLicenses(facts: SbomFacts): Promise<string> {
  const keys = Object.keys(facts.packages);
  const byText = new Map<string, string[]>();
  for (const id of [...facts.bundled].sort()) {
    const text = id.startsWith("bun@")
      ? await runtimeLicense()
      : await licenseIn(await installedFolder(keys.find((key) => packageId(key) === id) ?? id));
    const said = text ?? `License: ${facts.licenses.get(id) ?? "see the package"}`;
    byText.set(said, [...byText.get(said) ?? [], id]);
  }
  const parts = [...byText].map(([text, ids]) => `${ids.join("\n")}\n\n${text}`);
  return `${["The program holds, besides baton:", ...parts].join(SEPARATOR)}\n`;
}

async function licenseIn(folder: string): Promise<string | null> {
  for (const name of ["LICENSE", "LICENSE.md", "LICENSE.txt", "license", "LICENCE"]) {
    const text = await readText(join(folder, name));
    if (text !== null) return text.trimEnd();
  }
  return null;
}

/** Its package has none; its documentation has, with those of the libraries in it. */
async function runtimeLicense(): Promise<string> {
  const path = join(ROOT, "node_modules", "bun-types", "docs", "project", "license.mdx");
  const text = await readText(path);
  if (text === null) throw new Error(`Cannot read Bun's license in ${path}`);
  return text.replace(/^---\n[^]*?\n---\n/, "").trim();
}
