/** The commands other than `run`, by their verbs. */
import type { Platform } from "../../platform/platform.ts";
import type { Printer } from "../console/printer.ts";
import type { Command } from "../words/parse.ts";
import { CHANGES } from "./changes.ts";
import { commandDoctor } from "./doctor.ts";
import { commandHelp, commandVersion } from "./help.ts";
import { commandInit } from "./init.ts";
import { commandInstall } from "./install.ts";
import { commandPrestop } from "./prestop.ts";
import { commandReady } from "./ready.ts";
import { commandRehearse } from "./rehearse.ts";
import { commandStatus } from "./status.ts";
import { commandStop } from "./stop.ts";

/** Does what the command asks for, and returns the exit status. */
type Perform<C extends Command> = (
  platform: Platform,
  command: C,
  print: Printer,
) => number | Promise<number>;

type OtherVerb = Exclude<Command["verb"], "run">;

const COMMANDS: { readonly [V in OtherVerb]: Perform<Extract<Command, { verb: V }>> } = {
  ...CHANGES,
  status: commandStatus,
  stop: commandStop,
  ready: commandReady,
  prestop: commandPrestop,
  install: commandInstall,
  doctor: commandDoctor,
  init: commandInit,
  rehearse: commandRehearse,
  help: commandHelp,
  version: commandVersion,
};

export const performCommand: Perform<Extract<Command, { verb: OtherVerb }>> = (
  platform,
  command,
  print,
) => (COMMANDS[command.verb] as Perform<typeof command>)(platform, command, print);
