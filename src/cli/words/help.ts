/**
 * The commands of baton, the words each of them accepts, and the help text made from them.
 *
 * Guarantees: the flags of `run` come from the option table, so help is complete; every line fits into 80 columns;
 * texts end with a newline. Prints nothing.
 */
import { defaultText, OPTION_GROUPS, OPTIONS } from "../../config/options.ts";
import { TEMPLATES } from "../../init/templates.ts";
import { NAME, POD_VERBS, RUNTIME_DIR } from "./pod_verbs.ts";
import { JSON_OUTPUT, ROLLOUT_FLAGS, TIMEOUT, TRIAL_VERBS } from "./trial_verbs.ts";
import type { VerbFlag, VerbSpec } from "./verb_spec.ts";

export type { VerbFlag } from "./verb_spec.ts";

/** All commands, in the order of the help text. */
export const VERB_NAMES = [
  "run",
  "reload",
  "promote",
  "rollback",
  "canary",
  "upgrade",
  "status",
  "stop",
  "ready",
  "prestop",
  "install",
  "doctor",
  "init",
  "help",
  "version",
] as const;

/** One of `VERB_NAMES`. */
export type Verb = typeof VERB_NAMES[number];

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
/** The flag of `run` that is not a field of `Config`. */
export const CONFIG_FLAG: VerbFlag = {
  flag: "config",
  placeholder: "FILE",
  help: "Read options from this .toml or .json file: the same names with '_' for '-', and the " +
    "command as a list. Flags win over the file.",
};

