/** The commands to a running service; each is loaded when it is used. */
const trial = async () => (await import("./trial.ts")).commandTrial;

/** Commands that ask a service for a change, and wait for the outcome. */
export const CHANGES = {
  reload: async () => (await import("./reload.ts")).commandReload,
  promote: trial,
  rollback: trial,
  canary: trial,
  scale: async () => (await import("./trial.ts")).commandScale,
  upgrade: async () => (await import("./upgrade.ts")).commandUpgrade,
};

/** Commands that look, and change nothing. */
export const WATCHING = {
  status: async () => (await import("./status.ts")).commandStatus,
  top: async () => (await import("./top/top.ts")).commandTop,
  events: async () => (await import("./events/command.ts")).commandEvents,
  stats: async () => (await import("./watch/stats.ts")).commandStats,
  ready: async () => (await import("./ready.ts")).commandReady,
};
