/**
 * `baton init systemd`: a service unit, hardened as far as every server tolerates. Pure.
 *
 * Guarantees: `systemd-analyze verify` accepts it without a warning (systemd 252 and later), a reload reports its
 * outcome, and the timeouts are longer than baton's own. With --shutdown-only it relies on nothing that needs a handoff:
 * messages to the service manager, its store, a reload.
 */
import { longestStartMs, longestStopMs } from "../config/config.ts";
import type { InitRequest } from "./template.ts";

/** Seconds that are added to baton's own timeouts, for the work around them. */
const RESERVE_S = 10;
const MS_PER_S = 1000;
/** Descriptors: with --survive two per generation, and one per listening socket of it. */
const STORE_SIZE = 512;
/** Words that need no quotes: systemd.service(5), "Command lines". */
const PLAIN = /^[A-Za-z0-9_@+=:,./-]+$/;
const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  '"': '\\"',
  "\n": "\\n",
  "\t": "\\t",
  "%": "%%",
  "$": "$$",
};

/** @returns the words as one line that systemd splits and expands into the same words again */
export function commandLine(words: readonly string[]): string {
  return words.map((word) => {
    const text = word.replaceAll(/[\\"\n\t%$]/g, (character) => ESCAPES[character] ?? "");
    return PLAIN.test(text) ? text : `"${text}"`;
  }).join(" ");
}

const KILL_BATON = [
  "# The stop signal is for baton alone, which stops the server when its requests are done.",
  "KillMode=mixed",
];
const KILL_NO_SERVER = [
  "# --survive: the server keeps running when baton is killed, and the next baton takes it over.",
  "KillMode=process",
];

/** A timeout in seconds, with that reserve. */
function seconds(ms: number): number {
  return Math.ceil(ms / MS_PER_S) + RESERVE_S;
}

/** The cooperation of systemd with a baton that hands over. */
function handoffService({ baton, config }: InitRequest, start: string): string[] {
  const { name, runtimeDir } = config;
  const place = runtimeDir === null ? [] : [`--runtime-dir=${runtimeDir}`];
  const command = (verb: string) => commandLine([...baton, verb, ...place, name]);
  return [
    "Type=notify",
    "NotifyAccess=main",
    start,
    "# Waits for the outcome: fails when the new version does not start; the old one keeps serving.",
    `ExecReload=${command("reload")}`,
    "# A baton that has replaced another one is not a child of systemd, which would kill it at once.",
    `ExecStop=-${command("stop")}`,
    "# Start and reload; baton extends this while a generation gets ready.",
    `TimeoutStartSec=${seconds(longestStartMs(config))}`,
    "# Longer than --drain-time and --stop-time together.",
    `TimeoutStopSec=${seconds(longestStopMs(config))}`,
    "TimeoutAbortSec=10",
    ...config.survive ? KILL_NO_SERVER : KILL_BATON,
    "# Sockets in which clients wait while baton is restarted. systemd before 254 does not announce the",
    "# store: the second line does.",
    `FileDescriptorStoreMax=${STORE_SIZE}`,
    `Environment=FDSTORE=${STORE_SIZE}`,
    "# baton itself replaces a generation that runs out of memory.",
    "OOMPolicy=continue",
    "WatchdogSec=30",
    "# Two generations run at once for a while: the limits on memory and tasks must suffice for both.",
    "#MemoryMax=",
  ];
}

/** systemd sees the same as of the server alone, except for its stop. */
function shutdownService({ config }: InitRequest, start: string): string[] {
  return [
    "# --shutdown-only: baton sends systemd no messages.",
    "Type=exec",
    start,
    "# Longer than --min-drain and --max-drain together.",
    `TimeoutStopSec=${seconds((config.minDrainMs ?? 0) + config.maxDrainMs)}`,
    ...KILL_BATON,
  ];
}

/** @returns every string in a configuration, from options and files alike */
function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

/** @returns whether a directory or a path in it occurs anywhere in the text: `--conf=/home/x` */
function mentions(text: string, directories: readonly string[]): boolean {
  return directories.some((directory) =>
    new RegExp(`(?<![\\w.-]/*)${directory}(?![\\w.-])`).test(text)
  );
}

/** systemd's own PATH for services, systemd.exec(5), and the folders that are links to these. */
const SYSTEM_PATH = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];
const SYSTEM_FOLDERS = [...SYSTEM_PATH, "/sbin", "/bin"];

/** @returns a PATH that has the program, where systemd's has not: in the folder of a version manager, for example */
function searchPath({ config: { command, env }, programFolder = null }: InitRequest): string[] {
  if (programFolder === null || SYSTEM_FOLDERS.includes(programFolder)) return [];
  if (env.some(([name]) => name === "PATH")) return [];
  const path = [programFolder, ...SYSTEM_PATH].join(":");
  return [
    `# ${
      command[0]
    } was found there. Another version is elsewhere: change it then, or name one place for all.`,
    `Environment=${commandLine([`PATH=${path}`])}`,
  ];
}

/** What ProtectSystem=full makes read-only: systemd.exec(5). */
const READ_ONLY = /^\/(?:usr|boot|efi|etc)\//;

/** @returns the directories there in which a front is written: endpoints, and what `baton init envoy` makes beside them */
function writtenDirectories({ config: { front, command }, directory }: InitRequest): string[] {
  const files = front.map(({ file }) => file.startsWith("/") ? file : `${directory}/${file}`);
  const ofEnvoy = command.filter((word) => word.endsWith("/bootstrap.yaml"));
  const directories = [...files, ...ofEnvoy].filter((file) => READ_ONLY.test(file))
    .map((file) => file.slice(0, file.lastIndexOf("/")));
  return [...new Set(directories)];
}

export function systemdUnit(request: InitRequest): string {
  const { baton, config, options, directory } = request;
  const { name, command, shutdownOnly } = config;
  const path = searchPath(request);
  const files = [...baton, ...options, directory, ...path, ...textsIn(config)];
  const uses = (...directories: string[]) => files.some((file) => mentions(file, directories));
  const words = [...baton, "run", "--name", name, ...options, "--", ...command];
  const start = `ExecStart=${commandLine(words)}`;
  return [
    `# ${name}.service: save it as /etc/systemd/system/${name}.service, then`,
    `#   systemctl daemon-reload && systemctl enable --now ${name}`,
    `# Deploy with: systemctl ${shutdownOnly ? "restart" : "reload"} ${name}`,
    "[Unit]",
    `Description=${name}, ${shutdownOnly ? "stopped" : "reloaded"} by baton`,
    "Wants=network-online.target",
    "After=network-online.target",
    "StartLimitIntervalSec=60",
    "StartLimitBurst=10",
    "",
    "[Service]",
    `WorkingDirectory=${directory.replaceAll("%", "%%")}`,
    ...path,
    ...shutdownOnly ? shutdownService(request, start) : handoffService(request, start),
    "Restart=always",
    "RestartSec=200ms",
    "SuccessExitStatus=143",
    "# Wrong usage: trying again would not help.",
    "RestartPreventExitStatus=64",
    `RuntimeDirectory=baton/${name}`,
    "# To run as another user; the second line is for ports below 1024.",
    "#User=",
    "#AmbientCapabilities=CAP_NET_BIND_SERVICE",
    "",
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=~CAP_SYS_ADMIN CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_BOOT CAP_SYS_TIME " +
    "CAP_SYSLOG CAP_MKNOD CAP_BPF CAP_PERFMON",
    "LockPersonality=yes",
    ...uses("/tmp", "/var/tmp") ? [] : ["PrivateTmp=yes"],
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    ...uses("/home", "/root", "/run/user") ? [] : ["ProtectHome=yes"],
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectSystem=full",
    ...writtenDirectories(request).map((written) => `ReadWritePaths=-${commandLine([written])}`),
    "# AF_NETLINK: baton reads the kernel's socket table.",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "SystemCallArchitectures=native",
    "",
    "[Install]",
    "WantedBy=multi-user.target",
    "",
  ].join("\n");
}
