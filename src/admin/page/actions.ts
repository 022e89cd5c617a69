/** The buttons: each is one request, made with the token where one is needed, and its outcome is shown and said. */
import type { Access } from "./built_page.ts";
import { byId, setAttribute, setText, show } from "./dom.ts";
import { noAnswer, type Outcome, outcomeOf, type Request } from "./outcomes.ts";
import { counted } from "./texts.ts";
import { TokenDialog } from "./token_dialog.ts";
import type { SummaryReply } from "../replies.ts";

interface ActionsParts {
  readonly access: Access;
  /** Sends a POST. */
  readonly send: (path: string, token: string | null) => Promise<{ status: number; body: unknown }>;
  /** The service may have changed. */
  readonly changed: () => void;
}

const TONES = { ok: "good", failed: "bad", token: "bad", "read-only": "warn" } as const;
const READ_ONLY =
  "This address is read-only: start baton with --admin-token-file FILE to act from here.";

export class Actions {
  readonly #tokens = new TokenDialog();
  readonly #outcome = byId("outcome", HTMLElement);
  readonly #reload = byId("reload", HTMLButtonElement);
  readonly #workers = byId("workers", HTMLInputElement);
  readonly #trialRow = byId("trial-actions", HTMLElement);
  /** The number of workers in its field is the user's. */
  #hasTyped = false;

  constructor(readonly parts: ActionsParts) {
    const isReadOnly = parts.access === "read-only";
    show(byId("actions", HTMLElement), !isReadOnly);
    if (isReadOnly) this.#say(READ_ONLY, "none");
    this.#on("reload", () => {
      const canary = numberIn("canary");
      if (canary === undefined) return null;
      const path = canary === null ? "reload" : `reload?canary=${canary}`;
      return { what: "Reload", done: "Reloaded", path };
    });
    this.#on("promote", () => ({ what: "Promotion", done: "Promoted", path: "promote" }));
    this.#on("rollback", () => ({ what: "Roll-back", done: "Rolled back", path: "rollback" }));
    this.#on("set-share", () => {
      const percent = numberIn("share") ?? null;
      if (percent === null) return null;
      const done = `The share is ${percent} %`;
      return { what: `Share of ${percent} %`, done, path: `canary?percent=${percent}` };
    });
    this.#on("scale", () => {
      const count = numberIn("workers") ?? null;
      this.#hasTyped = false;
      if (count === null) return null;
      const done = `${counted(count, "worker")} from now on`;
      return { what: `Scale to ${count}`, done, path: `scale?workers=${count}` };
    });
    this.#workers.addEventListener("input", () => this.#hasTyped = true);
    const dialog = byId("stop-dialog", HTMLDialogElement);
    byId("stop", HTMLButtonElement).addEventListener("click", () => dialog.showModal());
    byId("stop-cancel", HTMLButtonElement).addEventListener("click", () => dialog.close());
    this.#on("stop-confirm", () => {
      dialog.close();
      return { what: "Stop", done: "The stop has begun", path: "stop" };
    });
  }

  update({ trial, workers }: SummaryReply): void {
    // Whose button has just ended the trial is not thrown to the top of the page.
    const hasFocus = this.#trialRow.contains(document.activeElement);
    if (trial === null && hasFocus) this.#reload.focus();
    show(this.#trialRow, trial !== null);
    if (this.#hasTyped || document.activeElement === this.#workers) return;
    this.#workers.value = String(workers.wanted);
  }

  /** @param request of a click; null: what was written is no number */
  #on(id: string, request: () => Request | null): void {
    const button = byId(id, HTMLButtonElement);
    button.addEventListener("click", async () => {
      // Not `disabled`, which would take the focus away.
      if (button.getAttribute("aria-disabled") === "true") return;
      const asked = request();
      if (asked === null) return;
      setAttribute(button, "aria-disabled", "true");
      try {
        await this.#do(asked);
      } finally {
        setAttribute(button, "aria-disabled", null);
        this.parts.changed();
      }
    });
  }

  async #do(request: Request): Promise<void> {
    if (!await this.#authorize(null)) return;
    let outcome = await this.#send(request);
    while (outcome.kind === "token") {
      if (!await this.#authorize(outcome.text)) return this.#say("", "none");
      outcome = await this.#send(request);
    }
    this.#say(outcome.text, TONES[outcome.kind]);
  }

  /** @param why the token before was refused @returns false: there is none */
  async #authorize(why: string | null): Promise<boolean> {
    const needsOne = why !== null || (this.parts.access === "token" && this.#tokens.token === null);
    return !needsOne || await this.#tokens.ask(why) !== null;
  }

  async #send(request: Request): Promise<Outcome> {
    this.#say(`${request.what} is under way ...`, "none");
    try {
      const answer = this.parts.send(`/v1/${request.path}`, this.#tokens.token);
      this.parts.changed();
      const { status, body } = await answer;
      return outcomeOf(request, status, body);
    } catch (error) {
      return noAnswer(request, error);
    }
  }

  #say(text: string, tone: "good" | "warn" | "bad" | "none"): void {
    setText(this.#outcome, text);
    setAttribute(this.#outcome, "data-tone", tone);
  }
}

/** @returns null: it is empty; undefined: it is no number that is allowed, and the browser has said so */
function numberIn(id: string): number | null | undefined {
  const input = byId(id, HTMLInputElement);
  if (!input.reportValidity()) return undefined;
  return Number.isNaN(input.valueAsNumber) ? null : input.valueAsNumber;
}
