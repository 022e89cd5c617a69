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
  readonly tested: Readonly<Record<string, readonly string[]>>;
  readonly maxLines: number;
  /** Import statements of one file that name something of `src/`. */
  readonly maxImports: number;
  /** Files of one folder, without those of its sub-folders. */
  readonly maxFiles: number;
}

/**
 * Folder -> the folders it may import, from the bottom up. A folder's row is the longest that matches, so "cli/words"
 * has rules of its own; an imported "platform" stands for its sub-folders, too. "folder/file.ts (types)" is one file, of
 * which only types may be imported. handoff, health, drain and systemd never know each other: `generation`, `succession`
 * and `supervisor` bring them together.
 */
const LAYERS = {
  platform: [],
  "config/values": [
    "lifecycle/status.ts",
    "platform/error.ts",
    "platform/fd.ts",
    "platform/libc/rlimits.ts",
  ],
  config: [
    "config/values",
    "lifecycle/limits.ts",
    "platform/error.ts",
    "platform/fd.ts",
  ],
  lifecycle: [],
  log: ["platform"],
  steering: ["platform"],
  launcher: ["platform"],
  inspect: ["platform"],
  systemd: ["platform"],
  stats: ["platform"],
  health: ["config", "platform"],
  envoy: ["config", "health", "platform"],
  front: ["envoy", "lifecycle/generation.ts (types)", "platform", "steering"],
  drain: ["platform", "steering"],
  migration: ["platform", "steering", "drain/classify.ts"],
  handoff: ["config/values", "platform", "steering", "launcher"],
  report: [
    ...["config/values", "platform", "drain", "lifecycle/generation.ts (types)"],
    ...["lifecycle/state.ts (types)", "lifecycle/vocabulary.ts (types)"],
    ...["migration/in_flight.ts (types)", "front/front_view.ts (types)"],
  ],
  metrics: ["platform", "report", "stats"],
  output: ["platform"],
  hooks: ["config", "platform", "launcher", "report", "output"],
  process: [
    ...["config", "lifecycle", "platform", "steering", "launcher", "handoff", "hooks", "output"],
  ],
  events: [
    "config/values",
    "hooks",
    "lifecycle/generation.ts (types)",
    "lifecycle/state.ts (types)",
    "lifecycle/vocabulary.ts (types)",
    "output",
    "platform",
    "process/children.ts (types)",
    "process/launch_plan.ts",
    "report",
  ],
  "succession/state": ["lifecycle", "log", "migration", "platform", "report", "steering"],
  "succession/upgrade": [
    "launcher/resolve.ts",
    "lifecycle/limits.ts",
    "platform",
    "steering",
    "succession/state",
  ],
  "succession/takeover": [
    ...["platform", "steering", "succession/state/fields.ts", "succession/state/resumption.ts"],
  ],
  generation: [
    "config",
    "lifecycle",
    "platform",
    "steering",
    "front",
    "handoff",
    "health",
    "envoy",
    "hooks",
    "drain",
    "migration",
    "systemd",
    "report",
    "output",
    "process",
    "succession/state",
    "launcher",
    "inspect",
  ],
  rollout: [
    "config",
    "front",
    "lifecycle",
    "log",
    "platform",
    "steering",
    "drain",
    "health",
    "report",
    "generation",
  ],
  succession: [
    ...["config", "lifecycle", "log", "platform", "steering", "handoff", "report", "process"],
    ...["generation", "succession/state", "succession/upgrade", "succession/takeover", "drain"],
  ],
  supervisor: [
    "config",
    "lifecycle",
    "log",
    "platform",
    "steering",
    "handoff",
    "hooks",
    "drain",
    "systemd",
    "report",
    "output",
    "process",
    "generation",
    "rollout",
    "succession",
    "stats",
  ],
  pod: [
    "config",
    "lifecycle",
    "log",
    "platform",
    "drain",
    "launcher",
    "report",
    "process",
    "generation",
    "supervisor",
  ],
  "admin/page": ["admin/replies.ts", "config/values", "platform/clock.ts (types)"],
  admin: [
    "admin/page/built_page.ts",
    "metrics",
    "platform",
    "stats",
    "events/event_streams.ts (types)",
    "report/snapshot.ts (types)",
    "report/reload_report.ts (types)",
    "report/summary.ts (types)",
    "lifecycle/vocabulary.ts (types)",
    "lifecycle/order.ts (types)",
    "config/values",
  ],
  init: ["config", "pod/budget.ts"],
  hot_restarter: ["config", "envoy", "output", "platform"],
  rehearse: [
    "admin",
    "config",
    "inspect",
    "platform",
    "health/http_answer.ts",
    "lifecycle/status.ts",
  ],
  "cli/words": ["config", "hot_restarter/safe.ts", "init"],
  "cli/console": [
    ...["admin", "config", "platform", "lifecycle/status.ts"],
    "cli/words",
  ],
  "cli/completion": [
    "cli/words",
    "cli/console",
    "config/values/signals.ts",
    "config/servers/shell_words.ts",
    "init",
    "admin",
    "platform",
  ],
  "cli/configuration": [
    "cli/completion",
    "cli/words",
    "cli/console",
    "config",
    "platform",
    "process",
  ],
  "cli/service": [
    "cli/console",
    "admin",
    "config",
    "events",
    "log",
    "platform",
    "report",
    "process",
    "output",
    "supervisor",
    "pod",
    "stats",
    "metrics",
  ],
  "cli/commands": [
    "cli/words",
    "cli/console",
    "admin",
    "config",
    "init",
    "platform",
    "report",
    "process",
    "rehearse",
    "hot_restarter",
    "stats",
    "cli/completion",
    "cli/configuration",
  ],
  cli: [
    "cli/words",
    "cli/completion",
    "cli/console",
    "cli/service",
    "cli/commands",
    "admin",
    "config",
    "platform",
  ],
} as const;

