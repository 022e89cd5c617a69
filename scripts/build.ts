/**
 * Builds dist/: one bundle for each runtime with esbuild, and the standalone binary with Bun.
 *
 *   deno run -A scripts/build.ts [--target bun-linux-arm64 ...]
 */
import { builtinModules } from "node:module";
import * as esbuild from "esbuild";
import { VERSION } from "../src/cli/console/version.ts";
import { ownEnvironment } from "./binary/own_environment.ts";
import { unexpectedNeeds } from "./binary/needs.ts";
import { makePage } from "./page.ts";

const ROOT = new URL("..", import.meta.url).pathname;
/** The binary's own bundle, in parts. */
const PARTS = `${ROOT}dist/parts`;
const BUN = `${ROOT}node_modules/.bin/bun`;

/** Variables of which each stands for a kind that changes what any compiled Bun program says. */
const ACTING_VARIABLES = [
  ["BUN_BE_BUN", "1"],
  ["BUN_OPTIONS", "--preload /dev/null/none"],
  ["BUN_JSC_dumpOptions", "2"],
  ["BUN_JSC_useJIT", "0"],
  ["MIMALLOC_VERBOSE", "1"],
  ["SIMDUTF_FORCE_IMPLEMENTATION", "none"],
  ["JavaScriptCoreUseJIT", "0"],
] as const;

/**
 * Bundles what deno.json maps the names of `@std` to: a file of src/, or a file of `jsr:@std/...` in Deno's cache.
 * esbuild itself finds npm packages only.
 */
const STD: esbuild.Plugin = {
  name: "std",
  setup(build) {
    build.onResolve({ filter: /^@std\// }, async ({ path }) => {
      const args = ["info", "--quiet", "--json", path];
      const { stdout } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT }).output();
      const { roots: [root], redirects, modules } = JSON.parse(new TextDecoder().decode(stdout));
      const wanted = redirects[root] ?? root;
      const found = modules.find(({ specifier }: { specifier: string }) => specifier === wanted);
      if (typeof found?.local !== "string") throw new Error(`Cannot find ${path}: see deno.json`);
      return { path: found.local, namespace: "std" };
    });
    build.onLoad({ filter: /./, namespace: "std" }, async ({ path }) => {
      return { contents: await Deno.readTextFile(path), loader: "ts" };
    });
  },
};

/** The page at the admin address, as one document. */
const PAGE: esbuild.Plugin = {
  name: "page",
  setup(build) {
    build.onLoad({ filter: /\/src\/admin\/page\/built_page\.ts$/ }, async () => {
      return { contents: `export const BUILT_PAGE = ${JSON.stringify(await page)};`, loader: "ts" };
    });
  },
};
const page = makePage();

const OPTIONS = {
  absWorkingDir: ROOT,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "esnext",
  external: ["bun:ffi", "node:*"],
  // As packages write them: Deno wants them by their whole names.
  alias: Object.fromEntries(
    builtinModules.filter((name) => !/^_|:/.test(name)).map((name) => [name, `node:${name}`]),
  ),
  plugins: [STD, PAGE],
  legalComments: "none",
  logLevel: "warning",
} satisfies esbuild.BuildOptions;

/** Packages in CommonJS call it: Bun has it in every module, Deno has not. */
const REQUIRE = 'import { createRequire } from "node:module"; ' +
  "const require = createRequire(import.meta.url);";

/** For Bun from a file, and Deno. @returns the paths of what is in it */
async function bundle(
  entry: string,
  outfile: string,
  options: esbuild.BuildOptions = {},
): Promise<readonly string[]> {
  const { metafile } = await esbuild.build({
    ...OPTIONS,
    ...options,
    entryPoints: [entry],
    outfile,
    metafile: true,
  });
  return Object.values(metafile.outputs).flatMap(({ inputs }) =>
    Object.keys(inputs).filter((path) => inputs[path]!.bytesInOutput > 0)
  );
}

