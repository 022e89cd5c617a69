/**
 * A container as a kubelet sees it: a PID, mount and network namespace with an address of its own, and the kubelet's
 * real order of events at its end (research of kubelet 1.32, kuberuntime_container.go):
 *
 *   preStop, at most the whole grace period -> what is left of that, 2 s at least -> TERM to process 1 only ->
 *   KILL to all. Readiness is asked for until the very end, liveness only before.
 *
 * A sidecar starts first, and the container when that answers. It is in the container's namespaces: as with
 * `shareProcessNamespace`, but that its end is that of process 1.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import process from "node:process";
import { waitUntil } from "./wait_until.ts";

/** The kubelet gives a container that much after its hook, whatever the hook has taken. */
const LEAST_GRACE_MS = 2_000;
/** Until it is ready: often, so that tests do not wait for it. Then as often as `periodSeconds` may be at most. */
const STARTUP_PERIOD_MS = 100;
const PERIOD_MS = 1_000;
const PROBE_TIMEOUT_MS = 1_000;
const MAX_KEPT_OUTPUT_LENGTH = 64 * 1024;
/** Longest start of a sidecar, on a busy machine. */
const SIDECAR_DEADLINE_MS = 30_000;
const SHELL = 'read _ && exec "$@" </dev/null';

interface Place {
  readonly port: number;
  readonly path: string;
}

/** Run in the container's namespaces, or asked of the pod. */
export type Hook = { readonly exec: readonly string[] } | { readonly httpGet: Place };

export interface ContainerSpec {
  /** Unique on the node; makes the address. */
  readonly number: number;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly readiness: Place;
  readonly liveness: Place | null;
  readonly preStop: Hook | null;
  readonly sidecar: { readonly command: readonly string[]; readonly startup: Place } | null;
  readonly stopSignal: NodeJS.Signals;
}

export interface Ending {
  /** Exit status of process 1; null when the kubelet killed it. */
  readonly status: number | null;
  /** The exit status of a command, or that of HTTP. */
  readonly preStopStatus: number | null;
  readonly tookMs: number;
}

export class Pod implements AsyncDisposable {
  readonly host: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;
  #pid = 0;
  #output = "";
  #ready = false;
  #terminating = false;
  #over = false;
  restarts = 0;
  onReadiness: (ready: boolean) => void = () => {};