/** Files directly in `src/`: each runtime has its own, so that no bundle holds the other's part. */
const ENTRIES = {
  "main_bun.ts": ["cli/start.ts", "platform/runtime/bun.ts"],
  "main_deno.ts": ["cli/start.ts", "platform/runtime/deno.ts"],
  "main_page.ts": ["admin/page/app.ts", "platform/runtime/browser.ts"],
} as const;

const GRANTS: readonly Grant[] = [
  {
    file: "config/values/event_patterns.ts",
    imports: ["events/event_table.ts"],
    why: "a name that no event has is refused where it is written",
  },
  {
    file: "cli/service/endpoints/own_ports.ts",
    imports: ["succession/state/resumption.ts"],
    why: "an exec passes the ports on, and the program after it takes them",
  },
  {
    file: "cli/service/endpoints/endpoints.ts",
    imports: ["succession/in_place_upgrade.ts"],
    why: "keeps clients waiting while baton becomes another program",
  },
  {
    file: "cli/service/endpoints/probe_port.ts",
    imports: ["health/passed_request.ts"],
    why: "asks the server in a check's way, for somebody else",
  },
  {
    file: "cli/service/endpoints/service_facts.ts",
    imports: ["succession"],
    why: "names the versions of what one baton passes to the next",
  },
  {
    file: "cli/service/service_setup.ts",
    imports: ["succession/state/resume_state.ts"],
    why: "the launch context of the first start travels with the state",
  },
  {
    file: "cli/service/choices.ts",
    imports: ["handoff/capabilities.ts"],
    why: "asks what the handoff can do here",
  },
  {
    file: "cli/service/origin.ts",
    imports: ["succession"],
    why: "finds out who started this process",
  },
  {
    file: "cli/service/start_mode.ts",
    imports: ["handoff/activated_sockets.ts", "succession"],
    why: "decides how this instance starts, before there is a supervisor",
  },
  {
    file: "cli/service/state_storage.ts",
    imports: ["systemd", "succession/state"],
    why: "chooses where the state is kept: the service manager, or a process of baton",
  },
  {
    file: "cli/service/generation_context.ts",
    imports: ["handoff", "migration", "steering"],
    why: "makes what all generations share",
  },
  {
    file: "cli/service/parts/listeners.ts",
    imports: ["steering"],
    why: "makes the table of the listeners, as the options ask for it",
  },
  {
    file: "cli/service/make_service.ts",
    imports: ["handoff/inherit.ts"],
    why: "makes the parts of a supervisor",
  },
  {
    file: "cli/service/parts/succession.ts",
    imports: ["succession/upgrade/predecessor_recovery.ts"],
    why: "makes what recovers the servers of a predecessor that is killed",
  },
  {
    file: "cli/service/parts/stats.ts",
    imports: ["succession/state/resumption.ts"],
    why: "finds the memory in which the instance before has counted",
  },
  {
    file: "cli/service/parts/taker.ts",
    imports: ["succession/takeover/takeover_client.ts"],
    why: "connects to the baton that this one replaces",
  },
  {
    file: "cli/service/parts/optional.ts",
    imports: ["generation/checks/begin_check.ts", "succession/takeover_offers.ts"],
    why: "loads what the options ask for",
  },
  {
    file: "cli/commands/init/validate.ts",
    imports: ["envoy/version.ts"],
    why: "says that an Envoy is too old",
  },
  {
    file: "cli/service/parts/front.ts",
    imports: ["front", "steering/listeners.ts"],
    why: "makes the endpoint files follow the listeners",
  },
  {
    file: "cli/service/parts/manager.ts",
    imports: ["systemd"],
    why: "speaks to the service manager that has started this instance",
  },
  {
    file: "cli/service/run.ts",
    imports: ["succession/takeover/handoff_socket.ts"],
    why: "explains why --handoff-socket cannot be used",
  },
  {
    file: "cli/commands/check_state.ts",
    imports: ["succession/state", "succession/upgrade"],
    why: "says whether this baton could go on with a state",
  },
  {
    file: "cli/service/working_directory.ts",
    imports: ["succession/state/resume_state.ts"],
    why: "what baton found where it was started travels with the state",
  },
  {
    file: "cli/service/inherited_state.ts",
    imports: ["handoff/activated_sockets.ts", "systemd", "succession"],
    why: "what the baton before has left decides what is made",
  },
  {
    file: "cli/service/socket_activation.ts",
    imports: ["handoff", "systemd"],
    why: "the sockets of the service manager become listeners before anything else is made",
  },
  {
    file: "cli/commands/doctor.ts",
    imports: ["handoff/capabilities.ts", "handoff/duplicates/choose.ts"],
    why: "asks what the handoff could do here, without a supervisor",
  },
  {
    file: "cli/commands/doctor_hints.ts",
    imports: ["handoff/capabilities.ts"],
    why: "asks what the handoff could do here, without a supervisor",
  },
  {
    file: "cli/service/pod_setup.ts",
    imports: ["pod"],
    why: "refuses an impossible budget before anything was started, and watches files",
  },
  {
    file: "cli/commands/prestop_sidecar.ts",
    imports: ["cli/service/pod_setup.ts"],
    why: "answers at a port of its own, as the probes of a service do",
  },
  {
    file: "cli/commands/prestop_wait.ts",
    imports: ["drain/port_watch.ts", "pod/shutdown.ts"],
    why: "watches the ports of a pod in which no supervisor runs",
  },
  {
    file: "cli/commands/init/init.ts",
    imports: ["launcher/resolve.ts"],
    why: "a unit names this very program by its full path",
  },
  {
    file: "cli/commands/init/front.ts",
    imports: ["launcher/resolve.ts"],
    why: "finds the Envoy that validates a front",
  },
  {
    file: "cli/start.ts",
    imports: ["launcher"],
    why: "a launcher loads nothing else of baton",
  },
  {
    file: "cli/hidden_verbs.ts",
    imports: [
      "rehearse",
      "succession",
      "process/passing_filter.ts",
      "handoff/calls/calls_meanwhile.ts",
    ],
    why:
      "fd-store server, rehearsal, preflight of an upgrade and passing filter are this program " +
      "under hidden verbs",
  },
];

