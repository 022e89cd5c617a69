/** The commands of baton and the words that each of them accepts: help, parser and documentation are made from it. */
import { formatDuration } from "../../config/values/duration.ts";
import { defaultText, OPTION_BY_FIELD, OPTIONS } from "../../config/options.ts";
import { TEMPLATE_NAMES } from "../../init/names.ts";
import {
  JSON_OUTPUT,
  NAME,
  RUNTIME_DIR,
  TIMEOUT,
  type VerbFlag,
  type VerbSpec,
} from "./verb_spec.ts";
import { GUARD, SAFE, WAIT_DRAIN } from "./verbs_hot_restarter.ts";
import { WATCH_VERBS } from "./verbs_watch.ts";

/** Defaults of `baton prestop`, in milliseconds: with the reserve, 28 s of a pod's 30. */
export const PRESTOP_DEFAULTS = { minMs: 5_000, quietMs: 2_000, maxMs: 20_000 } as const;

const PORT: VerbFlag = {
  flag: "port",
  placeholder: "PORT",
  help: "Port of the service. May be given several times. By default every port with a listener.",
  repeatable: true,
};
const MIN: VerbFlag = {
  flag: "min",
  placeholder: "TIME",
  help: `Least time to wait. [default: ${formatDuration(PRESTOP_DEFAULTS.minMs)}]`,
};
const PRESTOP_QUIET: VerbFlag = {
  flag: "quiet",
  placeholder: "TIME",
  help: "Wait until no new connection has arrived for this long. " +
    `[default: ${formatDuration(PRESTOP_DEFAULTS.quietMs)}]`,
};
const MAX: VerbFlag = {
  flag: "max",
  placeholder: "TIME",
  help: "Wait no longer than --min and this together, even with open connections. " +
    `[default: ${formatDuration(PRESTOP_DEFAULTS.maxMs)}]`,
};
const SERVE: VerbFlag = {
  flag: "serve",
  placeholder: "ADDRESS",
  help:
    "Run as a sidecar: at this address each request for /prestop waits, and is answered when the " +
    "wait is over; /readyz and /livez are there, too.",
};

const EXEC: VerbFlag = {
  flag: "exec",
  placeholder: "PROGRAM",
  help: "The new baton: a path, or a name to search for in PATH. By default the program of the " +
    "running baton, as it is on disk now.",
};
const IN_PLACE: VerbFlag = {
  flag: "in-place",
  placeholder: null,
  help:
    "The running baton becomes the new program and keeps its servers. This is the default where " +
    "the exit of the old process would end a container or a service of the service manager.",
};
/** The flags of `run` that are no fields of `Config`. */
export const CONFIG_FLAG: VerbFlag = {
  flag: "config",
  placeholder: "FILE",
  help: "Read options from this .toml or .json file: the same names with '_' for '-', and the " +
    "command as a list. Flags win over the file. By default baton.toml of the working directory, " +
    "if there is one.",
};
export const NO_CONFIG_FLAG: VerbFlag = {
  flag: "no-config",
  placeholder: null,
  help: "Do not look for baton.toml in the working directory.",
};

/** The options of `run` that one reload may override. */
export const RELOAD_FIELDS = ["order", "canary", "rampMs", "bakeMs", "hold", "rolling"] as const;
const RELOAD_FLAGS: readonly VerbFlag[] = RELOAD_FIELDS.map((field) => {
  const { flag, placeholder, help } = OPTION_BY_FIELD[field];
  return { flag, placeholder, help };
});

const RUN_FLAGS: readonly VerbFlag[] = [
  CONFIG_FLAG,
  NO_CONFIG_FLAG,
  ...OPTIONS.map((option) => {
    const shown = defaultText(option);
    return {
      flag: option.flag,
      placeholder: option.placeholder,
      help: shown === null ? option.help : `${option.help} [default: ${shown}]`,
      repeatable: option.isRepeatable === true,
      group: option.group,
    };
  }),
];

