/** The page as one document: it holds all that it needs, and its policy allows that and nothing else. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { stop } from "esbuild";
import { assemble, makePage } from "../../../../scripts/page.ts";

const PLACES = "<style>\n/* page.css */ </style><script>\n/* page.js */\n</script>";

describe("the page", () => {
  test("names no other place, and runs and paints what its policy has the hashes of", async () => {
    const { html, policy } = await makePage();
    await stop();
    for (const [tag, directive] of [["script", "script-src"], ["style", "style-src"]] as const) {
      const found = [...html.matchAll(new RegExp(`<${tag}>([^]*?)</${tag}>`, "g"))];
      assert.equal(found.length, 1, tag);
      const digest = createHash("sha256").update(found[0]?.[1] ?? "").digest("base64");
      assert.ok(policy.includes(`${directive} 'sha256-${digest}';`), `${policy} lacks ${digest}`);
    }
    assert.ok(!/unsafe|\*|https?:/.test(policy), policy);
    const markup = html.replace(/<(script|style)>[^]*?<\/\1>/g, "");
    assert.doesNotMatch(markup, /\s(on\w+|style)=/i, "the policy would refuse it");
    for (const [, place = ""] of markup.matchAll(/\s(?:src|href|action)="([^"]*)"/g)) {
      assert.match(place, /^(#|data:|\/[a-z])/);
    }
    assert.doesNotMatch(html, /url\(|@import|innerHTML|insertAdjacentHTML|document\.write|eval\(/);
  });

  test("a name that its script looks for is in its document, once", () => {
    const folder = new URL("../../../../src/admin/page/", import.meta.url).pathname;
    const html = readFileSync(`${folder}page.html`, "utf8");
    const ids = [...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
    assert.deepEqual(ids, [...new Set(ids)]);
    for (const [, ref = ""] of html.matchAll(/\s(?:aria-labelledby|for)="([^"]+)"/g)) {
      assert.ok(ids.includes(ref), ref);
    }
  });

  test("is refused where it would end early", () => {
    for (const text of ["a</script>", "a</STYLE>", "<!-- a"]) {
      assert.throws(() => assemble(PLACES, "", text), /end early/);
      assert.throws(() => assemble(PLACES, text, ""), /end early/);
    }
    assert.throws(() => assemble("<style></style>", "", ""), /needs one/);
  });

  test("a dollar in the script is a dollar in the page", () => {
    assert.match(assemble(PLACES, "", "const a = `$&$1`").html, /`\$&\$1`/);
  });
});
