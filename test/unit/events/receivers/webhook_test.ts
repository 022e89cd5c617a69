/** What a webhook gets, and what its answers mean. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import type { EventRecord } from "../../../../src/events/event.ts";
import { outcomeOf, Webhook } from "../../../../src/events/receivers/webhook.ts";
import { certificate } from "../../../support/certificate.ts";
import { FakeClock } from "../../../support/fake_clock.ts";
import { TEST_TIMEOUT_MS } from "../../../support/limits.ts";
import { tempDir } from "../../../support/temp_dir.ts";

const RECORD: EventRecord = {
  id: 1_764_410_000_000,
  time: "2025-11-29T09:53:20.000Z",
  event: "reload.failed",
  level: "error",
  name: "web",
  message: "reload failed: \u00e9",
};

interface Seen {
  readonly method: string | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** Calls `use` with the address of a server that answers `status`, and what it gets. */
async function withServer(status: number, use: (url: string, seen: Seen[]) => Promise<void>) {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text) => body += text).on("end", () => {
      seen.push({ method: request.method, headers: request.headers, body });
      response.writeHead(status, { location: "/other", "retry-after": "7" }).end("ok");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?token=s3cret`, seen);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

function webhook(url: string, secret: string | null = null, ca: string | null = null): Webhook {
  const clock = new FakeClock();
  const certificates = () => ca;
  return new Webhook({ url, secret: () => secret, certificates, clock, version: "1.2.3" });
}

describe("Webhook", () => {
  it("posts the event as JSON", { timeout: TEST_TIMEOUT_MS }, async () => {
    await withServer(204, async (url, seen) => {
      assert.deepEqual(await webhook(url).attempt(RECORD).outcome, { kind: "done" });
      const [{ method, headers, body }] = seen as [Seen];
      assert.equal(method, "POST");
      assert.deepEqual(JSON.parse(body), RECORD);
      assert.equal(headers["content-type"], "application/json");
      assert.equal(headers["user-agent"], "baton/1.2.3");
      assert.equal(headers["webhook-id"], `web-${RECORD.id}`);
      assert.equal(headers["webhook-signature"], undefined);
    });
  });

  const key = "c2VjcmV0IGtleQ==";
  for (
    const [secret, bytes] of [[`whsec_${key}`, atob(key)], ["plain text", "plain text"]] as const
  ) {
    it(`signs it with "${secret}" as Standard Webhooks says`, {
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await withServer(200, async (url, seen) => {
        await webhook(url, secret).attempt(RECORD).outcome;
        const [{ headers, body }] = seen as [Seen];
        const content = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
        const expected = createHmac("sha256", bytes).update(content).digest("base64");
        assert.equal(headers["webhook-signature"], `v1,${expected}`);
      });
    });
  }

  it("does not follow to another address", { timeout: TEST_TIMEOUT_MS }, async () => {
    await withServer(307, async (url, seen) => {
      const outcome = await webhook(url).attempt(RECORD).outcome;
      assert.equal(outcome.kind, "refused");
      assert.equal(seen.length, 1);
    });
  });

  it("does not tell the address, where nothing listens", { timeout: TEST_TIMEOUT_MS }, async () => {
    let url = "";
    await withServer(200, (address) => Promise.resolve(void (url = address)));
    const outcome = await webhook(url).attempt(RECORD).outcome;
    assert.equal(outcome.kind, "retry");
    assert.doesNotMatch(JSON.stringify(outcome), /s3cret|\/hook/);
    assert.match(JSON.stringify(outcome), /127\.0\.0\.1:\d+/);
    assert.doesNotMatch(JSON.stringify(outcome), /Is the computer able|For more information/);
  });

  it("trusts the certificates that it is given", {
    timeout: TEST_TIMEOUT_MS,
    skip: !("Bun" in globalThis) && "Deno has a variable for that: DENO_TLS_CA_STORE",
  }, async () => {
    using dir = tempDir();
    const files = certificate(dir);
    const cert = readFileSync(files.TLS_CERT, "utf8");
    const options = { key: readFileSync(files.TLS_KEY), cert };
    const server = createSecureServer(options, (_, response) => response.writeHead(204).end());
    await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
    const url = `https://localhost:${(server.address() as AddressInfo).port}/`;
    const stranger = await webhook(url).attempt(RECORD).outcome;
    assert.match(JSON.stringify(stranger), /"retry".*certificate/);
    assert.deepEqual(await webhook(url, null, cert).attempt(RECORD).outcome, { kind: "done" });
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it("ends when it is cancelled", { timeout: TEST_TIMEOUT_MS }, async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`;
    const { outcome, cancel } = webhook(url).attempt(RECORD);
    cancel();
    const { kind } = await outcome;
    assert.equal(kind, "retry");
    silent.closeAllConnections();
    await new Promise((resolve) => silent.close(resolve));
  });
});

describe("outcomeOf()", () => {
  for (
    const [status, retryAfter, kind, afterMs] of [
      [200, null, "done", undefined],
      [301, null, "refused", undefined],
      [400, null, "refused", undefined],
      [404, "9", "refused", undefined],
      [408, null, "retry", 0],
      [429, "9", "retry", 9_000],
      [500, null, "retry", 0],
      [503, "Sun, 29 Nov 2026 10:00:00 GMT", "retry", 0],
    ] as const
  ) {
    it(`reads ${status} as ${kind}`, () => {
      const outcome = outcomeOf("host", status, retryAfter);
      assert.equal(outcome.kind, kind);
      assert.equal(outcome.kind === "retry" ? outcome.afterMs : undefined, afterMs);
    });
  }
});