/** `envoy` writes files. */
const PRINTED_NAMES = TEMPLATE_NAMES.filter((name) => name !== "envoy");

const TABLE = {
  run: {
    summary: "Run a server and hand its connections from one generation to the next.",
    operands: "[--] PROGRAM [ARGUMENT...]",
    flags: RUN_FLAGS,
    examples: [
      ["baton run -- node server.js", "an unmodified server; reload it with HUP"],
      ["baton run --listen web=*:8080 -- server --fd {fd:web}", "pass a socket"],
      ["baton run --config baton.toml", "everything from a file"],
    ],
  },
  reload: {
    summary: "Start a new generation, wait until it serves, and report the outcome.",
    operands: "[NAME]",
    flags: [NAME, RUNTIME_DIR, ...RELOAD_FLAGS, TIMEOUT, JSON_OUTPUT],
    examples: [
      ["baton reload web --timeout 2m --json", "one by name, outcome as JSON"],
      ["baton reload --canary 10%", "a tenth at first; then promote or rollback"],
      ["baton reload --rolling", "one worker after the other"],
    ],
  },
  promote: {
    summary: "Accept the generation on trial: the old one drains.",
    operands: "[NAME]",
    flags: [NAME, RUNTIME_DIR, TIMEOUT, JSON_OUTPUT],
    examples: [
      ["baton promote", "after baton reload --hold"],
      ["baton promote web --json", "one by name, outcome as JSON"],
    ],
  },
  rollback: {
    summary: "Discard the generation on trial: the old one gets all new connections again.",
    operands: "[NAME]",
    flags: [NAME, RUNTIME_DIR, TIMEOUT, JSON_OUTPUT],
    examples: [
      ["baton rollback", "at any time of a canary, ramp, bake or hold"],
      ["baton rollback web", "one by name"],
    ],
  },
  canary: {
    summary: "Change the percentage of new connections for the generation on trial.",
    operands: "PERCENT [NAME]",
    flags: [NAME, RUNTIME_DIR, TIMEOUT, JSON_OUTPUT],
    examples: [
      ["baton canary 25%", "after baton reload --canary 10%"],
      ["baton canary 0% web", "none, but it keeps running"],
    ],
  },
  scale: {
    summary: "Change the number of workers of a service, and wait until they serve.",
    operands: "N|+N|-N [NAME]",
    flags: [NAME, RUNTIME_DIR, TIMEOUT, JSON_OUTPUT],
    examples: [
      ["baton scale 4", "four workers, now and after each reload"],
      ["baton scale +1 web", "one more, as TTIN does"],
      ["baton scale -1", "one fewer: the latest drains and stops"],
    ],
  },
  upgrade: {
    summary: "Replace the running baton with a new one that takes over its listeners.",
    operands: "[NAME]",
    flags: [NAME, RUNTIME_DIR, EXEC, IN_PLACE, TIMEOUT, JSON_OUTPUT],
    examples: [
      ["baton upgrade", "to the binary as it is on disk now"],
      ["baton upgrade web --exec /opt/baton-2/baton", "to another binary"],
      ["baton upgrade --in-place", "keep the process id and the servers"],
    ],
  },
  ...WATCH_VERBS,
  stop: {
    summary: "Stop a service gracefully and wait until it has exited.",
    operands: "[NAME]",
    flags: [NAME, RUNTIME_DIR, TIMEOUT],
    examples: [
      ["baton stop", "the only running service"],
      ["baton stop web --timeout 30s", "one by name, with a limit"],
    ],
  },
  prestop: {
    summary: "Wait until a pod gets no more traffic: a preStop hook for any image.",
    operands: "",
    flags: [PORT, MIN, PRESTOP_QUIET, MAX, SERVE, NAME, RUNTIME_DIR],
    examples: [
      ["baton prestop --port 8080", "without a running baton"],
      ["baton prestop --min 15s --max 30s", "behind a slow load balancer"],
      ["baton prestop --port 8080 --serve 0.0.0.0:9901", "as a sidecar of the server's container"],
    ],
  },
  install: {
    summary: "Copy this program into a directory, for other containers of a pod.",
    operands: "DIR",
    flags: [],
    examples: [
      ["baton install /opt/baton", "in an init container"],
      ["baton install .", "in the current directory"],
    ],
  },
  check: {
    summary:
      "Show the configuration of run, and where each value is from; find what is wrong with it.",
    operands: "[--] [PROGRAM [ARGUMENT...]]",
    flags: [JSON_OUTPUT, ...RUN_FLAGS],
    examples: [
      ["baton check -- node server.js", "with baton.toml of this directory, and the environment"],
      ["baton check --json --config web.toml", "another file, for scripts"],
    ],
  },
  schema: {
    summary: "Print the JSON Schema of the configuration file, for editors.",
    operands: "",
    flags: [],
    examples: [
      ["baton schema", "into baton.schema.json, beside the configuration"],
      ["baton schema", 'then the first line of baton.toml: "#:schema ./baton.schema.json"'],
    ],
  },
  doctor: {
    summary: "Report what this kernel and container allow, and how baton adapts.",
    operands: "",
    flags: [JSON_OUTPUT],
    examples: [
      ["baton doctor", "what works here"],
      ["baton doctor --json", "the same, for scripts"],
    ],
  },
  rehearse: {
    summary: "Try a server once where nothing is real: can it be reloaded, and how?",
    operands: "[--] PROGRAM [ARGUMENT...]",
    flags: [JSON_OUTPUT, ...RUN_FLAGS],
    examples: [
      ["baton rehearse -- redis-server /etc/redis/redis.conf", "start, reload under clients, stop"],
      ["baton rehearse --json --config baton.toml", "with the options of run, for scripts"],
    ],
  },
  "hot-restarter": {
    summary: "Do what Envoy's hot-restarter.py does: call TARGET at the start and at each HUP.",
    operands: "TARGET [IGNORED...]",
    flags: [SAFE, GUARD, WAIT_DRAIN, ...RUN_FLAGS],
    examples: [
      ["baton hot-restarter /etc/envoy/start.sh", "in place of hot-restarter.py"],
      ["baton hot-restarter --guard /etc/envoy/start.sh", "a bad configuration harms nothing"],
      ["baton hot-restarter --safe /etc/envoy/start.sh", "with canary, bake and rollback"],
    ],
  },
  init: {
    summary: `Print a file (${PRINTED_NAMES.join(", ")}), or write those of a front (envoy).`,
    operands: "TEMPLATE -- PROGRAM [ARGUMENT...]",
    flags: RUN_FLAGS,
    examples: [
      ["baton init systemd -- node server.js", "a unit for systemd"],
      ["baton init envoy --config baton.toml", "from [front], docs/options.md; then what to run"],
      ["baton init systemd --name web --drain-time 2m -- server", "with options"],
    ],
  },
  completions: {
    summary: "Print the completion of a shell: bash, fish or zsh.",
    operands: "SHELL",
    flags: [],
    examples: [
      ["baton completions bash", "for: source <(baton completions bash)"],
      ["baton completions fish", "for: baton completions fish | source"],
    ],
  },
  help: {
    summary: "Show this text, or the help of one command.",
    operands: "[COMMAND]",
    flags: [],
    examples: [
      ["baton help", "all commands"],
      ["baton help run", "one command, as 'baton run --help'"],
    ],
  },
  version: {
    summary: "Show the version.",
    operands: "",
    flags: [],
    examples: [["baton version", "for bug reports"], ["baton --version", "the same"]],
  },
} satisfies Record<string, VerbSpec>;

export type Verb = keyof typeof TABLE;

export const VERBS: Readonly<Record<Verb, VerbSpec>> = TABLE;

/** In the order of the help text. */
export const VERB_NAMES = Object.keys(TABLE) as readonly Verb[];
