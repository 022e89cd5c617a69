/** The suites of tests and checks by name: what is in each, who runs it, and how long that may take. */

export interface Suite {
  /** Checks have a command, tests a folder. */
  readonly check?: readonly string[];
  readonly folder?: string;
  /** Only these of its files: their paths contain one of the words. */
  readonly files?: readonly string[];
  /** Not these. */
  readonly except?: readonly string[];
  /** Who runs the tests. */
  readonly runner?: "bun" | "deno";
  readonly env?: Readonly<Record<string, string>>;
  /** As an ordinary user, even if we are root. */
  readonly asPlainUser?: boolean;
  /** Where this is given, clients of the other files pause between requests, except in `make test-all`. */
  readonly fullSpeed?: readonly string[];
  /** Not when they have passed with the test tools as they are. */
  readonly unlessProven?: boolean;
  /** With the systemd of a newer release in place of the machine's. */
  readonly newerSystemd?: boolean;
  /** Files at the same time: one where tests load the machine. */
  readonly parallel: number;
  /** For one test that says nothing itself (Bun only), and for one file. */
  readonly testLimitMs: number;
  readonly fileLimitMs: number;
}

const MS_PER_MINUTE = 60_000;
/** No test of a quick suite takes longer. */
export const QUICK_TEST_MS = MS_PER_MINUTE;

const CHECK = { parallel: 2, testLimitMs: 0, fileLimitMs: 5 * MS_PER_MINUTE } as const;
const QUICK = { parallel: 2, testLimitMs: QUICK_TEST_MS, fileLimitMs: 5 * MS_PER_MINUTE } as const;
const ALONE = { ...QUICK, parallel: 1 } as const;
const SLOW = {
  parallel: 1,
  testLimitMs: 3 * MS_PER_MINUTE,
  fileLimitMs: 12 * MS_PER_MINUTE,
} as const;
const LONG = {
  ...SLOW,
  folder: "test/long",
  runner: "bun",
  fileLimitMs: 60 * MS_PER_MINUTE,
} as const;
/** Most of their time these wait, and a busy machine is one of the promises' conditions. */
const PROMISES = { ...SLOW, folder: "test/integration", runner: "bun", parallel: 5 } as const;
/** Files that take longest, longest first: none of them is to be left alone at the end. */
const LONGEST = [
  "integration/drain_test",
  "integration/broken_deploys",
  "integration/real_servers",
  "fault/upgrade_steps",
  "integration/takeover_test",
  "fault/leaks",
  "fault/prestop",
  "fault/survive",
  "integration/listeners",
  "integration/systemd",
  "integration/health_kinds",
  "integration/late_port",
  "integration/upgrade_test",
  "integration/in_place",
  "integration/rehearse",
  "protocol/takeover",
  "fault/takeover",
  "integration/top_test",
  "fault/doctor_run",
  "fault/privileges",
  "integration/control",
  "integration/stop_first_databases",
  "integration/unix_succession",
  "integration/udp_s",
  "integration/containers",
  "integration/inherit",
  "integration/hooks",
  "integration/rollout",
  "integration/output_reader",
  "integration/terminal",
  "integration/completions",
  "integration/stats_test",
  "integration/admin_test",
  "integration/events_test",
  "integration/otlp",
];
/** What these promise is about load: their clients never pause. */
const UNDER_FULL_LOAD = [
  "real_servers",
  "inherit",
  "queue",
  "listeners",
  "integration/upgrade_test",
  "in_place",
  "integration/takeover",
  "integration/survive",
  "integration/rollout",
] as const;
/** Clients that never pause, and a baton that has to be quick: no place for others. */
const ALONE_ON_MACHINE = ["keep_alive"] as const;
/** Without those of bodies. */
const KEEP_ALIVE_ON_DENO = ["keep_alive_test", "keep_alive_auto", "keep_alive_shutdown"] as const;
/** Only root can test these; what else there is on Deno is tested as an ordinary user. */
const NEED_ROOT = [
  "systemd",
  "takeover",
  "rolling_update",
  "duplicates",
  "whose_connection",
  "unix_listen",
] as const;
/** What any user must get alike, of which this is a part: `make test-all` has all of it, with baton on Deno. */
const FOR_ANY_USER = ["crash", "examples", "queue", "unix_reload", "server_user"] as const;
/** One file for each thing that the runtime has a part in: start, reload, crash, output, upgrade, stop. */
const SMOKE_ON_DENO = [
  "real_servers",
  "crash_test",
  "in_place",
  "integration/output_test",
  "integration/upgrade_test",
  "output_kinds",
  "shutdown_only",
] as const;
/** Start, reload and stop in all their forms, and the store: what newer releases do otherwise. */
const ON_NEWER_SYSTEMD = ["systemd_test", "systemd_store"] as const;
/** What the runtime has a part in: memory, descriptors, processes, baton's own succession. */
const FAULTS_OF_RUNTIME = [
  "leaks",
  "pid1",
  "reload_storm",
  "fault/survive",
  "takeover_survive",
  "upgrade_test",
] as const;
/** Hundreds of kills and reloads take their time on a busy machine. */
const FAULTS = {
  ...PROMISES,
  folder: "test/fault",
  testLimitMs: 6 * MS_PER_MINUTE,
} as const;
/** baton as the bundle under Deno, tested by the same tests. */
const ON_DENO = { BATON_UNDER_TEST: "deno" } as const;
/** For the same promises once more: clients pause, so that most of the time is not theirs. */
const GENTLY_ON_DENO = { ...ON_DENO, BATON_TEST_THINK_MS: "10" } as const;
const FEWER_ON_DENO = { ...ON_DENO, BATON_TEST_MOMENTS: "20" } as const;

