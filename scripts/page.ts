/**
 * Makes the page at the admin address one document: page.html with its style and its script inside, and the policy that
 * allows a browser these two and requests to where the page came from, nothing else (Content Security Policy Level 3).
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import * as esbuild from "esbuild";
import type { BuiltPage } from "../src/admin/page/built_page.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const FOLDER = `${ROOT}src/admin/page/`;
/** What the oldest browsers that are supported can do: two years. */
const TARGET = ["chrome128", "firefox128", "safari17.5"];

/** @throws {Error} when it cannot be bundled, or would end early */
export async function makePage(): Promise<BuiltPage> {
  const { outputFiles: [bundle] } = await esbuild.build({
    absWorkingDir: ROOT,
    entryPoints: ["src/main_page.ts"],
    bundle: true,
    minify: true,
    format: "iife",
    platform: "browser",
    target: TARGET,
    legalComments: "none",
    write: false,
    logLevel: "warning",
  });
  const css = await readFile(`${FOLDER}page.css`, "utf8");
  const style = await esbuild.transform(css, { loader: "css", minify: true, target: TARGET });
  const html = await readFile(`${FOLDER}page.html`, "utf8");
  return assemble(html, style.code.trim(), (bundle?.text ?? "").trim());
}

/** Pure. */
export function assemble(html: string, style: string, script: string): BuiltPage {
  for (const text of [style, script]) {
    if (/<\/(style|script)|<!--/i.test(text)) {
      throw new Error("Cannot make the page: it would end early");
    }
  }
  const whole = put(put(html, "page.css", style), "page.js", script);
  return { html: whole, policy: policyFor(style, script) };
}

/** @param file whose name is there in a comment, with space around it that is not part of the text */
function put(html: string, file: string, text: string): string {
  const parts = html.split(new RegExp(`\\s*/\\* ${file} \\*/\\s*`));
  if (parts.length !== 2) throw new Error(`Cannot make the page: page.html needs one ${file}`);
  return parts.join(text);
}

function policyFor(style: string, script: string): string {
  return [
    "default-src 'none'",
    `script-src ${hash(script)}`,
    `style-src ${hash(style)}`,
    "connect-src 'self'",
    // The icon shows the state.
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
}

function hash(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}
