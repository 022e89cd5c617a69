/**
 * Who may import whom in `src/`, written down once (docs/architecture.md explains the layers).
 *
 * A folder that is not in `LAYERS`, a module that is not in `MODULES` and an import that is not
 * allowed here are findings of `check_imports.ts`. To allow one is a decision: it belongs into this
 * table, with the reason in its commit.
 */

/** A file's single permission beyond its folder's row. */
export interface Grant {
  /** Relative to `src/`. */
  readonly file: string;
  /** Folders, or single files. */
  readonly imports: readonly string[];
  readonly why: string;
}

/** A known breach of a rule, which the check reports as such and does not fail on. */
export interface Exception {
  readonly file: string;
  /** The rule's name, as in a finding, and what its message has in it. */
  readonly rule: string;
  readonly about: string;
  readonly why: string;
}

export interface Rules {
  readonly layers: Readonly<Record<string, readonly string[]>>;
  readonly entries: Readonly<Record<string, readonly string[]>>;
  readonly grants: readonly Grant[];
  readonly reserved: Readonly<Record<string, readonly string[]>>;
  readonly modules: Readonly<Record<string, readonly string[]>>;
  readonly pure: readonly string[];
  readonly isolated: readonly (readonly string[])[];
  readonly globals: Readonly<Record<string, readonly string[]>>;
  readonly exceptions: readonly Exception[];
  readonly maxLines: number;
}

/**
 * Folder -> the folders it may import, from the bottom up. "folder/file.ts (types)" is one file,
 * of which only types may be imported. handoff, health, drain, systemd, kubernetes, upgrade and
 * takeover never know each other: the supervisor brings them together.
 */
const LAYERS = {
  platform: [],
  config: [],
  lifecycle: [],
  log: ["platform"],
  steering: ["platform"],
  launcher: ["platform"],
  init: ["config", "kubernetes/budget.ts"],
  systemd: ["platform"],
  upgrade: [
    ...["launcher/resolve.ts", "platform", "steering"],
    ...["lifecycle/state.ts (types)", "supervisor/snapshot.ts (types)", "migrate/kept.ts"],
  ],
  takeover: ["platform", "steering"],
  migrate: ["platform", "steering", "drain/classify.ts"],
  kubernetes: ["platform"],
  health: ["config", "platform"],
  drain: ["platform", "steering"],
  hooks: ["config", "platform", "launcher"],
  handoff: ["config", "platform", "steering"],
  supervisor: [
    ...["config", "lifecycle", "log", "steering", "launcher", "platform"],
    ...[
      "handoff",
      "health",
      "hooks",
      "drain",
      "migrate",
      "systemd",
      "kubernetes",
      "upgrade",
      "takeover",
    ],
  ],
  admin: [
    "platform",
    "supervisor/snapshot.ts (types)",
    "lifecycle/vocabulary.ts (types)",
    "lifecycle/rollout.ts (types)",
    "config/duration.ts",
  ],
  cli: ["admin", "config", "init", "supervisor", "log", "platform"],
} as const;

/** Files directly in `src/`: each runtime has its own, so that no bundle holds the other's part. */
const ENTRIES = {
  "main_bun.ts": ["cli/run.ts", "platform/runtime/bun.ts"],
  "main_deno.ts": ["cli/run.ts", "platform/runtime/deno.ts"],
} as const;

const GRANTS: readonly Grant[] = [
  {
    file: "cli/command_run.ts",
    imports: ["handoff", "steering", "systemd", "upgrade", "takeover"],
    why: "the place where the parts are made and given to the supervisor",
  },
  {
    file: "cli/command_check_state.ts",
    imports: ["upgrade"],
    why: "says whether this baton could go on with a state",
  },
  {
    file: "cli/working_directory.ts",
    imports: ["upgrade/resume_state.ts"],
    why: "what baton found where it was started travels with the state",
  },
  {
    file: "cli/names.ts",
    imports: ["systemd", "upgrade/keeper.ts", "upgrade/holder_vault.ts"],
    why: "what outlives a baton is found by a name too: a holder's, or the unit's",
  },
  {
    file: "cli/left.ts",
    imports: ["handoff/resident.ts", "systemd", "upgrade"],
    why: "what the baton before has left decides what is made",
  },
  {
    file: "cli/migration.ts",
    imports: ["handoff", "migrate", "steering"],
    why: "decides whether there is a move at all, before there is a supervisor",
  },
  {
    file: "cli/activation.ts",
    imports: ["handoff", "systemd"],
    why: "the sockets of the service manager become listeners before anything else is made",
  },
  {
    file: "cli/takeover.ts",
    imports: ["takeover"],
    why: "finds the old baton before there is a supervisor",
  },
  {
    file: "cli/choose_trap.ts",
    imports: ["handoff/capabilities.ts"],
    why: "asks what the handoff can do here, before there is a supervisor",
  },
  {
    file: "cli/command_doctor.ts",
    imports: ["handoff/capabilities.ts"],
    why: "asks what the handoff could do here, without a supervisor",
  },
  {
    file: "cli/pod_setup.ts",
    imports: ["kubernetes"],
    why: "refuses an impossible budget before anything was started, and watches files",
  },
  {
    file: "cli/prestop_wait.ts",
    imports: ["drain/port_watch.ts"],
    why: "watches the ports of a pod in which no supervisor runs",
  },
  {
    file: "cli/command_init.ts",
    imports: ["launcher/resolve.ts"],
    why: "a unit names this very program by its full path",
  },
  {
    file: "cli/run.ts",
    imports: ["launcher", "upgrade"],
    why: "launcher, holder and the trial of an upgrade are this same program under hidden verbs",
  },
  {
    file: "cli/exit_status.ts",
    imports: ["launcher/resolve.ts", "lifecycle/status.ts"],
    why: "every exit status in one table, also those of the parts",
  },
];

