/**
 * The commands other than `run` and `version`, by their verbs. Each is loaded when it is asked for: what all of them need
 * takes longer to load than Bun does.
 */
import type { Platform } from "../../platform/platform.ts";
import type { Printer } from "../console/printer.ts";
import type { Command } from "../words/parse.ts";
import { LOCAL_COMMANDS } from "../configuration/commands.ts";
import { CHANGES, WATCHING } from "./service_commands.ts";

/** Does what the command asks for, and returns the exit status. */
type Perform<C extends Command> = (
  platform: Platform,
  command: C,
  print: Printer,
) => number | Promise<number>;

type OtherVerb = Exclude<Command["verb"], "run" | "version">;

const COMMANDS: {
  readonly [V in OtherVerb]: () => Promise<Perform<Extract<Command, { verb: V }>>>;
} = {
  ...CHANGES,
  ...WATCHING,
  stop: async () => (await import("./stop.ts")).commandStop,
  prestop: async () => (await import("./prestop.ts")).commandPrestop,
  install: async () => (await import("./install.ts")).commandInstall,
  ...LOCAL_COMMANDS,
  doctor: async () => (await import("./doctor.ts")).commandDoctor,
  init: async () => (await import("./init/init.ts")).commandInit,
  "hot-restarter": async () => (await import("./hot_restarter/command.ts")).commandHotRestarter,
  rehearse: async () => (await import("./rehearse.ts")).commandRehearse,
  help: async () => (await import("./help.ts")).commandHelp,
};

export async function performCommand(
  platform: Platform,
  command: Extract<Command, { verb: OtherVerb }>,
  print: Printer,
): Promise<number> {
  const perform = await COMMANDS[command.verb]() as Perform<typeof command>;
  return await perform(platform, command, print);
}
