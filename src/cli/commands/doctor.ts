/**
 * `baton doctor`: reports what works on this kernel and in this container, what does not, and the remedy. Tries what
 * `run` tries (`handoff/capabilities.ts`), and adds hints that `run` does not need (`doctor_hints.ts`).
 */
import { existsSync } from "node:fs";
import {
  type Capability,
  missingForAdopt,
  probeCapabilities,
  suitedDuplicates,
} from "../../handoff/capabilities.ts";
import { duplicatesText } from "../../handoff/duplicates/choose.ts";
import { kernelRelease } from "../../platform/kernel.ts";
import type { Platform } from "../../platform/platform.ts";
import * as proc from "../../platform/process/proc.ts";
import { EXIT_OK, EXIT_SYSTEM } from "../console/exit_status.ts";
import type { Printer } from "../console/printer.ts";
import { VERSION } from "../console/version.ts";
import type { Command } from "../words/parse.ts";
import { HINTS } from "./doctor_hints.ts";

/** The initial namespaces: `PROC_PID_INIT_INO`, `PROC_USER_INIT_INO`, <linux/proc_ns.h>. */
const FIRST_NAMESPACES = { pid: "pid:[4026531836]", user: "user:[4026531837]" } as const;

export function commandDoctor(
  platform: Platform,
  { json }: Extract<Command, { verb: "doctor" }>,
  print: Printer,
): number {
  const found = probeCapabilities(platform, HINTS);
  const capabilities = [...found, duplicatesOf(platform, found)];
  const assessment = assess(capabilities);
  const host = describeHost(platform);
  if (json) {
    const { name, version, arch } = platform.runtime;
    const runtime = `${name} ${version}`;
    const report = { version: VERSION, runtime, arch, ...host, ...assessment, capabilities };
    print.out(JSON.stringify(report, null, 2));
  } else {
    textLines(platform, host, assessment, capabilities).forEach((line) => print.out(line));
  }
  return assessment.works === "nothing" ? EXIT_SYSTEM : EXIT_OK;
}

function textLines(
  { runtime: { name, version, arch } }: Platform,
  { kernel, libc, uid, environment }: ReturnType<typeof describeHost>,
  { modes, summary }: ReturnType<typeof assess>,
  capabilities: readonly Capability[],
): string[] {
  return [
    `baton ${VERSION} on ${name} ${version}, ${arch}, ${libc}, Linux ${kernel}, user ${uid}`,
    ...environment.length > 0 ? [environment.join(", ")] : [],
    "",
    ...modes.map(({ name, works, means }) =>
      `${name.padEnd(9)} ${works ? "yes" : "NO "}  ${means}`
    ),
    "",
    ...capabilities.flatMap(({ ok, needed, title, detail, consequence }) => [
      `${ok ? "ok  " : needed === "advice" ? "note" : "FAIL"}  ${title}: ${detail}`,
      ...!ok && consequence !== null ? [`      ${consequence}`] : [],
    ]),
    "",
    summary,
  ];
}

function assess(capabilities: readonly Capability[]) {
  const has = (id: string) => capabilities.some((each) => each.id === id && each.ok);
  const broken = capabilities.filter(({ ok, needed }) => !ok && needed === "always");
  const inherit = broken.length === 0;
  const adopt = inherit && missingForAdopt(capabilities).length === 0;
  const steering = has("steering") && has("outer_baton");
  const drain = has("sock_diag") && has("proc");
  const modes = [
    { name: "adopt", works: adopt, means: "any server, unmodified" },
    { name: "inherit", works: inherit, means: "servers that accept passed sockets (--listen)" },
    { name: "steering", works: steering, means: "a single generation gets the new connections" },
    {
      name: "drain",
      works: drain,
      means: "an old generation stops when its connections have finished",
    },
  ];
  if (adopt) {
    return { works: "everything", modes, summary: "baton can hand over any server here." };
  }
  if (inherit) {
    const summary = "baton works here with --listen only: for servers that accept passed sockets.";
    return { works: "inherit", modes, summary };
  }
  return { works: "nothing", modes, summary: "baton cannot hand connections over here." };
}

/** What `--duplicates auto` is here. */
function duplicatesOf(platform: Platform, found: readonly Capability[]): Capability {
  const hasGetfd = found.some(({ id, ok }) => id === "pidfd_getfd" && ok);
  return {
    id: "duplicates",
    title: "duplicates of a server's sockets (--duplicates auto)",
    ok: true,
    detail: duplicatesText(suitedDuplicates(platform, hasGetfd, false)),
    consequence: null,
    needed: "advice",
  };
}

function describeHost({ processes, runtime }: Platform) {
  const env = runtime.env();
  const container = existsSync("/.dockerenv")
    ? "docker"
    : existsSync("/run/.containerenv")
    ? "podman"
    : env["KUBERNETES_SERVICE_HOST"]
    ? "kubernetes"
    : env["container"] ?? null;
  const hasOwnNamespace = (kind: "pid" | "user") =>
    existsSync(`/proc/self/ns/${kind}`) && proc.ownNamespace(kind) !== FIRST_NAMESPACES[kind];
  return {
    kernel: kernelRelease(),
    libc: ownLibc(),
    uid: processes.userId(),
    /** Where it runs, for people: "in a container (docker)", "PID 1". */
    environment: [
      ...container !== null ? [`in a container (${container})`] : [],
      ...runtime.pid === 1 ? ["PID 1: orphans are reaped"] : [],
      ...hasOwnNamespace("pid") ? ["in its own PID namespace"] : [],
      ...hasOwnNamespace("user") ? ["in its own user namespace"] : [],
    ],
  };
}

/** The C library that this process has loaded. */
function ownLibc(): "glibc" | "musl" {
  return /\/(?:ld-musl-|libc\.musl-|\w+-linux-musl\/libc\.so)/.test(
      proc.readText("/proc/self/maps") ?? "",
    )
    ? "musl"
    : "glibc";
}
