/**
 * Builds what users install, or installs it here.
 *
 *   deno run -A scripts/dist/main.ts                       all of dist/release/ (`make dist`)
 *   deno run -A scripts/dist/main.ts --only linux-x64      for some machines only; --out DIR: to another folder
 *   deno run -A scripts/dist/main.ts --install PREFIX [--destdir DIR]      (`make install`)
 *
 * Two builds of a commit are the same, byte for byte: docs/install.md says how to compare.
 */
import { parseArgs } from "@std/cli/parse-args";
import { join } from "node:path";
import { VERSION } from "../../src/cli/console/version.ts";
import { Terminal } from "../terminal.ts";
import { debianPackage } from "./debian/package.ts";
import { ROOT, sbomFacts, sourceEpoch, thirdPartyLicenses } from "./facts.ts";
import { archive, copyProgram, isInstalled, run, writeFile } from "./files.ts";
import { type Machine, machineName } from "./npm/manifests.ts";
import { npmPackages } from "./npm/packages.ts";
import { sbom } from "./sbom.ts";
import { type TreeFacts, treeFiles } from "./tree.ts";

const MACHINES: readonly Machine[] = [
  { arch: "x64", libc: "glibc" },
  { arch: "arm64", libc: "glibc" },
  { arch: "x64", libc: "musl" },
  { arch: "arm64", libc: "musl" },
];
const TERMINAL = new Terminal();

async function facts(epoch: number): Promise<Omit<TreeFacts, "program" | "zshDirectory">> {
  return {
    version: VERSION,
    date: new Date(epoch * 1000).toISOString().slice(0, 10),
    signals: await Deno.readTextFile(join(ROOT, "docs", "signals.md")),
    license: await Deno.readTextFile(join(ROOT, "LICENSE")),
    thirdParty: await thirdPartyLicenses(await sbomFacts(epoch)),
  };
}

async function install(prefix: string, destination: string): Promise<void> {
  if (!prefix.startsWith("/")) throw new Error(`Cannot install: PREFIX ${prefix} is no full path`);
  const program = join(prefix, "bin", "baton");
  // Only the manual shows the date, and a machine without git can install, too.
  const common = await facts(await sourceEpoch().catch(() => Math.floor(Date.now() / 1000)));
  const files = treeFiles({ ...common, program, zshDirectory: "site-functions" });
  await copyProgram(join(ROOT, "dist", "baton"), `${destination}${program}`);
  for (const { path, text } of files) await writeFile(`${destination}${join(prefix, path)}`, text);
  TERMINAL.line(`installed ${destination}${program}, with ${files.length} files beside it`);
}

/** @param out the folder, which is emptied before */
async function release(machines: readonly Machine[], out: string): Promise<void> {
  const stage = `${out}.stage`;
  const epoch = await sourceEpoch();
  for (const folder of [out, stage]) {
    await Deno.remove(folder, { recursive: true }).catch(() => {});
    await Deno.mkdir(folder, { recursive: true });
  }
  const targets = machines.map((machine) => `bun-${machineName(machine)}`);
  await run(Deno.execPath(), [
    "run",
    "-A",
    join(ROOT, "scripts", "build.ts"),
    "--target",
    ...targets,
  ]);
  const common = await facts(epoch);
  const program = (machine: Machine) => join(ROOT, "dist", `baton-${machineName(machine)}`);
  const site = treeFiles({
    ...common,
    program: "/usr/local/bin/baton",
    zshDirectory: "site-functions",
  });
  const hasDpkg = await isInstalled("dpkg-deb");
  if (!hasDpkg) TERMINAL.line("no Debian packages: dpkg-deb is missing (package dpkg)");
  for (const machine of machines) {
    const name = `baton-${VERSION}-${machineName(machine)}`;
    const folder = join(stage, name);
    await copyProgram(program(machine), join(folder, "bin", "baton"));
    for (const { path, text } of site) await writeFile(join(folder, path), text);
    await archive(stage, [name], join(out, `${name}.tar.gz`), epoch);
    if (hasDpkg && machine.libc === "glibc") {
      const tree = treeFiles({
        ...common,
        program: "/usr/bin/baton",
        zshDirectory: "vendor-completions",
      });
      await debianPackage({
        machine,
        epoch,
        tree,
        version: VERSION,
        program: program(machine),
        stage: join(stage, `deb-${machine.arch}`),
        release: out,
        license: common.license,
        thirdParty: common.thirdParty,
        changes: await Deno.readTextFile(join(ROOT, "CHANGELOG.md")),
      });
    }
  }
  await npmPackages({
    machines,
    version: VERSION,
    program,
    epoch,
    stage,
    release: out,
    license: common.license,
  });
  await writeFile(join(out, `baton-${VERSION}.cdx.json`), sbom(await sbomFacts(epoch)));
  const names = [...Deno.readDirSync(out)].map(({ name }) => name).sort();
  const sums = await run("sha256sum", names, out);
  await writeFile(join(out, "SHA256SUMS"), sums);
  await Deno.remove(stage, { recursive: true });
  TERMINAL.line(sums.trimEnd());
}

const args = parseArgs(Deno.args, {
  string: ["install", "destdir", "only", "out"],
  collect: ["only"],
});
if (args.install !== undefined) await install(args.install, args.destdir ?? "");
else {
  const wanted = args.only;
  const machines = MACHINES.filter((each) =>
    wanted.length === 0 || wanted.includes(machineName(each))
  );
  if (machines.length === 0) {
    throw new Error(`Cannot build for ${wanted}: known are ${MACHINES.map(machineName)}`);
  }
  await release(machines, args.out ?? join(ROOT, "dist", "release"));
}
