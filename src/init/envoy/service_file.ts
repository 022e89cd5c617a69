/** baton.toml of a front, which is a service of baton itself, and the commands that run both. Pure. */
import { shellLine } from "../../config/servers/shell_words.ts";
import { type Front, frontFiles, frontName } from "./front.ts";
import { clientAddress } from "./listener.ts";

/** What runs a front. */
export interface FrontService {
  /** The words that start this baton. */
  readonly baton: readonly string[];
  /** The program of Envoy: a full path, or the name that was not found. */
  readonly envoy: string;
  /** The full path of the configuration file with `[front]`; null: there is none. */
  readonly config: string | null;
  /** The options beside that file, and the server's command, as they were given. */
  readonly line: readonly string[];
  /** Whether that service has `--front` already. */
  readonly isFronted: boolean;
}

/** A text of TOML, whose escapes are those of JSON, with one character more that must be escaped. */
function tomlText(text: string): string {
  return JSON.stringify(text).replaceAll("\x7f", "\\u007f");
}

function writes({ baton, config, line }: FrontService): string {
  return shellLine([...baton, "init", "envoy", ...fileWords(config), ...line]);
}

function fileWords(config: string | null): string[] {
  return config === null ? [] : ["--config", config];
}

export function serviceFile(front: Front, service: FrontService): string {
  const { envoy, config } = service;
  const files = frontFiles(front);
  const options = "--disable-hot-restart --concurrency 2 --log-level warning".split(" ");
  const words = [envoy, "--config-path", files.bootstrap, ...options];
  const written = config === null ? [] : [
    `# A reload writes Envoy's files from [front] of ${config}, has Envoy validate them, and starts a new Envoy.`,
    `pre_flight = ${tomlText(writes(service))}`,
  ];
  return [
    `# The Envoy in front of ${front.service}, as a service of baton. Yours: 'baton init envoy' does not write it again.`,
    `#   start:  baton run --config ${files.service}`,
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
  const { baton, config, line, isFronted } = service;
  const fronted = isFronted || own === undefined ? [] : [`--front=eds:${own.endpoints}`];
  const files = frontFiles(front);
  const reload = shellLine([...baton, "reload", frontName(front)]);
  return [
    `the front, for clients at ${clientAddress(front.settings).text}:`,
    `  ${shellLine([...baton, "run", "--config", files.service])}`,
    `the service behind it:`,
    `  ${shellLine([...baton, "run", ...fileWords(config), ...fronted, ...line])}`,
    ...config === null
      ? ["to write the front again:", `  ${writes(service)} && ${reload}`]
      : ["after a change of [front]:", `  ${reload}`],
    "units for systemd:",
    `  ${shellLine([...baton, "init", "systemd", "--config", files.service])}`,
  ];
}