const RUN_FLAGS: readonly VerbFlag[] = [
  CONFIG_FLAG,
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

/** Every verb with its words; help.ts and the documentation are made from it. */
export const VERBS: Readonly<Record<Verb, VerbSpec>> = {
  run: {
    summary: "Run a server and hand its connections from one generation to the next.",
    operands: "[--] PROGRAM [ARGUMENT...]",
    maxOperands: Number.MAX_SAFE_INTEGER,
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
    maxOperands: 1,
    flags: [NAME, RUNTIME_DIR, ...ROLLOUT_FLAGS, TIMEOUT, JSON_OUTPUT],
    examples: [
      ["baton reload", "the only running service"],
      ["baton reload web --timeout 2m --json", "one by name, outcome as JSON"],
      ["baton reload --canary 10%", "a tenth at first; then promote or rollback"],
    ],
  },
  ...TRIAL_VERBS,
  upgrade: {
    summary: "Replace the running baton with a new one that takes over its listeners.",
    operands: "[NAME]",
    maxOperands: 1,
    flags: [NAME, RUNTIME_DIR, EXEC, IN_PLACE, TIMEOUT, JSON_OUTPUT],
    examples: [
      ["baton upgrade", "to the binary as it is on disk now"],
      ["baton upgrade web --exec /opt/baton-2/baton", "to another binary"],
      ["baton upgrade --in-place", "keep the process id and the servers"],
    ],
  },
  status: {
    summary: "Show the generations of a service and their connections.",
    operands: "[NAME]",
    maxOperands: 1,
    flags: [NAME, RUNTIME_DIR, JSON_OUTPUT],
    examples: [
      ["baton status", "the only running service"],
      ["baton status web --json", "one by name, for scripts"],
    ],
  },
  stop: {
    summary: "Stop a service gracefully and wait until it has exited.",
    operands: "[NAME]",
    maxOperands: 1,
    flags: [NAME, RUNTIME_DIR, TIMEOUT],
    examples: [
      ["baton stop", "the only running service"],
      ["baton stop web --timeout 30s", "one by name, with a limit"],
    ],
  },
  ...POD_VERBS,
  doctor: {
    summary: "Report what this kernel and container allow, and how baton adapts.",
    operands: "",
    maxOperands: 0,
    flags: [JSON_OUTPUT],
    examples: [
      ["baton doctor", "what works here"],
      ["baton doctor --json", "the same, for scripts"],
    ],
  },
  init: {
    summary: `Print a template (${Object.keys(TEMPLATES).join(", ")}) from the options of run.`,
    operands: "TEMPLATE -- PROGRAM [ARGUMENT...]",
    maxOperands: Number.MAX_SAFE_INTEGER,
    flags: RUN_FLAGS,
    takesRunOptions: true,
    examples: [
      ["baton init systemd -- node server.js", "a unit for systemd"],
      ["baton init systemd --name web --drain-time 2m -- server", "with options"],
    ],
  },
  help: {
    summary: "Show this text, or the help of one command.",
    operands: "[COMMAND]",
    maxOperands: 1,
    flags: [],
    examples: [
      ["baton help", "all commands"],
      ["baton help run", "one command, as 'baton run --help'"],
    ],
  },
  version: {
    summary: "Show the version.",
    operands: "",
    maxOperands: 0,
    flags: [],
    examples: [["baton version", "for bug reports"], ["baton --version", "the same"]],
  },
};

const WIDTH = 80;
/** Column at which the text of an option begins; a longer option gets its own line. */
const TEXT_COLUMN = 26;
const INDENT = 2;
const TIME_NOTE = "TIME is a number with a unit: 500ms, 2s, 1m30s, 1h; without a unit, seconds.";

/** Breaks a text into lines of at most `width` characters; a longer word stays whole. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** An indented term with its wrapped text beside it, or below it when the term is long. */
function entry(term: string, text: string): string[] {
  const lines = wrap(text, WIDTH - TEXT_COLUMN).map((line) => " ".repeat(TEXT_COLUMN) + line);
  const head = " ".repeat(INDENT) + term;
  if (head.length > TEXT_COLUMN - INDENT) return [head, ...lines];
  const [first = "", ...rest] = lines;
  return [head + first.slice(head.length), ...rest];
}

/** A heading with its lines; nothing without lines. */
function section(heading: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", `${heading}:`, ...lines];
}

function flagEntry({ flag, placeholder, help }: VerbFlag): string[] {
  return entry(placeholder === null ? `--${flag}` : `--${flag} ${placeholder}`, help);
}

function exampleLines(verbs: readonly Verb[]): string[] {
  return verbs.flatMap((verb) => VERBS[verb].examples)
    .flatMap(([line, what]) => [`# ${what}`, line])
    .map((line) => " ".repeat(INDENT) + line);
}

function programHelp(): string[] {
  return [
    "Usage: baton COMMAND [OPTION...]",
    "",
    ...wrap(
      "Restarts and upgrades any server without dropping a connection: a new generation starts " +
        "beside the old one and takes over when it is ready; the old one stops when its " +
        "connections have finished.",
      WIDTH,
    ),
    ...section("Commands", VERB_NAMES.flatMap((verb) => entry(verb, VERBS[verb].summary))),
    ...section("Options", [
      ...entry("-h, --help", "Show this text; after a command, the help of that command."),
      ...entry("-V, --version", "Show the version."),
    ]),
    ...section("Examples", exampleLines(["run", "reload"])),
  ];
}

function verbHelp(verb: Verb): string[] {
  const { summary, operands, flags } = VERBS[verb];
  const usage = ["Usage: baton", verb, "[OPTION...]", operands].filter((word) => word !== "");
  const general = flags.filter((flag) => flag.group === undefined).flatMap(flagEntry);
  const help = entry("-h, --help", "Show this text.");
  return [
    usage.join(" "),
    "",
    ...wrap(summary, WIDTH),
    ...section("Options", [...general, ...help]),
    ...OPTION_GROUPS.flatMap((group) =>
      section(group, flags.filter((flag) => flag.group === group).flatMap(flagEntry))
    ),
    ...(flags.some((flag) => flag.placeholder === "TIME") ? ["", ...wrap(TIME_NOTE, WIDTH)] : []),
    ...section("Examples", exampleLines([verb])),
  ];
}

/** @param topic a command, or null for the program itself @returns lines of at most 80 columns, and a newline */
export function helpText(topic: Verb | null): string {
  return (topic === null ? programHelp() : verbHelp(topic)).join("\n") + "\n";
}