export const SUITES: Readonly<Record<string, Suite>> = {
  fmt: { ...CHECK, check: ["fmt", "--check", "--quiet"] },
  lint: { ...CHECK, check: ["lint", "--quiet"] },
  types: { ...CHECK, check: ["check", "--quiet", "src", "scripts", "test"] },
  imports: { ...CHECK, check: ["run", "-A", "scripts/check_imports.ts"] },
  unit: { ...QUICK, folder: "test/unit", runner: "bun" },
  "unit-deno": { ...QUICK, folder: "test/unit", runner: "deno" },
  selftest: { ...QUICK, folder: "test/selftest", runner: "bun", unlessProven: true },
  "selftest-deno": { ...QUICK, folder: "test/selftest", runner: "deno", unlessProven: true },
  platform: { ...ALONE, folder: "test/platform", runner: "bun" },
  "platform-deno": { ...ALONE, folder: "test/platform", runner: "deno" },
  protocol: { ...PROMISES, folder: "test/protocol" },
  "protocol-deno": { ...PROMISES, folder: "test/protocol", env: ON_DENO },
  integration: { ...PROMISES, except: ALONE_ON_MACHINE, fullSpeed: UNDER_FULL_LOAD },
  "integration-deno": { ...PROMISES, env: ON_DENO, except: ALONE_ON_MACHINE },
  "integration-smoke-deno": { ...PROMISES, env: GENTLY_ON_DENO, files: SMOKE_ON_DENO },
  "keep-alive": { ...PROMISES, files: ALONE_ON_MACHINE, parallel: 1 },
  "keep-alive-deno": { ...PROMISES, files: KEEP_ALIVE_ON_DENO, parallel: 1, env: ON_DENO },
  "integration-root-deno": { ...PROMISES, env: ON_DENO, files: NEED_ROOT },
  "integration-user": { ...PROMISES, asPlainUser: true, files: FOR_ANY_USER },
  "integration-user-deno": {
    ...PROMISES,
    env: GENTLY_ON_DENO,
    asPlainUser: true,
    except: ALONE_ON_MACHINE,
  },
  "systemd-next": { ...PROMISES, newerSystemd: true, files: ON_NEWER_SYSTEMD },
  "systemd-next-all": { ...PROMISES, newerSystemd: true, files: ["systemd"] },
  "systemd-next-all-deno": { ...PROMISES, newerSystemd: true, files: ["systemd"], env: ON_DENO },
  system: { ...SLOW, folder: "test/system", runner: "bun", parallel: 2 },
  long: LONG,
  "long-deno": { ...LONG, env: ON_DENO },
  fault: { ...FAULTS, except: ALONE_ON_MACHINE },
  "fault-keep-alive": { ...FAULTS, files: ALONE_ON_MACHINE, parallel: 1 },
  "fault-deno": { ...FAULTS, env: FEWER_ON_DENO, files: FAULTS_OF_RUNTIME },
  "fault-deno-all": { ...FAULTS, env: FEWER_ON_DENO },
};

const CHECKS = ["fmt", "lint", "types", "imports"] as const;
const BASIS = [
  ...CHECKS,
  "unit",
  "unit-deno",
  "selftest",
  "platform",
  "platform-deno",
] as const;
/** Several suites under one name. */
export const GROUPS: Readonly<Record<string, readonly string[]>> = {
  checks: CHECKS,
  /** What must be green before anything lands: every promise once, on Bun as root, and a smoke set of the others. */
  gate: [
    ...BASIS,
    "protocol",
    "integration",
    "integration-smoke-deno",
    "integration-user",
    "fault",
    "keep-alive",
    "fault-keep-alive",
  ],
  /** Every combination of runtime and user that is promised. */
  all: [
    ...BASIS,
    "selftest-deno",
    "protocol",
    "protocol-deno",
    "integration",
    "integration-root-deno",
    "integration-user",
    "integration-user-deno",
    "fault",
    "fault-deno-all",
    "systemd-next-all",
    "keep-alive",
    "keep-alive-deno",
    "fault-keep-alive",
    "system",
    "long",
    "long-deno",
  ],
};

/** @returns where in a queue that several work off a test file belongs: the lower, the earlier */
export function rankOf(file: string): number {
  const rank = LONGEST.findIndex((word) => file.includes(word));
  return rank === -1 ? LONGEST.length : rank;
}

/** Whether clients of this test file pause between two requests, unless the test says otherwise. */
export function clientsPause({ fullSpeed }: Suite, file: string): boolean {
  return fullSpeed !== undefined && !fullSpeed.some((word) => file.includes(word));
}
