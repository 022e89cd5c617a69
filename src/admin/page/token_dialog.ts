/** Asks for the token, and keeps it in memory: not in a cookie, nor in any storage of the browser. */
import { byId, setText, show } from "./dom.ts";

const WHY = "This changes the service, so it takes a token from the file of --admin-token-file.";

export class TokenDialog {
  #token: string | null = null;
  readonly #dialog = byId("token-dialog", HTMLDialogElement);
  readonly #input = byId("token", HTMLInputElement);
  readonly #forget = byId("forget", HTMLButtonElement);
  readonly #state = byId("token-state", HTMLElement);
  #answer: (token: string | null) => void = () => {};

  constructor() {
    byId("token-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#finish(this.#input.value.trim());
    });
    byId("token-cancel", HTMLButtonElement).addEventListener("click", () => this.#finish(null));
    // Escape.
    this.#dialog.addEventListener("close", () => this.#answer(null));
    this.#forget.addEventListener("click", () => this.forget());
  }

  get token(): string | null {
    return this.#token;
  }

  /** @param why in place of the usual text: the token before was refused @returns null: it was cancelled */
  ask(why: string | null): Promise<string | null> {
    setText(byId("token-why", HTMLElement), why ?? WHY);
    this.#input.value = "";
    this.#dialog.showModal();
    this.#input.focus();
    return new Promise((resolve) => this.#answer = resolve);
  }

  forget(): void {
    this.#token = null;
    this.#show();
  }

  #finish(token: string | null): void {
    if (token === "") return;
    this.#token = token ?? this.#token;
    this.#input.value = "";
    this.#answer(token);
    this.#answer = () => {};
    this.#dialog.close();
    this.#show();
  }

  #show(): void {
    setText(this.#state, this.#token === null ? "" : "A token is kept in this page. ");
    const hadFocus = document.activeElement === this.#forget;
    show(this.#forget, this.#token !== null);
    if (hadFocus && this.#token === null) byId("reload", HTMLButtonElement).focus();
  }
}
