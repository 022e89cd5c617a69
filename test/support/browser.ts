/** A real Chromium, without a window, that a test drives: Debian's package, by playwright-core. */
import process from "node:process";
import { type Browser, chromium, type Page } from "playwright-core";
import { which } from "./programs.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
const START_LIMIT_MS = 60_000;

export function findChromium(): string | null {
  return NAMES.map(which).find((path) => path !== null) ?? null;
}

export interface BrowserPage extends AsyncDisposable {
  readonly page: Page;
  /** What the browser has complained about: errors, breaches of the policy, and requests to elsewhere. */
  readonly complaints: string[];
}

/** @param allowed the only place that it may ask @throws {Error} when there is no Chromium: ask `findChromium()` */
export async function openPage(allowed: string): Promise<BrowserPage> {
  const browser = await start();
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("console", (message) => {
    // Answers that are no success are what some steps are about.
    const isAnswer = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !isAnswer) complaints.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(`${allowed}/`) && !url.startsWith("data:")) complaints.push(`asks ${url}`);
  });
  return {
    page,
    complaints,
    [Symbol.asyncDispose]: () => browser.close(),
  };
}

function start(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === null) throw new Error("Cannot open a page: there is no Chromium");
  // Its sandbox does not run as root.
  const chromiumSandbox = process.getuid?.() !== 0;
  return chromium.launch({ executablePath, chromiumSandbox, timeout: START_LIMIT_MS });
}
