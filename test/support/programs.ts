/**
 * Where the programs are that the tests run, and the fixtures built from source.
 *
 * Each is found once per process. What is built or searched at some cost is kept in `.cache/fixtures` of the
 * repository, under a name with the hash of its source, so that it is right after an edit; parallel runs build
 * aside and rename, so that no test ever sees half a build.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, delimiter, dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

export const REPOSITORY = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const FIXTURES = join(REPOSITORY, "test", "fixtures");
const CACHE = join(REPOSITORY, ".cache", "fixtures");
const BUILD_TIMEOUT_MS = 180_000;
const DENO_PACKAGE = "deno@2.9.6";

/** The path of a file in test/fixtures. */
export function fixture(name: string): string {
  return join(FIXTURES, name);
}

/** The program's path in PATH, or null. */
export function which(name: string): string | null {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return null;
}

const found = new Map<string, string | null>();

/** Runs `search` once per process and name; a search that throws has found nothing. */
function once(name: string, search: () => string | null): string | null {
  let result = found.get(name);
  if (result === undefined) {
    try {
      result = search();
    } catch {
      result = null;
    }
    found.set(name, result);
  }
  return result;
}

/** @throws {Error} when it is not installed; ask `needs()` of the server first. */
export function required(name: string, path: string | null): string {
  if (path === null) throw new Error(`Cannot run ${name}: it was not found`);
  return path;
}

export function findNode(): string | null {
  return which("node");
}

/** Bun itself, of node_modules: the link resolved. */
export function findBun(): string | null {
  return once("bun", () => realpathSync(join(REPOSITORY, "node_modules", ".bin", "bun")));
}

/** The interpreter itself: `python3` in PATH may be a shell script that looks for it. */
export function findPython(): string | null {
  return once("python3", () => print("python3", ["-c", "import sys; print(sys.executable)"]));
}

/** Deno itself: $DENO, else in PATH, else what npx has: npx itself would be one process more, and slow. */
export function findDeno(): string | null {
  return once("deno", () => {
    const near = process.env["DENO"] || which("deno");
    if (near) return print(near, ["eval", "console.log(Deno.execPath())"]);
    const note = join(CACHE, `${DENO_PACKAGE}.path`);
    const remembered = existsSync(note) ? readFileSync(note, "utf8") : "";
    if (existsSync(remembered)) return remembered;
    const path = print("npx", ["-y", DENO_PACKAGE, "eval", "console.log(Deno.execPath())"]);
    mkdirSync(CACHE, { recursive: true });
    writeFileSync(note, path);
    return path;
  });
}

function print(program: string, argv: readonly string[]): string {
  return execFileSync(program, argv, {
    cwd: FIXTURES,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    timeout: BUILD_TIMEOUT_MS,
  }).trim();
}

/** The Go fixture, static; built when it was not before. */
export function buildGo(): string {
  return buildGoProgram("go_static");
}

/** The program of a folder of Go sources in test/fixtures, static. @throws where its modules cannot be fetched */
export function buildGoProgram(name: string): string {
  const folder = fixture(name);
  const program = basename(name);
  const sources = readdirSync(folder).map((file) => join(folder, file));
  const built = build(name.replaceAll("/", "_"), sources, (target) => {
    execFileSync("go", ["build", "-trimpath", "-o", join(target, program), "."], {
      cwd: folder,
      env: { ...process.env, CGO_ENABLED: "0", GOTOOLCHAIN: "local", GOFLAGS: "-mod=mod" },
      stdio: ["ignore", "ignore", "inherit"],
      timeout: BUILD_TIMEOUT_MS,
    });
  });
  return join(built, program);
}

/** The hyper server, compiled when it was not before. @throws where cargo cannot fetch hyper */
export function buildHyper(): string {
  const sources = [fixture("hyper_server/src/main.rs"), fixture("hyper_server/Cargo.toml")];
  const folder = build("hyper", sources, (target) => {
    const manifest = join(target, "Cargo.toml");
    mkdirSync(join(target, "src"), { recursive: true });
    copyFileSync(fixture("hyper_server/Cargo.toml"), manifest);
    copyFileSync(fixture("hyper_server/src/main.rs"), join(target, "src/main.rs"));
    execFileSync("cargo", ["build", "--release", "--quiet", "--manifest-path", manifest], {
      stdio: ["ignore", "ignore", "inherit"],
      timeout: 3 * BUILD_TIMEOUT_MS,
    });
  });
  return join(folder, "target/release/hyper_server");
}

/** The folder with the classes of the Java fixture; compiled when it was not before. */
export function buildJava(): string {
  const source = fixture("JavaHttpServer.java");
  return build("java", [source], (target) => {
    execFileSync("javac", ["-d", target, source], {
      stdio: ["ignore", "ignore", "inherit"],
      timeout: BUILD_TIMEOUT_MS,
    });
  });
}

function build(name: string, sources: readonly string[], make: (folder: string) => void): string {
  const hash = createHash("sha256");
  for (const source of sources) hash.update(readFileSync(source));
  const folder = join(CACHE, `${name}-${hash.digest("hex").slice(0, 12)}`);
  if (existsSync(folder)) return folder;
  mkdirSync(CACHE, { recursive: true });
  const aside = mkdtempSync(join(CACHE, `${name}-building-`));
  try {
    make(aside);
    chmodSync(aside, 0o755); // for servers that run as another user
    renameSync(aside, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error; // else another run was faster
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  return folder;
}
