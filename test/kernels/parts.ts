/**
 * What a virtual machine is made of, below .cache/kernels: a kernel, its modules, a C library and busybox of a Debian
 * release, baton for it, and the guest program. Fetched and built once; `make clean` removes it.
 */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { REPOSITORY } from "../support/programs.ts";
import { type Architecture, batonPath, type Libc, type Machine, storyOf } from "./machine.ts";

export const FOLDER = join(REPOSITORY, ".cache", "kernels");
const PACKAGES = join(REPOSITORY, "test", "support", "debian_packages.sh");
const GUEST = join(import.meta.dirname ?? "", "guest");
const FETCH_LIMIT_SECONDS = 300;
const BUILD_TIMEOUT_MS = 300_000;

/** Names of a processor: in the GNU triplet, the loader's name and Bun's target. */
const NAMES = {
  amd64: {
    triplet: "x86_64-linux-gnu",
    loader: "lib64/ld-linux-x86-64.so.2",
    musl: "x86_64",
    bun: "x64",
  },
  arm64: {
    triplet: "aarch64-linux-gnu",
    loader: "lib/ld-linux-aarch64.so.1",
    musl: "aarch64",
    bun: "arm64",
  },
} as const;
const GLIBC_FILES = ["libc.so.6", "libpthread.so.0", "libdl.so.2", "libm.so.6"];
/** The kernel's socket tables; what they need is in modules.dep. */
const MODULES = /^(?:inet|tcp|udp|unix|mptcp|raw)_diag\.ko/;
/** A wheel for musl brings libstdc++ and libgcc_s of Alpine with it, which Debian has not. */
const WHEEL = "greenlet==3.5.6";
/** Where musl's loader looks in the machine. */
const MUSL_LIBRARIES = "lib/musl";

function run(program: string, words: readonly string[], env: Record<string, string> = {}): void {
  execFileSync(program, words, {
    cwd: REPOSITORY,
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "inherit"],
    timeout: BUILD_TIMEOUT_MS,
  });
}

