/**
 * Envoy's own hot restart is incompatible with a restarter that keeps the sockets. Pure.
 *
 * With `--restart-epoch N` for N > 0 a new Envoy takes the old one's sockets over by its own protocol and never binds:
 * baton sees no listener, so the new Envoy does not pass its gate, while the old one has already stopped accepting.
 * Measured with Envoy 1.36.2 and 1.40.0: neither serves after such a reload, whether the new generation succeeds or not.
 * Epoch 0 is Envoy's default and contacts no other process.
 */
import { UserError } from "./values/errors.ts";
import { withoutWrappers } from "./servers/command_line.ts";
import { isShell } from "./servers/shell_script.ts";
import { baseName } from "./servers/wrappers.ts";

const OPTION = "--restart-epoch";
const DISABLED = "--disable-hot-restart";
const ENVOY = /(^|[-_.${])envoy([-_.}]|$)|^func-e$/i;

/** @returns the words without the option and its value, and with hot restart off; null: nothing is wrong */
function corrected(words: readonly string[]): string[] | null {
  const program = words.findIndex((word) => ENVOY.test(baseName(word)));
  const at = words.findIndex((word) => word === OPTION || word.startsWith(`${OPTION}=`));
  if (program < 0 || at < program || words.includes(DISABLED)) return null;
  const isOneWord = words[at] !== OPTION;
  const value = isOneWord ? words[at]!.slice(OPTION.length + 1) : words[at + 1];
  if (/^0+$/.test(value ?? "")) return null;
  // In a script, an empty variable leaves the option without a value: the next word is another option.
  const length = isOneWord || value === undefined || value.startsWith("-") ? 1 : 2;
  return [...words.slice(0, at), ...words.slice(at + length), DISABLED];
}

/** Splits a shell script into its commands, without quotes. */
function shellCommands(text: string): string[][] {
  return text.replaceAll("\\\n", " ").replace(/^\s*#.*$/gm, "").split(/[;&|\n()]+/).map((line) =>
    line.replace(/["']/g, "").trim().split(/\s+/)
  );
}

function inlineCommands(command: readonly string[]): string[][] {
  if (!isShell(withoutWrappers(command)[0] ?? "")) return [];
  const at = command.findIndex((word) => /^-[a-z]*c$/.test(word));
  return at < 0 ? [] : shellCommands(command[at + 1] ?? "");
}

/** @param script that the commands are in; null: the command line */
function refuse(commands: readonly (readonly string[])[], script: string | null): void {
  const works = commands.map(corrected).find((words) => words !== null);
  if (!works) return;
  throw new UserError(
    `Cannot run Envoy with ${OPTION}${
      script === null ? "" : ` (in ${script})`
    }: the new Envoy would take the old one's sockets by Envoy's own hot ` +
      "restart, behind baton's back, and then neither of them serves",
    {
      remedy: script === null
        ? `Leave the handoff to baton: ${works.join(" ")} ` +
          `(or, in place of ${DISABLED}, --use-dynamic-base-id)`
        : `Run the script as it is: baton hot-restarter --safe ${script}; with run and init ` +
          `--preset envoy --restart-epoch 0 means that (or let it say: ${works.join(" ")})`,
    },
  );
}

/** @returns the word of a command that may be a shell script: its program, or the first operand of a shell */
function scriptIn(command: readonly string[]): string | null {
  const program = withoutWrappers(command)[0] ?? "";
  if (!isShell(program)) return program;
  const behind = command.slice(command.indexOf(program) + 1);
  const script = behind.find((word) => !word.startsWith("-")) ?? null;
  return behind.some((word) => /^-[a-z]*c$/.test(word)) ? null : script;
}

interface StartedService {
  readonly command: readonly string[];
  readonly restartEpoch: string;
  readonly shutdownOnly: boolean;
}

/**
 * Looks into the start script that a command may be: hot-restarter.py, which baton replaces, starts one.
 * @param directory of the server
 * @param read the beginning of a file; null: it cannot be read, which is no reason to refuse
 * @throws {UserError} for a shell script that uses Envoy's own hot restart
 */
export function checkEnvoyScript(
  { command, restartEpoch, shutdownOnly }: StartedService,
  directory: string,
  read: (path: string) => string | null,
): void {
  // With epoch 0 it is always the first one of its kind; with --shutdown-only it never has a second one beside it.
  if (restartEpoch === "0" || shutdownOnly) return;
  const script = scriptIn(command);
  if (script === null) return;
  const text = read(script.startsWith("/") ? script : `${directory}/${script}`) ?? "";
  if (/^#!.*sh\b/.test(text)) refuse(shellCommands(text), script);
}

/**
 * @param command of a server whose next generation will run beside it
 * @throws {UserError} when it uses Envoy's own hot restart
 */
export function checkEnvoyEpoch(command: readonly string[]): void {
  refuse([command, ...inlineCommands(command)], null);
}
