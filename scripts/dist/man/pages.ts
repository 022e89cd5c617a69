/** The manual pages baton(1) and baton.toml(5), from the tables that help and docs/ are made from. Pure. */
import { EXIT_STATUSES } from "../../exit_statuses.ts";
import type { VerbFlag } from "../../../src/cli/words/verb_spec.ts";
import { type Verb, VERB_NAMES, VERBS } from "../../../src/cli/words/verbs.ts";
import {
  defaultText,
  fileKey,
  type Option,
  OPTION_GROUPS,
  OPTIONS,
  variableOf,
} from "../../../src/config/options.ts";
import {
  argument,
  entry,
  example,
  firstTable,
  heading,
  paragraph,
  roff,
  subheading,
} from "./roff.ts";

export interface PageFacts {
  readonly version: string;
  /** 2026-11-29 */
  readonly date: string;
  /** docs/signals.md, whose first table is the section on signals. */
  readonly signals: string;
}

const TIME = "TIME is a number with a unit (500ms, 2s, 1m30s, 1h) or a bare number of seconds.";

function title(name: string, section: number, { version, date }: PageFacts): string {
  // mandoc(1) reads the date only as it is.
  return `.TH ${name} ${section} ${date} ${argument(`baton ${version}`)} baton`;
}

function flagEntry({ flag, placeholder, help }: VerbFlag): string {
  return entry(`--${flag}`, placeholder, help);
}

function command(verb: Verb): string {
  const { summary, operands, flags, examples } = VERBS[verb];
  const words = ["baton", verb, flags.length > 0 ? "[OPTION...]" : "", operands];
  // The flags of `run` have a section of their own.
  const own = verb === "run" ? [] : flags.filter((flag) => flag.group === undefined);
  const takesOptionsOfRun = flags.some((flag) => flag.group !== undefined);
  return [
    subheading(words.filter((word) => word !== "").join(" ")),
    roff(summary),
    ...takesOptionsOfRun ? [roff("Takes the options of run, see below.")] : [],
    ...own.map(flagEntry),
    ...examples.map(([line, what]) => [paragraph(`${what}:`), example([line])].join("\n")),
  ].join("\n");
}

function optionsOfRun(): string {
  const { flags } = VERBS.run;
  const general = flags.filter((flag) => flag.group === undefined);
  const limits = new Map(OPTIONS.map((option) => [option.flag, option.limits]));
  const one = (flag: VerbFlag) => {
    const limit = limits.get(flag.flag);
    return limit === undefined
      ? flagEntry(flag)
      : entry(`--${flag.flag}`, flag.placeholder, flag.help, limit);
  };
  return [
    heading("OPTIONS OF RUN"),
    roff(TIME),
    ...general.map(one),
    ...OPTION_GROUPS.flatMap((group) => [
      subheading(group),
      ...flags.filter((flag) => flag.group === group).map(one),
    ]),
  ].join("\n");
}