/** Files that only these may import, whatever the folders allow. A folder stands for its files. */
const RESERVED = {
  "platform/runtime/bun.ts": ["main_bun.ts"],
  "platform/runtime/deno.ts": ["main_deno.ts"],
  "platform/runtime/poll_thread_source.ts": ["platform/runtime"],
  "platform/runtime/given.ts": ["platform/runtime"],
  "platform/libc/libc.ts": ["platform"],
  "platform/libc/symbols.ts": ["platform/libc"],
  "platform/runtime/runtime.ts": ["platform", "cli/run.ts"],
} as const;

/**
 * Modules from outside -> who may import them. No `node:net`, `node:http` or `node:child_process`:
 * sockets and processes come from `platform/`, where a descriptor has an owner.
 */
const MODULES = {
  "bun:ffi": ["platform/runtime/bun.ts"],
  "node:process": ["platform/runtime"],
  "node:inspector": ["platform/runtime/deno.ts"],
  "node:url": ["platform/runtime"],
  "node:fs": [
    ...["platform", "launcher", "systemd", "supervisor", "admin", "cli", "config/config_file.ts"],
    ...["health", "kubernetes", "log", "upgrade", "takeover"],
  ],
  "node:path": [
    ...["kubernetes", "admin", "cli"],
    ...["config/load.ts", "config/config_file.ts"],
  ],
  "node:util": ["cli/parse.ts"],
  hono: ["admin"],
  "smol-toml": ["config/config_file.ts"],
} as const;

/** Same input, same output: no clock, no timer, no chance, no global of the runtime. */
const PURE = [
  ...["lifecycle", "config", "init", "steering/model.ts", "steering/program.ts"],
  ...["kubernetes/budget.ts", "drain/conversation.ts"],
  ...["platform/bytes.ts", "platform/environment.ts"],
  ...["drain/classify.ts", "handoff/dialects.ts", "admin/http1.ts", "admin/repair.ts"],
  ...["health/monitor.ts", "health/dialogue.ts", "health/http2_frames.ts", "health/http_answer.ts"],
  ...["health/tcp_dialogue.ts", "health/redis_dialogue.ts", "health/http_dialogue.ts"],
  ...["health/grpc_dialogue.ts", "health/log_line.ts"],
  ...[
    "hooks/environment.ts",
    "hooks/headroom.ts",
    "supervisor/report.ts",
    "supervisor/stop_wish.ts",
  ],
  ...["takeover/fields.ts", "takeover/messages.ts", "takeover/old_side.ts", "takeover/new_side.ts"],
] as const;

/** Sets of files that import nothing but each other. */
const ISOLATED = [["steering/model.ts", "steering/program.ts"]] as const;

/** Globals of one runtime -> where they may be named. */
const GLOBALS = {
  Bun: ["platform/runtime/bun.ts", "main_bun.ts"],
  Deno: ["platform/runtime/deno.ts", "main_deno.ts"],
  process: ["platform/runtime"],
  globalThis: ["platform/runtime"],
} as const;

const EXCEPTIONS: readonly Exception[] = [
  {
    file: "handoff/rehearsal.ts",
    rule: "direction",
    about: "launcher/plan.ts",
    why: "it rehearses with a launcher of its own, whose protocol is launcher/plan.ts",
  },
];

export const RULES: Rules = {
  layers: LAYERS,
  entries: ENTRIES,
  grants: GRANTS,
  reserved: RESERVED,
  modules: MODULES,
  pure: PURE,
  isolated: ISOLATED,
  globals: GLOBALS,
  exceptions: EXCEPTIONS,
  maxLines: 300,
};
