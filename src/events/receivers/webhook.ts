/**
 * `--webhook`: an event becomes a POST of its JSON. With a secret it is signed as Standard Webhooks says
 * (standardwebhooks.com): a receiver can tell that it is baton's, how old it is, and whether it had it already. The address
 * may hold a secret, too: messages name the machine only.
 */
import type { Clock } from "../../platform/clock.ts";
import { errorText } from "../../platform/error.ts";
import type { EventRecord } from "../event.ts";
import type { Receiver } from "./delivery.ts";
import type { Outcome } from "./next_try.ts";

const ANSWER_LIMIT_MS = 10_000;
const MS_PER_SECOND = 1_000;
/** Statuses below 500 that may be others the next time: too slow, too early, too many. */
const PASSING: readonly number[] = [408, 425, 429];

interface WebhookOptions {
  readonly url: string;
  /** The present secret, read at each use; null: events are not signed. */
  readonly secret: () => string | null;
  /** PEM of the authorities that count, read at each use; null: those of the runtime. Only for https. */
  readonly certificates: () => string | null;
  readonly clock: Clock;
  readonly version: string;
}

export class Webhook implements Receiver {
  readonly name = "webhook";

  constructor(readonly options: WebhookOptions) {}

  attempt(record: EventRecord): { outcome: Promise<Outcome>; cancel: () => void } {
    const controller = new AbortController();
    const { clock } = this.options;
    const limit = clock.after(
      ANSWER_LIMIT_MS,
      () => controller.abort(new Error(`no answer within ${ANSWER_LIMIT_MS / MS_PER_SECOND} s`)),
    );
    const outcome = this.#send(record, controller.signal).finally(() => limit.cancel());
    return { outcome, cancel: () => controller.abort(new Error("baton ends")) };
  }

  async #send(record: EventRecord, signal: AbortSignal): Promise<Outcome> {
    const { url, clock, version, secret, certificates } = this.options;
    const { host, protocol } = new URL(url);
    const body = JSON.stringify(record);
    const id = `${record.name}-${record.id}`;
    const timestamp = String(Math.floor(clock.wallMs() / MS_PER_SECOND));
    try {
      const key = secret();
      const signature = key === null ? null : await signatureOf(key, `${id}.${timestamp}.${body}`);
      const ca = protocol === "https:" ? certificates() : null;
      const response = await fetch(url, {
        // Bun's; Deno has the variable DENO_TLS_CA_STORE.
        ...ca !== null && { tls: { ca } },
        method: "POST",
        body,
        signal,
        redirect: "manual",
        keepalive: false,
        headers: {
          "content-type": "application/json",
          "user-agent": `baton/${version}`,
          "webhook-id": id,
          "webhook-timestamp": timestamp,
          ...signature && { "webhook-signature": signature },
        },
      });
      await response.body?.cancel();
      return outcomeOf(host, response.status, response.headers.get("retry-after"));
    } catch (error) {
      const why = signal.aborted ? errorText(signal.reason) : withoutAddress(causeOf(error), url);
      return { kind: "retry", why: `${host}: ${why}` };
    }
  }
}

export function outcomeOf(host: string, status: number, retryAfter: string | null): Outcome {
  if (status >= 200 && status < 300) return { kind: "done" };
  const why = `${host} answers ${status}`;
  if (status < 500 && !PASSING.includes(status)) {
    const isMoved = status >= 300 && status < 400;
    return { kind: "refused", why: isMoved ? `${why}: name the new address in --webhook` : why };
  }
  const seconds = /^\d{1,4}$/.test(retryAfter ?? "") ? Number(retryAfter) : 0;
  return { kind: "retry", why, afterMs: seconds * MS_PER_SECOND };
}

/** The cause of an error whose own message only says "fetch failed", without Bun's advice on how to call fetch. */
function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return errorText(cause).replace(/\.? (?:Is the computer able|For more information)\b.*$/s, "");
}

/** Takes the address out of a message: those of some runtimes hold it. */
function withoutAddress(message: string, url: string): string {
  return message.replaceAll(url, "the address").replaceAll(/https?:\/\/\S+/g, "the address");
}

/** Standard Webhooks, "v1": a secret with this prefix is in base64, any other is taken as it is. */
async function signatureOf(secret: string, content: string): Promise<string> {
  const prefix = "whsec_";
  const bytes = secret.startsWith(prefix)
    ? Uint8Array.from(atob(secret.slice(prefix.length)), (char) => char.charCodeAt(0))
    : new TextEncoder().encode(secret);
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes, algorithm, false, ["sign"]);
  const digest = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(content));
  return `v1,${btoa(String.fromCharCode(...new Uint8Array(digest)))}`;
}