/** Made in a folder beside it, so that half of it is never taken for all. */
function once(name: string, make: (folder: string) => void): string {
  const folder = join(FOLDER, name);
  if (existsSync(folder)) return folder;
  const temporary = `${folder}.${process.pid}`;
  mkdirSync(temporary, { recursive: true });
  try {
    make(temporary);
    renameSync(temporary, folder);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return folder;
}

function debian(
  name: string,
  suite: string,
  architecture: Architecture,
  packages: string[],
): string {
  const folder = join(FOLDER, name);
  run(PACKAGES, [folder, suite, architecture, ...packages], {
    LIMIT_SECONDS: String(FETCH_LIMIT_SECONDS),
  });
  return folder;
}

function releaseTree({ suite, architecture }: Machine): string {
  return debian(`debian-${suite}-${architecture}`, suite, architecture, [
    `dependency-of:linux-image-cloud-${architecture}`,
    "libc6",
    "busybox-static",
  ]);
}

function muslTree(architecture: Architecture): string {
  return debian(`musl-${architecture}`, "trixie", architecture, ["musl"]);
}

function muslLibraries(architecture: Architecture): string {
  const { musl } = NAMES[architecture];
  return once(`wheel-${musl}`, (folder) => {
    const platform = `musllinux_1_2_${musl}`;
    const how = ["--no-deps", "--only-binary=:all:", "--python-version", "3.12", "--quiet"];
    const where = ["--platform", platform, "--dest", folder];
    run("python3", ["-m", "pip", "download", ...how, ...where, WHEEL]);
    const [wheel = ""] = readdirSync(folder);
    run("python3", ["-m", "zipfile", "-e", join(folder, wheel), folder]);
  });
}

function guest(architecture: Architecture): string {
  mkdirSync(FOLDER, { recursive: true });
  const program = join(FOLDER, `guest-${architecture}`);
  execFileSync("go", ["build", "-trimpath", "-o", program, "."], {
    cwd: GUEST,
    env: { ...process.env, CGO_ENABLED: "0", GOARCH: architecture, GOTOOLCHAIN: "local" },
    stdio: ["ignore", "ignore", "inherit"],
    timeout: BUILD_TIMEOUT_MS,
  });
  return program;
}

/** @returns the file; `dist/baton` of `make build` where that is it. */
export function batonFor(architecture: Architecture, libc: Libc): string {
  const { bun } = NAMES[architecture];
  const isOwn = process.arch === bun && libc === "glibc";
  return join(
    REPOSITORY,
    "dist",
    isOwn ? "baton" : `baton-linux-${bun}${libc === "musl" ? "-musl" : ""}`,
  );
}

/** `scripts/build.ts` fetches Bun for other processors and C libraries from npm. */
export function buildBatons(machines: readonly Machine[]): void {
  const own = join(REPOSITORY, "dist", "baton");
  const targets = machines.flatMap(({ architecture, libcs }) =>
    libcs.filter((libc) => batonFor(architecture, libc) !== own)
      .map((libc) => `bun-linux-${NAMES[architecture].bun}${libc === "musl" ? "-musl" : ""}`)
  );
  if (targets.length === 0) return;
  const deno = join(REPOSITORY, ".cache", `deno-${denoVersion()}`);
  run(deno, ["run", "--quiet", "-A", "scripts/build.ts", "--target", ...new Set(targets)]);
}

function denoVersion(): string {
  const [name = ""] = readdirSync(join(REPOSITORY, ".cache")).filter((each) =>
    /^deno-[\d.]+$/.test(each)
  );
  return name.slice("deno-".length);
}

/** Newer releases have all below usr/. */
function inTree(tree: string, path: string): string {
  return [path, join("usr", path)].map((each) => join(tree, each)).find(existsSync) ??
    join(tree, path);
}

function put(source: string, target: string): void {
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(realpathSync(source), target);
}

function putModules(tree: string, root: string): string {
  const modules = inTree(tree, "lib/modules");
  const [release = ""] = readdirSync(modules);
  const files = readdirSync(join(modules, release), { recursive: true, encoding: "utf8" });
  const target = (file: string) => join(root, "lib/modules", release, file);
  for (const file of files.filter((each) => MODULES.test(each.replace(/.*\//, "")))) {
    put(join(modules, release, file), target(file));
  }
  for (const file of ["modules.builtin", "modules.order"]) {
    put(join(modules, release, file), target(file));
  }
  // It misses modules.builtin.modinfo, which older releases have not.
  execFileSync("depmod", ["-b", root, release], { stdio: "ignore" });
  return release;
}

function putGlibc(tree: string, architecture: Architecture, root: string): void {
  const { triplet, loader } = NAMES[architecture];
  const folder = inTree(tree, `lib/${triplet}`);
  const [name = ""] = loader.split("/").slice(-1);
  const found = [join(folder, name), join(folder, "ld-2.31.so")].find(existsSync);
  put(found ?? inTree(tree, loader), join(root, loader));
  for (const file of GLIBC_FILES) put(join(folder, file), join(root, "lib", triplet, file));
}

function putMusl(architecture: Architecture, root: string): void {
  const { musl } = NAMES[architecture];
  put(
    join(inTree(muslTree(architecture), `lib/${musl}-linux-musl`), "libc.so"),
    join(root, `lib/ld-musl-${musl}.so.1`),
  );
  const libraries = join(muslLibraries(architecture), "greenlet.libs");
  for (const file of readdirSync(libraries)) {
    // The one has its own name, the other finds it by the name with a hash in it.
    const name = file.startsWith("libstdc++") ? "libstdc++.so.6" : file;
    put(join(libraries, file), join(root, MUSL_LIBRARIES, name));
  }
  mkdirSync(join(root, "etc"), { recursive: true });
  writeFileSync(join(root, `etc/ld-musl-${musl}.path`), `/${MUSL_LIBRARIES}\n`);
}

export interface Image {
  readonly kernel: string;
  readonly initramfs: string;
}

/** @returns the files to boot. @throws {Error} when something cannot be fetched or built */
export function makeImage(machine: Machine): Image {
  const { suite, architecture, libcs } = machine;
  const tree = releaseTree(machine);
  const root = join(FOLDER, `root-${suite}-${architecture}`);
  rmSync(root, { recursive: true, force: true });
  for (const folder of ["bin", "sbin", "proc", "sys", "dev", "tmp", "run", "etc", "root"]) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  // Users get nothing of what they may not search.
  chmodSync(root, 0o755);
  put(inTree(tree, "bin/busybox"), join(root, "sbin/modprobe"));
  put(inTree(tree, "bin/busybox"), join(root, "bin/false"));
  put(guest(architecture), join(root, "bin/guest"));
  put(guest(architecture), join(root, "init"));
  for (const libc of libcs) put(batonFor(architecture, libc), join(root, batonPath(libc)));
  putGlibc(tree, architecture, root);
  if (libcs.includes("musl")) putMusl(architecture, root);
  putModules(tree, root);
  writeFileSync(
    join(root, "etc/passwd"),
    "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n",
  );
  writeFileSync(join(root, "story.json"), JSON.stringify(storyOf(machine)));
  const initramfs = `${root}.cpio`;
  execFileSync("sh", ["-c", 'find . | cpio -o -H newc --quiet >"$0"', initramfs], { cwd: root });
  rmSync(root, { recursive: true });
  const [kernel = ""] = readdirSync(join(tree, "boot")).filter((name) =>
    name.startsWith("vmlinuz")
  );
  return { kernel: join(tree, "boot", kernel), initramfs };
}