/** Files that only these may import, whatever the folders allow. A folder stands for its files. */
const RESERVED = {
  "platform/runtime/bun.ts": ["main_bun.ts"],
  "platform/runtime/deno.ts": ["main_deno.ts"],
  "platform/runtime/browser.ts": ["main_page.ts"],
  "platform/runtime/poll_thread.ts": ["platform/runtime"],
  "platform/runtime/exec_strings.ts": ["platform/runtime"],
  "platform/libc/libc.ts": ["platform"],
  "platform/libc/symbols.ts": ["platform/libc"],
  "platform/runtime/runtime.ts": ["platform", "cli/start.ts"],
} as const;

/**
 * Modules from outside -> who may import them. No `node:net`, `node:http` or `node:child_process`:
 * sockets and processes come from `platform/`, where a descriptor has an owner.
 */
const MODULES = {
  "prom-client": ["metrics/exposition.ts"],
  "@opentelemetry/api": ["metrics/otlp"],
  "@opentelemetry/otlp-exporter-base": ["metrics/otlp"],
  "@opentelemetry/otlp-exporter-base/node-http": ["metrics/otlp"],
  "@opentelemetry/otlp-transformer": ["metrics/otlp"],
  "@opentelemetry/resources": ["metrics/otlp"],
  "@opentelemetry/sdk-metrics": ["metrics/otlp"],
  "@opentelemetry/sdk-trace": ["metrics/otlp"],
  "bun:ffi": ["platform/runtime/bun.ts"],
  "node:process": ["platform/runtime"],
  "node:inspector": ["platform/runtime/deno.ts"],
  "node:url": ["platform/runtime"],
  "node:fs": [
    ...["platform", "launcher", "systemd", "supervisor", "admin", "cli", "config/config_file.ts"],
    ...[
      "events",
      "health",
      "pod",
      "log",
      "succession",
      "process",
      "front",
      "generation",
      "output",
      "rehearse",
      "hot_restarter/envoy_memory.ts",
      "hot_restarter/leaving.ts",
    ],
  ],
  "node:path": [
    ...["pod", "admin", "cli", "rehearse"],
    ...["config/load.ts", "config/config_file.ts"],
  ],
  "@std/cli/parse-args": ["cli/words/split_words.ts"],
  hono: ["admin"],
  "@valibot/to-json-schema": ["admin/routes/openapi.ts"],
  "node:crypto": ["admin/token_check.ts", "cli/service/parts/otlp.ts"],
  "node:os": ["config/values/signals.ts", "platform/libc/constants.ts", "rehearse/rehearsal.ts"],
  valibot: [
    "front",
    "launcher",
    "rehearse",
    "succession",
    "process/kept_plan.ts",
    "admin/replies.ts",
    "admin/routes",
    "events/event.ts",
    "admin/page",
    "cli/console",
    "cli/commands/events/event_text.ts",
    "cli/service/socket_activation.ts",
  ],
  "smol-toml": ["config/config_file.ts"],
  yaml: ["envoy", "init/envoy"],
} as const;

