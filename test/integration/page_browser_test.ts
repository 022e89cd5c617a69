/**
 * Promise: in a real Chromium the page shows a reload, a failed one, a trial and a drain while they happen, steers the
 * service with a token that it forgets, and is for everybody: any width, light and dark, keyboard, screen reader. Pictures of
 * it are in `.cache/test/page/` afterwards.
 */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import axe from "axe-core";
import type { Page } from "playwright-core";
import { findChromium, openPage } from "../support/browser.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { startPageService, TOKEN } from "../support/page_service.ts";
import { REPOSITORY } from "../support/programs.ts";
import { IS_FULL } from "../support/repeats.ts";
import { waitUntil } from "../support/wait_until.ts";

const MISSING = findChromium() === null ? "there is no Chromium: apt-get install chromium" : false;
const OPTIONS = {
  skip: IS_FULL ? MISSING : "a browser takes half a minute: BATON_TEST_FULL=1",
  timeout: TEST_TIMEOUT_MS,
};
const PICTURES = join(REPOSITORY, ".cache", "test", "page");
const WIDTHS = [390, 1280, 2560] as const;
const SCHEMES = ["light", "dark"] as const;
/** 320 px: a window of 1280 px at 400 % (WCAG 2.2, 1.4.10). */
const NARROWEST = 320;

/** Waits until the element says that. */
function says(page: Page, selector: string, text: RegExp): Promise<unknown> {
  return waitUntil(async () => {
    const said = await page.locator(selector).innerText();
    if (!text.test(said)) throw new Error(`it says: ${said}`);
    return true;
  }, { what: `${selector} says ${text}` });
}

async function giveToken(page: Page, token: string): Promise<void> {
  await page.locator("#token").fill(token);
  await page.keyboard.press("Enter");
}

