/**
 * `baton init systemd`: a service unit, hardened as far as any server can stand it. Pure.
 *
 * Guarantees: `systemd-analyze verify` has nothing to say about it (systemd 252 and later), a reload
 * tells its outcome, and the time-outs are longer than baton's own. With --shutdown-only nothing is
 * expected of baton that only a handoff has: messages to the service manager, its store, a reload.
 */
import { longestStartMs, longestStopMs } from "../config/config.ts";
import type { InitRequest } from "./template.ts";

/** Added to baton's own times: to what it does around them. */
const RESERVE_S = 10;
const MS_PER_S = 1000;
/** Descriptors: with --survive two for each generation, and one for each of its listening sockets. */
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

function killMode(survive: boolean): string[] {
  if (survive) {
    return [
      "# --survive: the server goes on when baton is killed, and the next baton goes on with it.",
      "KillMode=process",
    ];
  }
  return [
    "# The stop signal is for baton alone, which ends the server when its requests are done.",
    "KillMode=mixed",
  ];
}

/** With a reserve. */
function seconds(ms: number): number {
  return Math.ceil(ms / MS_PER_S) + RESERVE_S;
}

/** What the service manager and a baton that hands over do together. */
function handoffService({ baton, config }: InitRequest, start: string): string[] {
  const { name, runtimeDir } = config;
  const place = runtimeDir === null ? [] : [`--runtime-dir=${runtimeDir}`];
  const command = (verb: string) => commandLine([...baton, verb, ...place, name]);
  return [
    "Type=notify",
    "NotifyAccess=main",
    start,
    "# Waits for the outcome: fails when the new version does not start, and the old one serves on.",
    `ExecReload=${command("reload")}`,
    "# A baton that has replaced another one is no child of systemd, which would kill it at once.",
    `ExecStop=-${command("stop")}`,
    "# Start and reload; baton asks for more while a generation gets ready.",
    `TimeoutStartSec=${seconds(longestStartMs(config))}`,
    "# Longer than --drain-time and --stop-time together.",
    `TimeoutStopSec=${seconds(longestStopMs(config))}`,
    "TimeoutAbortSec=10",
    ...killMode(config.survive),
    "# Sockets in which clients wait while baton is restarted. systemd before 254 does not tell baton",
    "# that it may: the second line does.",
    `FileDescriptorStoreMax=${STORE_SIZE}`,
    `Environment=FDSTORE=${STORE_SIZE}`,
    "# A generation that runs out of memory is baton's to replace.",
    "OOMPolicy=continue",
    "WatchdogSec=30",
    "# Two generations run at once for a while: memory and tasks must do for both.",
    "#MemoryMax=",
  ];
}

/** The service manager sees what it would see of the server alone, but for its end. */
function shutdownService({ config }: InitRequest, start: string): string[] {
  return [
    "# --shutdown-only: baton tells systemd nothing.",
    "Type=exec",
    start,
    "# Longer than --min-drain and --max-drain together.",
    `TimeoutStopSec=${seconds((config.minDrainMs ?? 0) + config.maxDrainMs)}`,
    ...killMode(false),
  ];
}

/** Every text in the configuration, whether it came from an option or from a file. */
function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

/** @returns whether it names one of the directories, or something in them, anywhere: `--conf=/home/x` */
function mentions(text: string, directories: readonly string[]): boolean {
  return directories.some((directory) =>
    new RegExp(`(?<![\\w.-]/*)${directory}(?![\\w.-])`).test(text)
  );
}

export function systemdUnit(request: InitRequest): string {
  const { baton, config, options, directory } = request;
  const { name, command, shutdownOnly } = config;
  const files = [...baton, ...options, directory, ...textsIn(config)];
  const uses = (...directories: string[]) => files.some((file) => mentions(file, directories));
  const words = [...baton, "run", "--name", name, ...options, "--", ...command];
  const start = `ExecStart=${commandLine(words)}`;
  return [
    `# ${name}.service: save it as /etc/systemd/system/${name}.service, then`,
    `#   systemctl daemon-reload && systemctl enable --now ${name}`,
    `# Deploy with: systemctl ${shutdownOnly ? "restart" : "reload"} ${name}`,
    "[Unit]",
    `Description=${name}, ${shutdownOnly ? "ended" : "reloaded"} by baton`,
    "Wants=network-online.target",
    "After=network-online.target",
    "StartLimitIntervalSec=60",
    "StartLimitBurst=10",
    "",
    "[Service]",
    `WorkingDirectory=${directory.replaceAll("%", "%%")}`,
    ...shutdownOnly ? shutdownService(request, start) : handoffService(request, start),
    "Restart=always",
    "RestartSec=200ms",
    "SuccessExitStatus=143",
    "# Wrong usage: another try would end like this one.",
    "RestartPreventExitStatus=64",
    `RuntimeDirectory=baton/${name}`,
    "# As a user of its own; the second line is for ports below 1024.",
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
    "# AF_NETLINK: baton looks at the kernel's socket table.",
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
