/** The bill of materials: deno.lock -> CycloneDX 1.6. Pure. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";

/** An entry of the lock file, as far as it matters. */
export interface LockEntry {
  readonly integrity: string;
  readonly os?: readonly string[];
  readonly dependencies?: readonly string[];
  readonly optionalDependencies?: readonly string[];
}

export interface SbomFacts {
  readonly version: string;
  /** ISO 8601, of the commit. */
  readonly timestamp: string;
  /** "npm" of deno.lock: by name@version, with what it was resolved beside behind a "_". */
  readonly packages: Readonly<Record<string, LockEntry>>;
  /** Packages of which code is in the program, by name@version. */
  readonly bundled: ReadonlySet<string>;
  /** By name@version; those that are not installed here are missing. */
  readonly licenses: ReadonlyMap<string, string>;
}

interface Package {
  /** name@version */
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly entry: LockEntry;
}

const SELF = "baton";
/** Bits of a version 5 UUID, which is made from a name. */
const UUID_VERSION = 0x50;
const UUID_VARIANT = 0x80;

/** "@a/b@1.2.3_@c+d@1.0.0" -> "@a/b@1.2.3" */
export function packageId(key: string): string {
  const at = key.indexOf("@", 1);
  const end = key.indexOf("_", at);
  return end < 0 ? key : key.slice(0, end);
}

function packagesOf({ packages }: SbomFacts): Package[] {
  const found = new Map<string, Package>();
  for (const [key, entry] of Object.entries(packages)) {
    const id = packageId(key);
    const at = id.indexOf("@", 1);
    found.set(id, { id, name: id.slice(0, at), version: id.slice(at + 1), entry });
  }
  const isForLinux = ({ entry: { os } }: Package) => os === undefined || os.includes("linux");
  return [...found.values()].filter(isForLinux);
}

function purl(name: string, version: string): string {
  return `pkg:npm/${name.replace(/^@/, "%40")}@${version}`;
}

function component({ bundled, licenses }: SbomFacts, { id, name, version, entry }: Package) {
  const license = licenses.get(id);
  const slash = name.indexOf("/");
  return {
    type: "library",
    "bom-ref": id,
    ...slash < 0 ? { name } : { group: name.slice(0, slash), name: name.slice(slash + 1) },
    version,
    // "excluded": it builds or tests baton, and is not in the program.
    scope: bundled.has(id) ? "required" : "excluded",
    hashes: [{
      alg: "SHA-512",
      content: Buffer.from(entry.integrity.replace(/^sha512-/, ""), "base64").toString("hex"),
    }],
    ...license === undefined ? {} : { licenses: [licenseOf(license)] },
    purl: purl(name, version),
  };
}

function licenseOf(text: string) {
  return /[ (]/.test(text) ? { expression: text } : { license: { id: text } };
}

/** @param name "hono" or "hono@4.1.0" */
function resolve(all: readonly Package[], name: string): string | null {
  const id = packageId(name);
  return all.find((each) => each.id === id || each.name === name)?.id ?? null;
}

function dependsOn(all: readonly Package[], { entry }: Package): string[] {
  const names = [...entry.dependencies ?? [], ...entry.optionalDependencies ?? []];
  return names.map((name) => resolve(all, name)).filter((id) => id !== null).sort();
}

function uuid(text: string): string {
  const bytes = createHash("sha256").update(text).digest().subarray(0, 16);
  bytes[6] = bytes[6]! & 0x0f | UUID_VERSION;
  bytes[8] = bytes[8]! & 0x3f | UUID_VARIANT;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

export function sbom(facts: SbomFacts): string {
  const all = packagesOf(facts);
  const components = all.map((each) => component(facts, each));
  const dependencies = [
    { ref: SELF, dependsOn: [...facts.bundled].sort() },
    ...all.map((each) => ({ ref: each.id, dependsOn: dependsOn(all, each) })),
  ];
  const serial = uuid(JSON.stringify([facts.version, facts.timestamp, components, dependencies]));
  const document = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${serial}`,
    version: 1,
    metadata: {
      timestamp: facts.timestamp,
      component: {
        type: "application",
        "bom-ref": SELF,
        name: SELF,
        version: facts.version,
        licenses: [{ license: { id: "MIT" } }],
      },
    },
    components,
    dependencies,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
