/** The package.json of the npm packages: one that users name, and one with the program for each kind of machine. Pure. */
import type { Arch, Libc } from "../../binary/elf.ts";

/** "baton" belongs to someone else there. */
export const NPM_NAME = "baton-restart";

export interface Machine {
  readonly arch: Arch;
  readonly libc: Libc;
}

const COMMON = {
  description: "Replaces a running server without dropping a connection",
  license: "MIT",
  os: ["linux"],
};

/** "linux-x64-musl": in the names of files and packages. */
export function machineName({ arch, libc }: Machine): string {
  return `linux-${arch}${libc === "musl" ? "-musl" : ""}`;
}

export function platformPackage(machine: Machine): string {
  return `${NPM_NAME}-${machineName(machine)}`;
}

export function platformManifest(machine: Machine, version: string): object {
  const { arch, libc } = machine;
  const name = platformPackage(machine);
  return { name, version, ...COMMON, cpu: [arch], libc: [libc], preferUnplugged: true };
}

export function mainManifest(machines: readonly Machine[], version: string): object {
  return {
    name: NPM_NAME,
    version,
    ...COMMON,
    keywords: ["graceful", "restart", "reload", "zero-downtime", "supervisor"],
    bin: { baton: "bin/baton" },
    scripts: { postinstall: "node install.js" },
    engines: { node: ">=18" },
    optionalDependencies: Object.fromEntries(
      machines.map((machine) => [platformPackage(machine), version]),
    ),
  };
}