export function commandPage(facts: PageFacts): string {
  return [
    title("BATON", 1, facts),
    heading("NAME"),
    roff("baton - replace a running server without dropping a connection"),
    heading("SYNOPSIS"),
    ".B baton run",
    ".RI [ OPTION... ]",
    ".B \\-\\-",
    ".I PROGRAM",
    ".RI [ ARGUMENT... ]",
    ".br",
    ".B baton reload",
    ".RI [ OPTION... ]",
    ".RI [ NAME ]",
    ".br",
    ".B baton",
    ".I COMMAND",
    ".RI [ OPTION... ]",
    heading("DESCRIPTION"),
    roff(
      "baton runs any server, unmodified. At a reload it starts a new generation of the server " +
        "beside the old one and waits until that accepts connections. Then the kernel sends new " +
        "connections to it, and the old one stops when its connections have finished.",
    ),
    paragraph(
      "If the new generation does not start, the old one keeps serving, and 'baton reload' says " +
        "why. Traffic never passes through baton.",
    ),
    paragraph("baton doctor says what works on this kernel and in this container."),
    heading("COMMANDS"),
    entry("-h, --help", null, "Show help; after a command, the help of that command."),
    entry("-V, --version", null, "Show the version."),
    ...VERB_NAMES.map(command),
    optionsOfRun(),
    heading("SIGNALS"),
    roff("They are sent to the process of 'baton run'."),
    ...firstTable(facts.signals).map(([signal = "", ...meaning]) =>
      entry(signal, null, ...meaning)
    ),
    heading("EXIT STATUS"),
    ...EXIT_STATUSES.map(({ status, meaning }) => entry(status, null, meaning)),
    heading("ENVIRONMENT"),
    entry(
      variableOf("OPTION"),
      null,
      "An option of run: BATON_READY_TIMEOUT for --ready-timeout. A flag wins over it, and it wins " +
        "over the file.",
    ),
    entry("RUNTIME_DIRECTORY", null, "Directory of the control socket, see --runtime-dir."),
    entry("NO_COLOR", null, "No color, whatever its value is."),
    heading("FILES"),
    entry("baton.toml", null, "Configuration, if it is in the working directory."),
    entry(
      "/run/baton",
      null,
      "Control sockets of the services of root. Others have theirs in",
      "XDG_RUNTIME_DIR/baton, or in /tmp/baton-UID.",
    ),
    entry(
      "/etc/baton/NAME.toml",
      null,
      "Configuration of the unit baton@NAME.service, where that " +
        "is installed.",
    ),
    heading("SEE ALSO"),
    ".BR baton.toml (5)",
    "",
  ].join("\n");
}

function keyEntry(option: Option): string {
  const { flag, placeholder, help, limits, isRepeatable } = option;
  const shown = defaultText(option);
  const value = placeholder === null ? "true|false" : placeholder;
  return entry(
    `${fileKey(flag)} =`,
    isRepeatable === true ? `${value}, or a list of them` : value,
    help,
    ...limits === undefined ? [] : [limits],
    ...shown === null ? [] : [`Default: ${shown}.`],
    `Another value counts at a reload: ${RELOAD_TIMES[option.reload]}.`,
  );
}

const RELOAD_TIMES: Readonly<Record<Option["reload"], string>> = {
  "at once": "at once",
  "next generation": "for the new generation",
  restart: "no, only when baton is started again",
};

const EXAMPLE = [
  'name = "web"',
  'command = ["node", "server.js", "--port", "8080"]',
  'cwd = "/srv/web/current"',
  'ready_timeout = "20s"',
  'drain_time = "2m"',
];

export function filePage(facts: PageFacts): string {
  return [
    title("BATON.TOML", 5, facts),
    heading("NAME"),
    roff("baton.toml - configuration of a service of baton"),
    heading("SYNOPSIS"),
    ".B baton run \\-\\-config",
    ".I FILE",
    heading("DESCRIPTION"),
    roff(
      "A file of baton is TOML, or JSON if its name ends in .json, and UTF-8. Its keys are the " +
        "names of the options of 'baton run' with '_' for '-'. A flag on the command line wins " +
        "over the file. An unknown key is an error.",
    ),
    paragraph(
      "baton reads baton.toml in its working directory, or the file of --config. A reload reads it " +
        "again. 'baton check' prints what counts, and where each value is from; 'baton schema' the " +
        "schema for editors.",
    ),
    paragraph(TIME, "A number of seconds and other numbers may be numbers of TOML, too."),
    paragraph("For example:"),
    example(EXAMPLE),
    heading("KEYS"),
    entry(
      "command =",
      "[PROGRAM, ARGUMENT...]",
      "The command of the server, as a list of texts. " +
        "One on the command line replaces it.",
    ),
    ...OPTION_GROUPS.flatMap((group) => [
      subheading(group),
      ...OPTIONS.filter((option) => option.group === group).map(keyEntry),
    ]),
    heading("SEE ALSO"),
    ".BR baton (1)",
    "",
  ].join("\n");
}