  private constructor(readonly spec: ContainerSpec) {
    this.host = `10.88.${spec.number}.2`;
    const words = ["--pid", "--mount", "--net", "--fork", "--kill-child", "--mount-proc"];
    // As an ordinary process, whatever the node is.
    this.#child = spawn("nice", [
      "-n",
      "15",
      "unshare",
      ...words,
      "sh",
      "-c",
      SHELL,
      "sh",
      ...spec.command,
    ], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, KUBERNETES_SERVICE_HOST: "10.96.0.1", ...spec.env },
    });
    this.#keepOutput(this.#child);
    this.#exited = new Promise((resolve) => {
      this.#child.once("exit", (code) => {
        this.#over = true;
        resolve(code);
      });
    });
  }

  static async start(spec: ContainerSpec): Promise<Pod> {
    const pod = new Pod(spec);
    const unshare = pod.#child.pid as number;
    pod.#pid = await waitUntil(() => Number(childrenOf(unshare)[0] ?? 0) || null, {
      what: "the container's process 1",
    });
    const { number } = spec;
    must(
      "ip",
      "link",
      "add",
      `pod${number}`,
      "type",
      "veth",
      "peer",
      "eth0",
      "netns",
      `${pod.#pid}`,
    );
    must("ip", "addr", "add", `10.88.${number}.1/30`, "dev", `pod${number}`);
    must("ip", "link", "set", `pod${number}`, "up");
    const inside = ["nsenter", "-t", `${pod.#pid}`, "-n", "sh", "-c"];
    must(
      ...inside,
      `ip link set lo up && ip addr add ${pod.host}/30 dev eth0 && ip link set eth0 up`,
    );
    await pod.#startSidecar();
    pod.#child.stdin?.end("\n");
    pod.#poll();
    return pod;
  }

  get output(): string {
    return this.#output;
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** Its process 1, by its number on the node. */
  get pid(): number {
    return this.#pid;
  }

  async whenReady(): Promise<void> {
    await waitUntil(() => this.#ready || this.#over, { what: `pod ready\n${this.#output}` });
    if (this.#over) throw new Error(`The container has ended: ${this.#output}`);
  }

  /** Runs a command inside, as a hook or an exec probe. @returns null when the time was over */
  async exec(command: readonly string[], timeoutMs: number): Promise<number | null> {
    const child = this.#enter(command, "ignore");
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    const status = await new Promise<number | null>((resolve) => child.once("exit", resolve));
    clearTimeout(timer);
    return status;
  }

  #enter(command: readonly string[], stdio: "ignore" | "pipe"): ChildProcess {
    const words = ["-t", `${this.#pid}`, "-p", "-m", "-n", ...command];
    return spawn("nsenter", words, { stdio, env: process.env });
  }

  async #startSidecar(): Promise<void> {
    const { sidecar } = this.spec;
    if (sidecar === null) return;
    this.#keepOutput(this.#enter(sidecar.command, "pipe"));
    await waitUntil(() => probe(this.host, sidecar.startup), {
      what: `the sidecar has started\n${this.#output}`,
      deadlineMs: SIDECAR_DEADLINE_MS,
    });
  }

  #keepOutput({ stdout, stderr }: ChildProcess): void {
    for (const stream of [stdout, stderr]) {
      stream?.on("data", (bytes) => {
        this.#output = (this.#output + String(bytes)).slice(-MAX_KEPT_OUTPUT_LENGTH);
      });
    }
  }

  async terminate(graceMs: number): Promise<Ending> {
    const startedAt = performance.now();
    this.#terminating = true;
    let leftMs = graceMs;
    let preStopStatus: number | null = null;
    if (this.spec.preStop !== null) {
      const hook = this.spec.preStop;
      preStopStatus = await ("exec" in hook
        ? this.exec(hook.exec, leftMs)
        : statusOf(this.host, hook.httpGet, leftMs));
      leftMs -= Math.floor((performance.now() - startedAt) / 1000) * 1000;
    }
    leftMs = Math.max(leftMs, LEAST_GRACE_MS);
    if (!this.#over) process.kill(this.#pid, this.spec.stopSignal);
    let killed = false;
    const timer = setTimeout(() => {
      killed = true;
      process.kill(this.#pid, "SIGKILL");
    }, leftMs);
    const code = await this.#exited;
    clearTimeout(timer);
    const tookMs = Math.round(performance.now() - startedAt);
    return { status: killed ? null : code, preStopStatus, tookMs };
  }

  async #poll(): Promise<void> {
    const { readiness, liveness } = this.spec;
    while (!this.#over) {
      const ready = await probe(this.host, readiness);
      if (ready !== this.#ready) this.onReadiness(this.#ready = ready);
      if (
        liveness !== null && !this.#terminating && this.#ready && !await probe(this.host, liveness)
      ) {
        this.restarts++;
      }
      const periodMs = this.#ready ? PERIOD_MS : STARTUP_PERIOD_MS;
      await new Promise((resolve) => setTimeout(resolve, periodMs));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#over) process.kill(this.#pid, "SIGKILL");
    await this.#exited;
  }
}

/** An httpGet probe: any status from 200 to 399. */
export async function probe(host: string, place: Place): Promise<boolean> {
  const status = await statusOf(host, place, PROBE_TIMEOUT_MS) ?? 0;
  return status >= 200 && status < 400;
}

/** @returns the status of a whole answer, or null */
export function statusOf(
  host: string,
  { port, path }: Place,
  timeoutMs: number,
): Promise<number | null> {
  return new Promise((resolve) => {
    const sent = request({ host, port, path, agent: false, timeout: timeoutMs }, (response) => {
      response.resume();
      response.on("close", () => resolve(response.statusCode ?? null));
    });
    sent.on("timeout", () => sent.destroy());
    sent.on("error", () => resolve(null));
    sent.end();
  });
}

function childrenOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  } catch {
    return [];
  }
}

function must(...words: readonly string[]): void {
  const [program = "", ...argv] = words;
  const { status, stderr } = spawnSync(program, argv, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${words.join(" ")}: ${stderr}`);
}
