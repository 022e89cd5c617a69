/** What packages say about themselves: npm, Debian, the unit and the bill of materials. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import {
  changelog,
  control,
  copyright,
  debianFileName,
} from "../../../../scripts/dist/debian/files.ts";
import {
  mainManifest,
  NPM_NAME,
  platformManifest,
  platformPackage,
} from "../../../../scripts/dist/npm/manifests.ts";
import { packageId, sbom, type SbomFacts } from "../../../../scripts/dist/sbom.ts";
import { unitTemplate } from "../../../../scripts/dist/unit.ts";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../../..");
const { packages } = createRequire(import.meta.url)("../../../../scripts/dist/npm/program.js");

describe("npm packages", () => {
  const machines = [{ arch: "x64", libc: "glibc" }, { arch: "arm64", libc: "musl" }] as const;

  it("of a machine are taken by npm on such machines only", () => {
    assert.deepEqual(platformManifest(machines[1], "1.0.0"), {
      name: "baton-restart-linux-arm64-musl",
      version: "1.0.0",
      description: "Replaces a running server without dropping a connection",
      license: "MIT",
      os: ["linux"],
      cpu: ["arm64"],
      libc: ["musl"],
      preferUnplugged: true,
    });
  });

  it("are all optional for the one that users name, in its very version", () => {
    const { optionalDependencies, bin } = mainManifest(machines, "1.0.0") as {
      optionalDependencies: object;
      bin: object;
    };
    assert.deepEqual(optionalDependencies, {
      "baton-restart-linux-x64": "1.0.0",
      "baton-restart-linux-arm64-musl": "1.0.0",
    });
    assert.deepEqual(bin, { baton: "bin/baton" });
  });

  it("are looked for under the names that they have", () => {
    for (const arch of ["x64", "arm64"] as const) {
      const [glibc, musl] = (["glibc", "musl"] as const).map((libc) =>
        platformPackage({ arch, libc })
      );
      assert.deepEqual(packages(NPM_NAME, arch, false), [glibc, musl]);
      assert.deepEqual(packages(NPM_NAME, arch, true), [musl, glibc]);
    }
  });
});

describe("the Debian package", () => {
  const facts = { version: "1.2.3", arch: "x64", kibibytes: 7, date: "D" } as const;

  it("has Debian's names for versions and processors", () => {
    assert.equal(debianFileName({ version: "1.2.3", arch: "arm64" }), "baton_1.2.3-1_arm64.deb");
    assert.match(control(facts), /^Version: 1\.2\.3-1\nArchitecture: amd64\n/m);
    assert.match(control(facts), /^Installed-Size: 7$/m);
    assert.match(changelog(facts), /^baton \(1\.2\.3-1\) unstable;/);
  });

  it("describes itself in lines that fit a terminal", () => {
    const lines = control(facts).split("Description: ")[1]!.split("\n");
    for (const line of lines) assert.ok(line.length < 80, line);
    for (const line of lines.slice(1, -1)) assert.match(line, /^ /);
  });

  it("has all licenses, with no line that would end a field", () => {
    const license = readFileSync(join(ROOT, "LICENSE"), "utf8");
    const text = copyright(license, "one\n\ntwo\n");
    assert.match(
      text,
      /\nComment:\n one\n \.\n two\n\nFiles: \*\nCopyright: 2026 the baton authors\n/,
    );
    assert.match(text, /\nLicense: Expat\n Permission is hereby granted/);
    assert.doesNotMatch(text.slice(text.indexOf("License: Expat")), /\n\n[^$]/);
  });

  it("names the Apache license, which Debian has itself", () => {
    const line = "-".repeat(72);
    const apache = "  Apache License\n  Version 2.0, January 2004\n\n  1. Text\n\n  2. Text";
    const text = copyright("Permission is hereby", `a@1\n\n${apache}\n\n${line}\n\nb@1\n\nMIT\n`);
    assert.match(text, / a@1\n \.\n See .*\/Apache-2\.0\.\n \.\n -+\n \.\n b@1\n \.\n MIT\n/);
    assert.doesNotMatch(text, /1\. Text|2\. Text/);
  });
});

describe("baton@.service", () => {
  const unit = unitTemplate("/usr/bin/baton");

  it("runs what /etc/baton has for the name of the instance", () => {
    assert.match(
      unit,
      /^ExecStart=\/usr\/bin\/baton run --name %i --config=\/etc\/baton\/%i\.toml$/m,
    );
    assert.match(unit, /^ExecReload=\/usr\/bin\/baton reload %i$/m);
    assert.match(unit, /^RuntimeDirectory=baton\/%i$/m);
    assert.doesNotMatch(unit, /INSTANCE|SERVER|%%/);
  });

  it("hides nothing that an unknown server may use", () => {
    assert.doesNotMatch(unit, /^PrivateTmp=|^ProtectHome=yes/m);
    assert.match(unit, /^ProtectHome=read-only$/m);
  });
});

describe("sbom()", () => {
  const facts: SbomFacts = {
    version: "1.0.0",
    timestamp: "2026-11-29T00:00:00Z",
    packages: {
      "hono@4.0.0": { integrity: "sha512-AAEC" },
      "@a/b@1.0.0_@c+d@2.0.0": { integrity: "sha512-AwQF", dependencies: ["hono", "@c/d@2.0.0"] },
      "@c/d@2.0.0": { integrity: "sha512-BgcI" },
      "win@1.0.0": { integrity: "sha512-CQoL", os: ["win32"] },
    },
    bundled: new Set(["hono@4.0.0"]),
    licenses: new Map([["hono@4.0.0", "MIT"], ["@c/d@2.0.0", "(MIT OR Apache-2.0)"]]),
  };
  const document = JSON.parse(sbom(facts));
  const find = (ref: string) =>
    document.components.find((each: { "bom-ref": string }) => each["bom-ref"] === ref);

  it("tells what is in the program from what builds it", () => {
    assert.equal(find("hono@4.0.0").scope, "required");
    assert.equal(find("@c/d@2.0.0").scope, "excluded");
    assert.equal(find("win@1.0.0"), undefined);
  });

  it("has names, hashes and licenses as CycloneDX wants them", () => {
    assert.deepEqual(find("@a/b@1.0.0"), {
      type: "library",
      "bom-ref": "@a/b@1.0.0",
      group: "@a",
      name: "b",
      version: "1.0.0",
      scope: "excluded",
      hashes: [{ alg: "SHA-512", content: "030405" }],
      purl: "pkg:npm/%40a/b@1.0.0",
    });
    assert.deepEqual(find("hono@4.0.0").licenses, [{ license: { id: "MIT" } }]);
    assert.deepEqual(find("@c/d@2.0.0").licenses, [{ expression: "(MIT OR Apache-2.0)" }]);
  });

  it("says who needs whom", () => {
    assert.deepEqual(document.dependencies.slice(0, 3), [
      { ref: "baton", dependsOn: ["hono@4.0.0"] },
      { ref: "hono@4.0.0", dependsOn: [] },
      { ref: "@a/b@1.0.0", dependsOn: ["@c/d@2.0.0", "hono@4.0.0"] },
    ]);
  });

  it("is the same for the same facts, and has another number for others", () => {
    assert.equal(sbom(facts), sbom(facts));
    const other = JSON.parse(sbom({ ...facts, version: "1.0.1" }));
    assert.notEqual(other.serialNumber, document.serialNumber);
    assert.match(
      document.serialNumber,
      /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
  });

  it("reads the names of the lock file", () => {
    assert.equal(packageId("a@1.0.0"), "a@1.0.0");
    assert.equal(packageId("@a/b@1.0.0_c@2.0.0"), "@a/b@1.0.0");
  });

  it("takes what deno.lock has, with a hash for each", () => {
    const lock = JSON.parse(readFileSync(join(ROOT, "deno.lock"), "utf8"));
    const { components } = JSON.parse(sbom({ ...facts, packages: lock.npm }));
    assert.ok(components.length > 20);
    for (const { hashes } of components) assert.match(hashes[0].content, /^[0-9a-f]{128}$/);
  });
});
