/**
 * A node of a cluster, as process 1 of a PID, mount and network namespace (kubesim.ts starts it): a rolling update of
 * a deployment under load. One argument, a `Scenario` as JSON; prints an `Outcome` as JSON. When it ends, or is
 * killed, the kernel takes everything down that it has made.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { batonCommand } from "./baton.ts";
import { Balancer, type Endpoint } from "./kube_balancer.ts";
import { type ContainerSpec, type Ending, Pod } from "./kube_pod.ts";
import type { Outcome, Scenario } from "./kubesim.ts";
import { formatTally, Load } from "./load.ts";
import { fixtureCommand, place, server } from "./servers.ts";
import { tempDir } from "./temp_dir.ts";

const PORT = 8080;
const PROBE_PORT = 9901;
/** A balancer hears of new endpoints soon, so that tests do not wait for them. */
const ADD_LAG_MS = 50;
/** Load before the first and after the last change. */
const MARGIN_MS = 300;

async function main(scenario: Scenario): Promise<Outcome> {
  spawnSync("ip", ["link", "set", "lo", "up"]);
  using dir = tempDir("kubesim");
  await using balancer = await Balancer.open();
  await using pods = new AsyncDisposableStack();
  let number = 0;
  const start = async (version: string) => {
    const pod = pods.use(await Pod.start(specOf(scenario, dir.path, ++number, version)));
    const endpoint: Endpoint = { host: pod.host, port: PORT };
    let terminating = false;
    pod.onReadiness = (ready) => {
      if (terminating) return;
      if (ready) setTimeout(() => balancer.add(endpoint), ADD_LAG_MS);
      else setTimeout(() => balancer.remove(endpoint), scenario.lagMs);
    };
    await pod.whenReady();
    await pause(ADD_LAG_MS * 2);
    const terminate = (): Promise<Ending> => {
      terminating = true;
      setTimeout(() => balancer.remove(endpoint), scenario.lagMs);
      return pod.terminate(scenario.graceMs);
    };
    return { pod, terminate };
  };
  const old = await Promise.all(Array.from({ length: scenario.pods }, () => start("1")));
  const path = scenario.slowMs > 0 ? `/slow?ms=${scenario.slowMs}` : "/";
  const common = { port: balancer.port, maxDurationMs: scenario.limitMs };
  await using fresh = new Load({ ...common, clients: 2, thinkTimeMs: 20 }).start();
  await using kept = new Load({
    ...common,
    clients: scenario.clients,
    thinkTimeMs: scenario.thinkTimeMs,
    mode: "keep-alive",
    path,
  }).start();
  await pause(MARGIN_MS);
  const ends: Promise<Ending>[] = [];
  // maxSurge 1, maxUnavailable 0: one more, and only when it is ready one of the old ones goes.
  for (const { terminate } of old) {
    await start("2");
    ends.push(terminate());
  }
  const endings = await Promise.all(ends);
  await pause(MARGIN_MS);
  const [freshTally, keptTally] = [await fresh.stop(), await kept.stop()];
  return {
    fresh: { ok: freshTally.ok, lost: freshTally.lost, text: formatTally(freshTally) },
    kept: { ok: keptTally.ok, lost: keptTally.lost, text: formatTally(keptTally) },
    endings,
    output: old.map(({ pod }) => pod.output).join("\n"),
  };
}

function specOf(scenario: Scenario, dir: string, number: number, version: string): ContainerSpec {
  const workDir = join(dir, String(number));
  mkdirSync(workDir);
  const runnable = scenario.server === "ignores_term"
    ? {
      command: fixtureCommand("ignores_term.py"),
      env: { PORT: String(PORT), HOST: "0.0.0.0", VERSION: version },
    }
    : place(server(scenario.server), { port: PORT, workDir, host: "0.0.0.0", version });
  const [minDrain, maxDrain] = [scenario.minDrainMs, scenario.maxDrainMs].map((ms) => `${ms}ms`);
  const plain = { port: PORT, path: "/" };
  const common = { number, env: runnable.env };
  if (scenario.form === "entrypoint") {
    const flags = [
      "--shutdown-only",
      "--name",
      "web",
      "--runtime-dir",
      workDir,
      "--quiet",
      "500ms",
      "--min-drain",
      minDrain!,
      "--max-drain",
      maxDrain!,
      "--stop-time",
      "1s",
      "--grace",
      `${scenario.graceMs}ms`,
      "--probe-listen",
      `0.0.0.0:${PROBE_PORT}`,
    ];
    return {
      ...common,
      command: [...batonCommand(), "run", ...flags, "--", ...runnable.command],
      readiness: { port: PROBE_PORT, path: "/readyz" },
      liveness: { port: PROBE_PORT, path: "/livez" },
      preStop: null,
      sidecar: null,
      stopSignal: "SIGTERM",
    };
  }
  const wait = [
    ...batonCommand(),
    "prestop",
    "--port",
    String(PORT),
    "--quiet",
    "500ms",
    "--min",
    minDrain!,
    "--max",
    maxDrain!,
  ];
  const unchanged: ContainerSpec = {
    ...common,
    command: scenario.form === "init" ? ["tini", "--", ...runnable.command] : runnable.command,
    readiness: plain,
    liveness: null,
    preStop: null,
    sidecar: null,
    // As the image of nginx says.
    stopSignal: scenario.server === "nginx" ? "SIGQUIT" : "SIGTERM",
  };
  switch (scenario.form) {
    case "bare":
    case "init":
      return unchanged;
    case "prestop":
      return { ...unchanged, preStop: { exec: [...wait, "--runtime-dir", join(workDir, "none")] } };
    case "sidecar":
      return {
        ...unchanged,
        readiness: { port: PROBE_PORT, path: "/readyz" },
        preStop: { httpGet: { port: PROBE_PORT, path: "/prestop" } },
        sidecar: {
          command: [...wait, "--serve", `0.0.0.0:${PROBE_PORT}`],
          startup: { port: PROBE_PORT, path: "/startupz" },
        },
      };
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const outcome = await main(JSON.parse(process.argv[2] ?? "{}") as Scenario);
process.stdout.write(`${JSON.stringify(outcome)}\n`);
process.exit(0);
