/**
 * `--hook NAME=COMMAND`: the user's commands that baton runs at given moments. Pure.
 *
 * Guarantees: a parsed hook has a known name and a command that is not empty. The shell interprets the command.
 */
import { UserError } from "./errors.ts";
import { suggest } from "./suggest.ts";

/** The moments, in the order in which a reload reaches them. */
export const HOOK_NAMES = ["pre-start", "ready", "pre-drain", "post-stop", "on-rollback"] as const;

/** When a command runs (docs/hooks.md). */
export type HookName = typeof HOOK_NAMES[number];

interface HookSpec {
  readonly name: HookName;
  /** For `sh -c`. */
  readonly command: string;
}

const FORM = `Write NAME=COMMAND, where NAME is one of ${HOOK_NAMES.join(", ")}`;

/**
 * @param text `pre-drain=curl -s http://lb/drain`
 * @throws {UserError} when the name is unknown, or the command is empty
 */
export function parseHookSpec(text: string): HookSpec {
  const at = text.indexOf("=");
  if (at < 0) {
    throw new UserError(`Cannot read hook ${JSON.stringify(text)}: there is no "=" in it`, {
      remedy: FORM,
    });
  }
  const [name, command] = [text.slice(0, at).trim(), text.slice(at + 1)];
  const known = HOOK_NAMES.find((hook) => hook === name);
  if (known === undefined) {
    const near = suggest(name, HOOK_NAMES);
    const question = near === null ? "" : `: did you mean ${near}?`;
    throw new UserError(`Unknown hook ${JSON.stringify(name)}${question}`, { remedy: FORM });
  }
  if (command.trim() === "") {
    throw new UserError(`Cannot use hook ${known}: its command is empty`, { remedy: FORM });
  }
  if (command.includes("\0")) {
    throw new UserError(`Cannot use hook ${known}: its command holds a NUL character`);
  }
  return { name: known, command };
}