/** Same input, same output: no clock, no timer, no chance, no global of the runtime. */
const PURE = [
  ...["hot_restarter/exact.ts", "hot_restarter/guarded.ts", "hot_restarter/guarded_end.ts"],
  ...["hot_restarter/guarded_state.ts"],
  ...["hot_restarter/lines.ts", "envoy/shared_memory.ts"],
  ...["metrics/accept.ts", "metrics/envoy_stats.ts", "metrics/families.ts", "metrics/family.ts"],
  ...["metrics/name_filter.ts", "metrics/process_families.ts", "metrics/service_gauges.ts"],
  ...["stats/series.ts", "stats/slot.ts", "stats/merge.ts", "stats/registry.ts"],
  ...["lifecycle", "config", "init", "steering/kernel_array.ts", "steering/bpf_program.ts"],
  "steering/bpf_codes.ts",
  "steering/spread/draws.ts",
  "steering/spread/longer_queues.ts",
  ...["pod/budget.ts", "drain/conversation.ts"],
  ...["platform/bytes.ts", "platform/process/environment.ts"],
  "cli/commands/events/event_text.ts",
  "events/event.ts",
  "events/event_table.ts",
  "events/events_of.ts",
  "events/events_of_effects.ts",
  "events/receivers/next_try.ts",
  "events/ring.ts",
  "inspect/file_locks.ts",
  "inspect/harmless.ts",
  "inspect/unix_sockets.ts",
  "drain/order.ts",
  "drain/pace.ts",
  "drain/track.ts",
  ...[
    "drain/classify.ts",
    "handoff/socket_protocols.ts",
    "admin/access.ts",
    "admin/http1.ts",
    "admin/repair.ts",
  ],
  ...["admin/page/curves.ts", "admin/page/happenings.ts", "admin/page/lanes.ts"],
  ...["admin/page/outcomes.ts", "admin/page/texts.ts", "admin/page/texts_of_reloads.ts"],
  ...["health/monitor.ts", "health/dialogue.ts", "health/http2_frames.ts", "health/http_answer.ts"],
  ...["health/tcp_dialogue.ts", "health/redis_dialogue.ts", "health/http_dialogue.ts"],
  ...["health/grpc_dialogue.ts", "health/log_line.ts"],
  ...[
    "hooks/environment.ts",
    "report/timelines.ts",
    "cli/service/stop_requests.ts",
    "rehearse/mount_table.ts",
    "rehearse/next_trial.ts",
    "rehearse/verdict.ts",
  ],
  ...[
    "succession/state/fields.ts",
    "succession/takeover/messages.ts",
    "succession/takeover/old_side.ts",
    "succession/takeover/new_side.ts",
  ],
] as const;

