/**
 * Builds dist/: one bundle for each runtime with esbuild, and the standalone binary with Bun.
 *
 *   deno run -A scripts/build.ts [--target bun-linux-arm64 ...]
 */
import * as esbuild from "esbuild";
import { VERSION } from "../src/cli/version.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const BUN = `${ROOT}node_modules/.bin/bun`;

async function bundle(entry: string, outfile: string): Promise<void> {
  await esbuild.build({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "esnext",
    external: ["bun:ffi", "node:*"],
    legalComments: "none",
    logLevel: "warning",
  });
}

/** By rename: whoever runs the old binary goes on, whoever starts one gets a whole one. */
async function compile(outfile: string, target: string | null): Promise<void> {
  const temporary = `${outfile}.${Deno.pid}.new`;
  const { success } = await new Deno.Command(BUN, {
    args: [
      "build",
      "--compile",
      "--minify-syntax",
      // A `.env` or bunfig.toml in the working directory is the server's, not baton's.
      "--no-compile-autoload-dotenv",
      "--no-compile-autoload-bunfig",
      ...(target === null ? [] : [`--target=${target}`]),
      "dist/baton.bun.js",
      "--outfile",
      temporary,
    ],
    cwd: ROOT,
    stdout: "null",
    stderr: "inherit",
  }).spawn().status;
  if (!success) throw new Error(`Cannot compile ${outfile}: bun build failed`);
  await Deno.rename(`${ROOT}${temporary}`, `${ROOT}${outfile}`);
}

const manifest = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
if (manifest.version !== VERSION) {
  throw new Error(
    `Cannot build: deno.json says ${manifest.version}, src/cli/version.ts ${VERSION}`,
  );
}
await bundle("src/main_bun.ts", "dist/baton.bun.js");
await bundle("src/main_deno.ts", "dist/baton.deno.js");
await esbuild.stop();
const at = Deno.args.indexOf("--target");
const targets = at < 0 ? [] : Deno.args.slice(at + 1);
if (targets.length === 0) await compile("dist/baton", null);
for (const target of targets) {
  await compile(`dist/baton-${target.replace(/^bun-/, "")}`, target);
}
