/**
 * What each engine gives a container by default: its capabilities and its seccomp profile.
 *
 * The profiles are made by the engines' own code, for these capabilities and this kernel and processor: Docker's and
 * containerd's are Go modules, pinned in test/fixtures/container_profiles/; podman's and CRI-O's is a file of Debian's
 * package. Nothing of them is kept in the repository: they are built into .cache/ once.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { buildGoProgram, REPOSITORY, which } from "../programs.ts";

export type Engine = "docker" | "containerd" | "podman" | "cri-o" | "unconfined";

export const ENGINES: readonly Engine[] = [
  "docker",
  "containerd",
  "podman",
  "cri-o",
  "unconfined",
];

const DOCKER = "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP " +
  "NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE";

/** capabilities(7), without CAP_: moby daemon/pkg/oci/caps, containers/common pkg/config, CRI-O pkg/config. */
const CAPABILITIES: Readonly<Record<Engine, string>> = {
  docker: DOCKER,
  containerd: DOCKER,
  podman: "CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID " +
    "SYS_CHROOT",
  "cri-o": "CHOWN DAC_OVERRIDE FSETID FOWNER SETGID SETUID SETPCAP NET_BIND_SERVICE KILL",
  unconfined: DOCKER,
};

/** Debian 12's, which podman 4.3 and CRI-O read: /usr/share/containers/seccomp.json. */
const PODMAN_PACKAGE = "golang-github-containers-common";
const PODMAN_FILE = "usr/share/containers/seccomp.json";
const DOWNLOAD_TIMEOUT_MS = 120_000;

export function defaultCapabilities(engine: Engine): string[] {
  return CAPABILITIES[engine].split(" ").map((name) => `CAP_${name}`);
}

/** Why the profile of `engine` cannot be had here; false = it can. */
export function noProfile(engine: Engine): string | false {
  try {
    seccompProfile(engine, defaultCapabilities(engine));
    return false;
  } catch (error) {
    return `the seccomp profile of ${engine} cannot be had: ${firstLine(error)}`;
  }
}

/** `linux.seccomp` of config.json (OCI runtime specification); null: the container is not confined. */
export function seccompProfile(engine: Engine, capabilities: readonly string[]): object | null {
  switch (engine) {
    case "unconfined":
      return null;
    case "docker":
      return printed("docker", capabilities);
    case "containerd":
      return printed("containerd", capabilities);
    case "podman":
    case "cri-o":
      return printed("docker", ["--file", podmanProfile(), ...capabilities]);
  }
}

function printed(name: "docker" | "containerd", argv: readonly string[]): object {
  const program = buildGoProgram(`container_profiles/${name}`);
  return JSON.parse(execFileSync(program, argv, { encoding: "utf8" })) as object;
}

/** The file of the installed package, else of the package fetched into .cache/. @throws {Error} */
function podmanProfile(): string {
  const installed = `/${PODMAN_FILE}`;
  if (existsSync(installed)) return installed;
  const folder = join(REPOSITORY, ".cache", "container-profiles");
  const kept = join(folder, "podman.json");
  if (existsSync(kept)) return kept;
  if (which("apt-get") === null) throw new Error(`${installed} is missing, and so is apt-get`);
  mkdirSync(folder, { recursive: true });
  const aside = mkdtempSync(join(folder, "fetching-"));
  try {
    const options = { cwd: aside, timeout: DOWNLOAD_TIMEOUT_MS, stdio: "pipe" } as const;
    execFileSync("apt-get", ["-qq", "download", PODMAN_PACKAGE], options);
    const [deb = ""] = readdirSync(aside);
    execFileSync("dpkg-deb", ["-x", deb, "."], options);
    renameSync(join(aside, PODMAN_FILE), kept);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  return kept;
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
}