/** The packages that the program holds, for its bill of materials: "name@version". */
async function bundledPackages(paths: readonly string[]): Promise<string[]> {
  const folders = paths.map((path) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+\//.exec(path)?.[0]);
  const ids = new Set<string>();
  for (const folder of new Set(folders.filter((each) => each !== undefined))) {
    const { name, version } = JSON.parse(await Deno.readTextFile(`${ROOT}${folder}package.json`));
    ids.add(`${name}@${version}`);
  }
  const bun = JSON.parse(await Deno.readTextFile(`${ROOT}node_modules/bun/package.json`));
  return [...ids, `bun@${bun.version}`].sort();
}

/** For the binary: what is imported when it is needed stays in files of its own, so that a start loads only its part. */
async function split(entry: string, outdir: string): Promise<void> {
  await Deno.remove(outdir, { recursive: true }).catch(() => {});
  await esbuild.build({ ...OPTIONS, entryPoints: [entry], outdir, splitting: true });
}

/** Looks at what it needs, and takes the environment away: written in place, so that the file stays laid out as Bun has written it. */
async function checkAndPatch(path: string): Promise<void> {
  const binary = await Deno.readFile(path);
  const needs = unexpectedNeeds(binary);
  if (needs.length > 0) {
    throw new Error(`Cannot build: it would need ${needs.join(", ")}: see docs/kernels.md`);
  }
  const patches = ownEnvironment(binary);
  using file = await Deno.open(path, { write: true });
  for (const { offset, bytes } of patches) {
    await file.seek(offset, Deno.SeekMode.Start);
    if (await file.write(bytes) !== bytes.length) throw new Error(`Cannot write to ${path}`);
  }
}

/** @throws {Error} when the variable still acts */
async function tryVariable(path: string, [name, value]: readonly [string, string]): Promise<void> {
  const { stdout, stderr } = await new Deno.Command(path, {
    args: ["--version"],
    env: { [name]: value },
    clearEnv: true,
  }).output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  if (said === `baton ${VERSION}\n`) return;
  throw new Error(
    `Cannot build: with ${name}=${value} in its environment the binary says\n${said}`,
  );
}

/**
 * By rename: a running copy keeps the old binary, and a start never sees half of the new one. Bun writes the name of the
 * file, and not of its folder, into it: with the same name each time, two builds are the same.
 */
async function compile(outfile: string, target: string | null): Promise<void> {
  const folder = `dist/.new-${Deno.pid}`;
  const temporary = `${folder}/baton`;
  const { success } = await new Deno.Command(BUN, {
    args: [
      "build",
      "--compile",
      "--minify-syntax",
      // Parsed at build time: a start takes less than half the time.
      "--bytecode",
      // Without this option all parts are in one file again, which costs each start a quarter more.
      "--splitting",
      "--format=esm",
      // A `.env` or bunfig.toml in the working directory is the server's, not baton's.
      "--no-compile-autoload-dotenv",
      "--no-compile-autoload-bunfig",
      ...(target === null ? [] : [`--target=${target}`]),
      `${PARTS}/main_bun.js`,
      "--outfile",
      temporary,
    ],
    cwd: ROOT,
    stdout: "null",
    stderr: "inherit",
  }).spawn().status;
  try {
    if (!success) throw new Error(`Cannot compile ${outfile}: bun build failed`);
    const made = `${ROOT}${temporary}`;
    await checkAndPatch(made);
    if (target === null) await Promise.all(ACTING_VARIABLES.map((one) => tryVariable(made, one)));
    await Deno.rename(made, `${ROOT}${outfile}`);
  } finally {
    await Deno.remove(`${ROOT}${folder}`, { recursive: true });
  }
}

const manifest = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
if (manifest.version !== VERSION) {
  throw new Error(
    `Cannot build: deno.json says ${manifest.version}, src/cli/console/version.ts ${VERSION}`,
  );
}
const inputs = await bundle("src/main_bun.ts", "dist/baton.bun.js");
const packages = await bundledPackages(inputs);
await Deno.writeTextFile(`${ROOT}dist/bundled.json`, `${JSON.stringify(packages, null, 2)}\n`);
await bundle("src/main_deno.ts", "dist/baton.deno.js", { banner: { js: REQUIRE } });
await split("src/main_bun.ts", PARTS);
await esbuild.stop();
const at = Deno.args.indexOf("--target");
const targets = at < 0 ? [] : Deno.args.slice(at + 1);
if (targets.length === 0) await compile("dist/baton", null);
for (const target of targets) {
  await compile(`dist/baton-${target.replace(/^bun-/, "")}`, target);
}
await Deno.remove(PARTS, { recursive: true });