/** What axe-core finds against WCAG 2.2 AA and its own best practices. */
async function findings(page: Page): Promise<string[]> {
  // Not by a script element: the policy of the page refuses it.
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate("axe.run()") as axe.AxeResults;
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`)
  );
}

/** Takes its picture in each width and scheme: nothing sticks out, and axe finds nothing. */
async function lookAt(page: Page, name: string): Promise<void> {
  for (const colorScheme of SCHEMES) {
    await page.emulateMedia({ colorScheme });
    for (const width of [NARROWEST, ...WIDTHS]) {
      await page.setViewportSize({ width, height: width < 1000 ? 844 : width * 9 / 16 });
      const sticksOut = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
      assert.ok(Number(sticksOut) <= 0, `${name} sticks out by ${sticksOut} px at ${width}`);
      assert.deepEqual(await findings(page), [], `${name}, ${width}, ${colorScheme}`);
      if (width === NARROWEST) continue;
      const path = join(PICTURES, `${name}-${width}-${colorScheme}.png`);
      await page.screenshot({ path, fullPage: true });
    }
  }
  await page.setViewportSize({ width: 1280, height: 900 });
}

describe("the page in Chromium", () => {
  test(
    "shows and steers a reload, a failed one, a trial, and a drain of 1,000 connections",
    OPTIONS,
    async () => {
      mkdirSync(PICTURES, { recursive: true });
      await using service = await startPageService({ flags: ["--drain-time", "120s"] });
      await using browser = await openPage(service.url);
      const { page } = browser;
      await page.goto(`${service.url}/`);
      await says(page, "#state", /^generation 0 serves$/);
      await lookAt(page, "quiet");

      // The token: a wrong one is refused, the right one is kept in memory only.
      await page.locator("#reload").click();
      await giveToken(page, "not-the-token-of-this-service");
      await says(page, "#token-why", /token/);
      await giveToken(page, TOKEN);
      await says(page, "#outcome", /^Reloaded \(generation 1\)/);
      await says(page, "#state", /^generation 1 serves$/);
      await says(page, "#lanes", /Generation 1[^]*Generation 0/);
      await says(page, "#reload-result", /^ok$/);
      await says(page, "#events", /reload\.succeeded/);
      const kept = "JSON.stringify([localStorage.length, sessionStorage.length, document.cookie])";
      assert.equal(await page.evaluate(kept), '[0,0,""]');

      // A trial, to its end.
      await page.locator("#canary").fill("25");
      await page.locator("#reload").click();
      await says(page, "#state", /^generation 2 is on trial$/);
      await says(page, "#trial-text", /Generation 2 gets 25 % of the new connections/);
      await lookAt(page, "trial");
      await page.locator("#share").fill("50");
      await page.locator("#set-share").click();
      await says(page, "#trial-text", /gets 50 %/);
      await page.locator("#promote").click();
      await says(page, "#state", /^generation 2 serves$/);
      await page.locator("#canary").fill("");

      // A drain.
      const held = await service.hold(1_000);
      await says(page, "#figure-connections", /^1000$/);
      await page.locator("#reload").click();
      await says(page, "#state", /^generation 3 serves$/);
      await says(page, "#lanes", /Generation 2\s*draining 1000 of 1000, \d/);
      await lookAt(page, "drain");
      assert.equal(await held.release(), 1_000);
      await says(page, "#facts", /1000 finished, 0 moved, 0 cut, 0 undecided/);

      // A failure.
      service.break();
      await page.locator("#reload").click();
      await says(page, "#outcome", /^Reload failed: /);
      await says(page, "#state", /generation 3 serves, the last reload failed/);
      await says(page, "#words-text", /Cannot find module '\.\/routes'/);
      await lookAt(page, "failed");
      service.mend();

      // The end.
      await page.locator("#stop").click();
      await page.locator("#stop-cancel").click();
      await page.locator("#stop").click();
      await page.locator("#stop-confirm").click();
      await says(page, "#link-text", /^no answer/);
      await service.baton.exited;
      assert.deepEqual(browser.complaints.filter((text) => !/ERR_|net::/.test(text)), []);
    },
  );

  test("is used with the keyboard alone, and lets the token be forgotten", OPTIONS, async () => {
    await using service = await startPageService();
    await using browser = await openPage(service.url);
    const { page } = browser;
    const focused = () => page.evaluate("document.activeElement?.id ?? ''") as Promise<string>;
    const tabTo = async (id: string) => {
      for (let i = 0; i < 30 && await focused() !== id; i++) await page.keyboard.press("Tab");
      assert.equal(await focused(), id);
    };
    await page.goto(`${service.url}/`);
    await says(page, "#state", /^generation 0 serves$/);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    assert.equal(await focused(), "main");
    await tabTo("reload");
    await page.keyboard.press("Enter");
    assert.equal(await focused(), "token");
    await page.keyboard.press("Escape");
    assert.equal(await focused(), "reload");
    assert.equal((await service.baton.status()).epoch, 0);
    await page.keyboard.press("Enter");
    await page.keyboard.type(TOKEN);
    await page.keyboard.press("Enter");
    await says(page, "#spoken", /Generation 1 serves/);
    await tabTo("forget");
    await page.keyboard.press("Enter");
    assert.equal(await focused(), "reload");
    await page.keyboard.press("Enter");
    assert.equal(await focused(), "token");
    assert.deepEqual(browser.complaints, []);
  });

  test(
    "follows the service through an upgrade of baton, and after a silence",
    OPTIONS,
    async () => {
      await using service = await startPageService({ withToken: false });
      await using browser = await openPage(service.url);
      const { page } = browser;
      await page.goto(`${service.url}/`);
      await says(page, "#state", /^generation 0 serves$/);
      await says(page, "#outcome", /^This address is read-only/);
      assert.equal(await page.locator("#reload").isVisible(), false);
      await lookAt(page, "read-only");
      assert.equal((await service.baton.cli("upgrade", "web", "--in-place")).code, 0);
      await says(page, "#meta", /1 baton before it/);
      await says(page, "#link-text", /^live$/);
      assert.equal((await service.baton.cli("reload", "web")).code, 0);
      await says(page, "#state", /^generation 1 serves$/);
    },
  );
});
