/**
 * Boots the kernels of Debian 11, 12 and 13 under QEMU, x64 and arm64, with baton for glibc and musl, and prints the
 * table of docs/kernels.md. The status is 1 when something is not as expected.
 *
 *   bun test/kernels/main.ts [--file TEXT] [--install] [--write-docs]
 *
 * `make test-kernels` calls it. --file keeps the machines with that in their name ("bookworm-arm64"). A machine that cannot
 * be made is skipped, and why; --install installs what is missing, as root, with apt-get. --write-docs puts the table
 * into docs/kernels.md.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { runCommand } from "../support/baton.ts";
import { REPOSITORY, which } from "../support/programs.ts";
import { boot, emulatorOf } from "./boot.ts";
import { faultsOf } from "./judge.ts";
import { type Machine, MACHINES } from "./machine.ts";
import { buildBatons, FOLDER, makeImage } from "./parts.ts";
import { tableOf, type Tried, withTable } from "./render.ts";

const { values } = parseArgs({
  options: {
    file: { type: "string", default: "" },
    install: { type: "boolean", default: false },
    "write-docs": { type: "boolean", default: false },
  },
});
const PAGE = join(REPOSITORY, "docs", "kernels.md");
/** Program, and the Debian package that has it. */
const TOOLS = [
  ["cpio", "cpio"],
  ["depmod", "kmod"],
  ["go", "golang-go"],
  ["python3", "python3-pip"],
] as const;
const EMULATORS = { amd64: "qemu-system-x86", arm64: "qemu-system-arm" } as const;

const machines = MACHINES.filter((machine) => nameOf(machine).includes(values.file));
const count = { passed: 0, failed: 0, skipped: 0 };
const tried: Tried[] = [];

if (values.install) await install();
const possible = machines.filter((machine) => {
  const lacks = missing(machine).map(([program]) => program);
  if (lacks.length > 0) skip(machine, `no ${lacks.join(", ")} (INSTALL=1 installs it)`);
  return lacks.length === 0;
});
buildBatons(possible);
for (const machine of possible) await tryOut(machine);

const table = tableOf(tried, new Date().toISOString().slice(0, 10));
print(`\n${table}\n`);
if (values["write-docs"] && count.failed + count.skipped === 0 && values.file === "") {
  writeFileSync(PAGE, withTable(readFileSync(PAGE, "utf8"), table));
}
print(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exit(count.failed === 0 && count.passed > 0 ? 0 : 1);

async function tryOut(machine: Machine): Promise<void> {
  let image;
  try {
    image = makeImage(machine);
  } catch (error) {
    return skip(machine, error instanceof Error ? error.message : String(error));
  }
  const logs = join(FOLDER, "logs");
  mkdirSync(logs, { recursive: true });
  const seen = await boot(machine.architecture, image, join(logs, `${nameOf(machine)}.txt`));
  const faults = faultsOf(machine, seen.results);
  tried.push({ machine, boot: seen });
  if (faults.length === 0) count.passed++;
  else count.failed++;
  print([nameOf(machine), `${seen.seconds} s`, ...faults, seen.log].join(" | "));
}

function skip(machine: Machine, reason: string): void {
  count.skipped++;
  print(`${nameOf(machine)} | skipped: ${reason}`);
}

function nameOf({ suite, architecture }: Machine): string {
  return `${suite}-${architecture}`;
}

function missing({ architecture }: Machine): (readonly [program: string, package_: string])[] {
  const emulator = [emulatorOf(architecture), EMULATORS[architecture]] as const;
  return [...TOOLS, emulator].filter(([program]) => which(program) === null);
}

async function install(): Promise<void> {
  const packages = new Set(machines.flatMap(missing).map(([, name]) => name));
  if (packages.size === 0) return;
  const words = ["apt-get", "-qq", "-y", "install", "--no-install-recommends", ...packages];
  const { code, stderr } = await runCommand(words, { env: { DEBIAN_FRONTEND: "noninteractive" } });
  if (code !== 0) print(`cannot install ${[...packages].join(" ")}: ${stderr.trim()}`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