/** Sets of files that import nothing but each other. */
const ISOLATED = [
  ["steering/kernel_array.ts"],
  ["steering/bpf_program.ts", "steering/bpf_codes.ts", "steering/spread/draws.ts"],
] as const;

/** Globals of one runtime -> where they may be named. */
const GLOBALS = {
  Bun: ["platform/runtime/bun.ts", "main_bun.ts"],
  Deno: ["platform/runtime/deno.ts", "main_deno.ts"],
  process: ["platform/runtime"],
  globalThis: ["platform/runtime"],
} as const;

const EXCEPTIONS: readonly Exception[] = [];

/** Exports of a file that only its tests import: parts of it that are worth a test of their own. */
const TESTED = {
  "admin/access.ts": ["AccessRequest", "Refusal"],
  "admin/health_endpoint.ts": ["HealthEndpointOptions", "PassedAnswer", "ServiceHealth"],
  "admin/http1.ts": ["ParseResult"],
  "admin/page/built_page.ts": ["BuiltPage"],
  "admin/page/feed.ts": ["FeedParts"],
  "admin/probe_server.ts": ["answerProbe"],
  "cli/commands/prestop.ts": ["drainOutcome", "remaining"],
  "cli/commands/watch/stats.ts": ["statsLines"],
  "cli/words/parse_args.ts": ["ParseOptions"],
  "config/config_file.ts": ["parseConfigText"],
  "config/presets.ts": ["PRESETS", "presetFor"],
  "config/values/hook_spec.ts": ["HOOK_NAMES"],
  "drain/order.ts": ["ACKNOWLEDGED_MS"],
  "drain/classify.ts": ["GREETING_MS"],
  "drain/spread_close.ts": ["dueNow"],
  "events/event_table.ts": ["EVENT_FIELDS"],
  "events/receivers/journal.ts": ["journalMessage"],
  "events/receivers/webhook.ts": ["outcomeOf"],
  "generation/leader_exit.ts": [
    "LeaderExitCircumstances",
    "LeaderExitDecision",
    "decideLeaderExit",
  ],
  "generation/settling.ts": ["ALONE_SETTLE_MS"],
  "handoff/inherit.ts": ["specAddress"],
  "envoy/admin_client.ts": ["AdminRequest", "LONGEST_ANSWER", "PendingAnswer"],
  "inspect/changed_processes.ts": ["changeOf"],
  "inspect/pid_files.ts": ["numberIn", "pathsInWords"],
  "health/http_dialogue.ts": ["HttpCheckOptions"],
  "hooks/memory_check.ts": ["refusal"],
  "hot_restarter/exact.ts": ["INITIAL", "State", "step"],
  "init/systemd.ts": ["commandLine"],
  "lifecycle/service.ts": ["ACCEPTS"],
  "lifecycle/shutdown.ts": ["ShutdownEffect"],
  "log/logger.ts": ["LoggerOptions"],
  "migration/connection_rate.ts": ["AUTO_RATE"],
  "migration/connection_state.ts": ["ReleaseTerms"],
  "migration/in_flight.ts": ["MovingConnection"],
  "migration/in_flight_rules.ts": ["HeldSample", "IdleSample"],
  "migration/pending_accepts.ts": ["PendingAccept"],
  "output/candidate_output.ts": ["Tail"],
  "output/output_stream.ts": ["LINE_MS"],
  "platform/files/path_key.ts": ["digest"],
  "platform/interruption.ts": ["PTRACE"],
  "platform/files/removal_watch.ts": ["prefixes"],
  "platform/network/address.ts": ["SOCKADDR_IN6_SIZE", "SOCKADDR_IN_SIZE"],
  "platform/network/proc_net.ts": ["parsePassiveOpens", "parseTcpRows"],
  "platform/network/unix_diag.ts": ["UNIX_MESSAGE_SIZE", "UNIX_REQUEST_SIZE"],
  "platform/network/interactive_mode.ts": ["parseModes"],
  "platform/network/sock_diag.ts": [
    "MESSAGE_SIZE",
    "REQUEST_SIZE",
    "TCP_INFO_BYTES_ACKED",
    "TCP_INFO_BYTES_RECEIVED",
    "TCP_INFO_DATA_SEGS_IN",
    "TCP_INFO_DATA_SEGS_OUT",
    "TCP_INFO_LAST_ACK_RECV",
    "TCP_INFO_LAST_DATA_RECV",
    "TCP_INFO_LAST_DATA_SENT",
    "TCP_INFO_OPTIONS",
    "TCP_INFO_SEGS_OUT",
    "TCP_INFO_UNACKED",
  ],
  "platform/network/passed_descriptors.ts": ["MAX_PASSED_DESCRIPTORS"],
  "platform/process/hidden_environment.ts": ["HIDDEN_ENV"],
  "platform/process/seccomp.ts": [
    "NOTIF_ADDFD_SIZE",
    "NOTIF_RESP_SIZE",
    "NOTIF_SIZE",
  ],
  "platform/runtime/exec_strings.ts": ["environBytes", "environMemory"],
  "platform/runtime/poll_thread.ts": ["pollThreadSource"],
  "pod/shutdown.ts": ["ShutdownOptions"],
  "pod/supervised_pod.ts": ["SupervisedPodOptions"],
  "rehearse/written_files.ts": ["WrittenFile"],
  "steering/bpf_program.ts": ["MAX_INSTRUCTIONS", "assemble", "encode"],
  "succession/unpack_service.ts": ["isChild", "kernelOrder"],
  "succession/takeover/new_side.ts": ["NewPhase"],
  "supervisor/service_hooks.ts": ["HookParts"],
  "systemd/notify_path.ts": ["isOpenToOthers"],
  "systemd/notify_server.ts": ["parseNotification"],
  "systemd/slot_file.ts": ["SLOT_SIZE"],
} as const;

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
  tested: TESTED,
  maxLines: 300,
  maxImports: 15,
  maxFiles: 20,
};
