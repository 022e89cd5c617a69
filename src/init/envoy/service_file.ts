/** baton.toml of a front, which is a service of baton itself, and the commands that run both. Pure. */
import { shellLine } from "../../config/servers/shell_words.ts";
import { type Front, frontFiles, frontName } from "./front.ts";
import { clientAddress } from "./listener.ts";

/** What runs a front. */
export interface FrontService {
  /** The words that start this baton. */
  readonly baton: readonly string[];
  /** Envoy: a full path, or the name that was not found. */
  readonly envoy: string;
  /** The full path of the configuration file with `[front]`; null: there is none. */
  readonly config: string | null;
  /** The command of the service. */
  readonly command: readonly string[];
  /** Whether that service has `--front` already. */
  readonly isFronted: boolean;
}

/** The escapes of JSON are those of TOML, which has one character more that must be escaped. */
function tomlText(text: string): string {
  return JSON.stringify(text).replaceAll("\x7f", "\\u007f");
}

export function serviceFile(front: Front, { baton, envoy, config }: FrontService): string {
  const { bootstrap, service } = frontFiles(front);
  const options = "--disable-hot-restart --concurrency 2 --log-level warning".split(" ");
  const words = [envoy, "--config-path", bootstrap, ...options];
  const written = config === null ? [] : [
    `# A reload writes Envoy's files from [front] of ${config}, has Envoy validate them, and starts a new Envoy.`,
    `pre_flight = ${tomlText(shellLine([...baton, "init", "envoy", "--config", config]))}`,
  ];
  return [
    `# The Envoy in front of ${front.service}, as a service of baton. Yours: 'baton init envoy' does not write it again.`,
    `#   start:  baton run --config ${service}`,
    `#   reload: baton reload ${frontName(front)}`,
    `name = ${tomlText(frontName(front))}`,
    `command = [${words.map(tomlText).join(", ")}]`,
    ...written,
    "# Streams and WebSockets have this long when Envoy itself is reloaded.",
    'drain_time = "60s"',
    "",
  ].join("\n");
}

/** What to do next, for people. */
export function nextSteps(front: Front, service: FrontService): string[] {
  const [own] = front.clusters;
  const { baton, config, command, isFronted } = service;
  const fronted = isFronted || own === undefined ? [] : [`--front=eds:${own.endpoints}`];
  const app = config === null
    ? [...baton, "run", ...fronted, "--", ...command]
    : [...baton, "run", "--config", config, ...fronted];
  const files = frontFiles(front);
  return [
    `the front, for clients at ${clientAddress(front.settings).text}:`,
    `  ${shellLine([...baton, "run", "--config", files.service])}`,
    `the service behind it:`,
    `  ${shellLine(app)}`,
    `after a change of [front]:`,
    config === null
      ? `  ${shellLine([...baton, "init", "envoy", "--", ...command])}; ${
        shellLine([...baton, "reload", frontName(front)])
      }`
      : `  ${shellLine([...baton, "reload", frontName(front)])}`,
    "units for systemd:",
    `  ${shellLine([...baton, "init", "systemd", "--config", files.service])}`,
  ];
}
