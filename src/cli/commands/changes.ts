/** The commands that ask a running service for a change, and wait for its outcome. */
import { commandReload } from "./reload.ts";
import { commandScale } from "./scale.ts";
import { commandTrial } from "./trial.ts";
import { commandUpgrade } from "./upgrade.ts";

export const CHANGES = {
  reload: commandReload,
  promote: commandTrial,
  rollback: commandTrial,
  canary: commandTrial,
  scale: commandScale,
  upgrade: commandUpgrade,
};
