/** Promise: the page at the admin address is one document under a strict policy, and knows what may be done from it. */
import assert from "node:assert/strict";
import { type OutgoingHttpHeaders, request } from "node:http";
import { describe, test } from "node:test";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { startPageService } from "../support/page_service.ts";

const OPTIONS = { timeout: TEST_TIMEOUT_MS };

/** @returns what may be done from it, as the page says */
function accessIn(html: string): string {
  return /<html lang="en" data-access="([a-z-]+)">/.exec(html)?.[1] ?? html.slice(0, 200);
}

/** By the control socket, as a forwarded port leads to it (ssh -L). */
function bySocket(
  socketPath: string,
  method: string,
  path: string,
  headers: OutgoingHttpHeaders,
): Promise<{ status: number | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    request({ socketPath, method, path, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk) => text += chunk);
      response.on("end", () => resolve({ status: response.statusCode, text })).on("error", reject);
    }).on("error", reject).end();
  });
}

describe("the page", () => {
  test("is served with its policy, and asks for a token", OPTIONS, async () => {
    await using service = await startPageService();
    const answer = await fetch(`${service.url}/`);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("content-type"), "text/html; charset=utf-8");
    assert.match(
      answer.headers.get("content-security-policy") ?? "",
      /^default-src 'none'; script-src 'sha256-[\w+/=]+'; style-src 'sha256-[\w+/=]+'; connect-src 'self';/,
    );
    assert.equal(accessIn(await answer.text()), "token");
  });

  test(
    "is read-only where there is no token, and needs none on the control socket",
    OPTIONS,
    async () => {
      await using service = await startPageService({ withToken: false });
      assert.equal(accessIn(await (await fetch(`${service.url}/`)).text()), "read-only");
      const refused = await fetch(`${service.url}/v1/reload`, { method: "POST" });
      assert.equal(refused.status, 403);
      const { socketPath } = service.baton;
      const host = "localhost:9000";
      const { text } = await bySocket(socketPath, "GET", "/", { host });
      assert.equal(accessIn(text), "open");
      const foreign = { host, origin: "https://evil.example.com" };
      assert.equal((await bySocket(socketPath, "POST", "/v1/reload", foreign)).status, 403);
      const own = { host, origin: `http://${host}` };
      assert.equal((await bySocket(socketPath, "POST", "/v1/reload", own)).status, 200);
    },
  );
});
