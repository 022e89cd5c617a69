/** The commands that say something about baton itself and start nothing; each is loaded when it is used. */
export const LOCAL_COMMANDS = {
  check: async () => (await import("./check.ts")).commandCheck,
  completions: async () => (await import("../completion/command.ts")).commandCompletions,
  schema: async () => (await import("./schema.ts")).commandSchema,
};
