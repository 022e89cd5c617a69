/** The commands that ask a running service for a change, and wait for its outcome; each is loaded when it is used. */
const trial = async () => (await import("./trial.ts")).commandTrial;

export const CHANGES = {
  reload: async () => (await import("./reload.ts")).commandReload,
  promote: trial,
  rollback: trial,
  canary: trial,
  scale: async () => (await import("./trial.ts")).commandScale,
  upgrade: async () => (await import("./upgrade.ts")).commandUpgrade,
};
