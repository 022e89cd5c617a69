/** The buttons: each is one request, made with the token where one is needed, and its outcome is shown and said. */
import type { Access } from "./built_page.ts";
import { byId, setAttribute, setText, show } from "./dom.ts";
import { noAnswer, type Outcome, outcomeOf, type Request } from "./outcomes.ts";
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
  readonly #stopDialog = byId("stop-dialog", HTMLDialogElement);
  readonly #buttons = new Map<string, HTMLButtonElement>();
  readonly #underWay = new Set<string>();
  #hasTyped = false;

  constructor(readonly parts: ActionsParts) {
    const isReadOnly = parts.access === "read-only";
    show(byId("actions", HTMLElement), !isReadOnly);
    if (isReadOnly) this.#say(READ_ONLY, "none");
    this.#on("reload", () => this.#do({ what: "Reload", path: this.#reloadPath() }));
    this.#on("promote", () => this.#do({ what: "Promotion", path: "promote" }));
    this.#on("rollback", () => this.#do({ what: "Roll-back", path: "rollback" }));
    this.#on("set-share", () =>
      this.#withNumber("share", (percent) => ({
        what: `Share of ${percent} %`,
        path: `canary?percent=${percent}`,
      })));
    const workers = byId("workers", HTMLInputElement);
    workers.addEventListener("input", () => this.#hasTyped = true);
    this.#on("scale", () => {
      this.#hasTyped = false;
      this.#withNumber("workers", (count) => ({
        what: `Scale to ${count}`,
        path: `scale?workers=${count}`,
      }));
    });
    this.#on("stop", () => this.#stopDialog.showModal());
    byId("stop-cancel", HTMLButtonElement).addEventListener(
      "click",
      () => this.#stopDialog.close(),
    );
    byId("stop-confirm", HTMLButtonElement).addEventListener("click", () => {
      this.#stopDialog.close();
      void this.#do({ what: "Stop", path: "stop" });
    });
  }

  update({ trial, workers }: SummaryReply): void {
    const row = byId("trial-actions", HTMLElement);
    // Whose button has just ended the trial is not thrown to the top of the page.
    if (trial === null && row.contains(document.activeElement)) {
      this.#buttons.get("reload")?.focus();
    }
    show(row, trial !== null);
    const input = byId("workers", HTMLInputElement);
    if (!this.#hasTyped && document.activeElement !== input) input.value = String(workers.wanted);
  }

  #on(id: string, act: () => void): void {
    const button = byId(id, HTMLButtonElement);
    this.#buttons.set(id, button);
    button.addEventListener("click", () => {
      if (button.getAttribute("aria-disabled") !== "true") act();
    });
  }

  #reloadPath(): string {
    const canary = byId("canary", HTMLInputElement);
    if (!canary.reportValidity()) return "";
    return canary.value === "" ? "reload" : `reload?canary=${canary.valueAsNumber}`;
  }

  #withNumber(id: string, request: (value: number) => Request): void {
    const input = byId(id, HTMLInputElement);
    if (!input.reportValidity()) return;
    if (Number.isNaN(input.valueAsNumber)) return this.#say("Write a number first.", "warn");
    void this.#do(request(input.valueAsNumber));
  }

  async #do(request: Request): Promise<void> {
    if (request.path === "") return;
    const name = request.path.replace(/\?.*/, "");
    const button = this.#buttons.get(name === "canary" ? "set-share" : name);
    if (this.#underWay.has(name) || button === undefined) return;
    this.#underWay.add(name);
    try {
      if (!await this.#authorize(null)) return;
      setAttribute(button, "aria-disabled", "true");
      let outcome = await this.#send(request);
      while (outcome.kind === "token") {
        if (!await this.#authorize(outcome.text)) return this.#say("", "none");
        outcome = await this.#send(request);
      }
      this.#say(outcome.text, TONES[outcome.kind]);
    } finally {
      setAttribute(button, "aria-disabled", null);
      this.#underWay.delete(name);
      this.parts.changed();
    }
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
