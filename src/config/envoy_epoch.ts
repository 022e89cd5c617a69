/**
 * Envoy's own hot restart does not go together with a restarter that keeps the sockets. Pure.
 *
 * With `--restart-epoch N` for N > 0 a new Envoy takes the old one's sockets by a protocol of its own and never binds:
 * baton sees no listener of it, so its gate is not passed, while the old Envoy has stopped accepting already. Measured
 * with Envoy 1.36.2 and 1.40.0: neither serves after such a reload, whatever becomes of the new generation. Epoch 0 is
 * Envoy's default and asks no other process for anything.
 */
import { UserError } from "./values/errors.ts";
import { commandTarget } from "./presets.ts";

const OPTION = "--restart-epoch";
const DISABLED = "--disable-hot-restart";
const ENVOY = /(^|[-_.${])envoy([-_.}]|$)|^func-e$/i;
const SHELL = /^(ba|da|a|z|k|mk|busybox)?sh$|^busybox$/;

function baseName(word: string): string {
  return word.slice(word.lastIndexOf("/") + 1);
}

/** @returns the words with the option and its value taken out, and hot restart off; null: nothing is wrong */
function cure(words: readonly string[]): string[] | null {
  const program = words.findIndex((word) => ENVOY.test(baseName(word)));
  const at = words.findIndex((word) => word === OPTION || word.startsWith(`${OPTION}=`));
  if (program < 0 || at < program || words.includes(DISABLED)) return null;
  const isOneWord = words[at] !== OPTION;
  const value = isOneWord ? words[at]!.slice(OPTION.length + 1) : words[at + 1];
  if (/^0+$/.test(value ?? "")) return null;
  // Where the variable was empty the next word is an option of its own.
  const length = isOneWord || value === undefined || value.startsWith("-") ? 1 : 2;
  return [...words.slice(0, at), ...words.slice(at + length), DISABLED];
}

/** What a shell is told to run, command by command; quotes are of no interest here. */
function shellCommands(text: string): string[][] {
  return text.replaceAll("\\\n", " ").replace(/^\s*#.*$/gm, "").split(/[;&|\n()]+/).map((line) =>
    line.replace(/["']/g, "").trim().split(/\s+/)
  );
}

function inlineCommands(command: readonly string[]): string[][] {
  if (!SHELL.test(baseName(commandTarget(command).program))) return [];
  const at = command.findIndex((word) => /^-[a-z]*c$/.test(word));
  return at < 0 ? [] : shellCommands(command[at + 1] ?? "");
}

function refuse(commands: readonly (readonly string[])[], where: string): void {
  const works = commands.map(cure).find((words) => words !== null);
  if (!works) return;
  throw new UserError(
    `Cannot run Envoy with ${OPTION}${where}: the new Envoy would take the old one's sockets by Envoy's own hot ` +
      "restart, behind baton's back, and then neither of them serves",
    {
      remedy: `Leave the hand-over to baton: ${works.join(" ")} ` +
        `(or, in place of ${DISABLED}, --use-dynamic-base-id)`,
    },
  );
}

/** @returns the word of a command that may be a shell script: its program, or what a shell is given */
export function scriptIn(command: readonly string[]): string | null {
  const { program } = commandTarget(command);
  if (!SHELL.test(baseName(program))) return program;
  const behind = command.slice(command.indexOf(program) + 1);
  const script = behind.find((word) => !word.startsWith("-")) ?? null;
  return behind.some((word) => /^-[a-z]*c$/.test(word)) ? null : script;
}

/**
 * @param text the beginning of that file
 * @throws {UserError} where it is a shell script that asks for Envoy's own hot restart
 */
export function checkEnvoyScript(path: string, text: string): void {
  if (/^#!.*sh\b/.test(text)) refuse(shellCommands(text), ` (in ${path})`);
}

/**
 * @param command of a server that baton is to start beside itself
 * @throws {UserError} where it asks for Envoy's own hot restart
 */
export function checkEnvoyEpoch(command: readonly string[]): void {
  refuse([command, ...inlineCommands(command)], "");
}
