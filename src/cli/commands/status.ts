/** `baton status`: the state of a service at a glance. */
import { formatDuration } from "../../config/values/duration.ts";
import type { Platform } from "../../platform/platform.ts";
import type { ServiceCommand } from "../words/words.ts";
import { EXIT_OK } from "../console/exit_status.ts";
import { type Span, STATE_STYLES, type Style } from "../console/color.ts";
import type { Printer } from "../console/printer.ts";
import { doubtLines, heldLines, lateLines, sharedLines, storyLine } from "./reload_text.ts";
import { shareText } from "../../admin/page/texts.ts";
import { STATUS_REPLY, type StatusReply } from "../../admin/replies.ts";
import { progressLine } from "../console/progress.ts";
import { readReply } from "../console/replies.ts";
import { callService } from "../console/target.ts";

const STATUS_TIMEOUT_MS = 5_000;
const MS_PER_SECOND = 1000;

type Trial = NonNullable<StatusReply["trial"]>;
type LastReload = NonNullable<StatusReply["lastReload"]>;

export function commandStatus(platform: Platform, command: ServiceCommand, print: Printer): number {
  const reply = callService(platform, command, {
    method: "GET",
    path: "/v1/status",
    timeoutMs: STATUS_TIMEOUT_MS,
  });
  const status = readReply(STATUS_REPLY, "show the status", reply);
  if (command.json) print.out(JSON.stringify(reply.body, null, 2));
  else {for (const [style, line] of statusLines(status, platform.clock.wallMs())) {
      print.out(line, style);
    }}
  return EXIT_OK;
}

/** @param now milliseconds since 1970, for ages */
function statusLines(snapshot: StatusReply, now: number): Span[] {
  const { restarts, lastReload } = snapshot;
  const serving = snapshot.epoch === null
    ? "no generation serves"
    : `generation ${snapshot.epoch} serves`;
  const lines: Span[] = [
    [
      snapshot.epoch === null ? "red" : "bold",
      `${snapshot.name}: ${serving}${workersText(snapshot)} (baton ${snapshot.version}, ` +
      `pid ${snapshot.pid}, up ${age(snapshot.startedAt, now)})`,
    ],
    [null, `reloads: ${restarts.ok} ok, ${restarts.failed} failed; crashes: ${restarts.crashes}`],
  ];
  const plain = (line: string) => void lines.push([null, line]);
  lines.push(...drainCallLines(snapshot, now), ...frontLines(snapshot, now));
  if (snapshot.order === "stop-first") {
    plain(`a reload stops the server first (stop-first): ${snapshot.orderReason}`);
  }
  if (snapshot.duplicates === "socket-trap" || snapshot.duplicates === "at-bind") {
    plain(`the servers' sockets are made by baton (--duplicates ${snapshot.duplicates})`);
  }
  if (lastReload !== null) {
    const reason = lastReload.reason === null ? "" : `: ${lastReload.reason}`;
    lines.push([
      lastReload.result === "ok" ? null : "red",
      `last reload: ${lastReload.result} in ${lastReload.durationMs} ms, ` +
      `${lastReload.connectionsCut} connections cut, ${lastReload.connectionsUndecided} ` +
      `undecided${keptText(lastReload)}${reason}`,
    ]);
    const story = storyLine(lastReload);
    if (story !== "") lines.push(["dim", `  ${story}`]);
    const details = [heldLines, lateLines, sharedLines, doubtLines].flatMap((of) => of(lastReload));
    for (const line of details) lines.push(["yellow", `  ${line}`]);
  }
  if (snapshot.trial !== null) lines.push(["blue", trialText(snapshot.trial)]);
  const progress = progressLine(snapshot);
  if (progress !== "") lines.push(["yellow", progress]);
  const [titles = "", ...rows] = table(generationRows(snapshot, now));
  const styles = snapshot.generations.map(styleOf);
  lines.push([null, ""], ["bold", titles]);
  lines.push(...rows.map((row, i): Span => [styles[i] ?? null, row]));
  const others = [
    workerRows(snapshot, now),
    checkRows(snapshot),
    listenerRows(snapshot),
    frontRows(snapshot),
    endpointRows(snapshot),
    helperRows(snapshot),
  ];
  for (const each of others) {
    const [head = "", ...body] = table(each);
    if (head === "") continue;
    lines.push([null, ""], ["bold", head], ...body.map((row): Span => [null, row]));
  }
  return lines;
}

function drainCallLines(
  { drainCalls: { ok, failed, lastFailure } }: StatusReply,
  now: number,
): Span[] {
  if (ok + failed === 0) return [];
  const line = `drain calls: ${ok} ok, ${failed} failed`;
  if (lastFailure === null) return [[null, line]];
  const { epoch, call, reason, at } = lastFailure;
  return [["yellow", `${line}; ${age(at, now)} ago, generation ${epoch}: ${call}: ${reason}`]];
}

function frontLines({ fronts }: StatusReply, now: number): Span[] {
  return fronts.flatMap(({ file, lastError }): Span[] => {
    if (lastError === null) return [];
    return [[
      "yellow",
      `last error of ${file}, ${age(lastError.at, now)} ago: ${lastError.reason}`,
    ]];
  });
}

function styleOf({ state, outcome }: StatusReply["generations"][number]): Style | null {
  if (state === "exited") return outcome === "failed" || outcome === "crashed" ? "red" : "dim";
  return STATE_STYLES[state] ?? null;
}

function trialText(trial: Trial): string {
  const { epoch, phase, seen } = trial;
  const found = seen === null ? "" : ` (seen: ${seen.percent} % of ${seen.connections})`;
  return `on trial: generation ${epoch} gets ${shareText(trial)}${found}, ${phase}`;
}

function keptText({ connectionsKept }: LastReload): string {
  if (connectionsKept === null) return "";
  const { moved, finished, left } = connectionsKept;
  return `, ${moved} moved, ${finished} finished, ${left} left`;
}

/** " with 2 of 4 workers"; empty where there is to be one, as configured. */
function workersText({ epoch, workers: { configured, wanted }, generations }: StatusReply): string {
  if (wanted === 1 && configured === 1) return "";
  const serving = generations.find((generation) => generation.epoch === epoch)?.workers ?? [];
  const present = serving.filter(({ state }) => state === "serving").length;
  const asked = wanted === configured ? "" : `, ${configured} configured`;
  return ` with ${present} of ${wanted} ${wanted === 1 ? "worker" : "workers"}${asked}`;
}

/** A cell may be a number. */
type Row = readonly (string | number)[];

function workerRows(snapshot: StatusReply, now: number): Row[] {
  if (snapshot.generations.every(({ workers }) => workers.length < 2)) return [];
  const titles = "WORKER EPOCH STATE PID AGE BUSY IDLE UNDECIDED RESTARTS".split(" ");
  const rows = snapshot.generations.flatMap(({ epoch, workers }) =>
    workers.map(({ number, state, pid, startedAt, connections, restarts }) => {
      const { busy, idle, undecided } = connections;
      const since = age(startedAt, now);
      return [number, epoch, state, pid ?? "-", since, busy, idle, undecided, restarts];
    })
  );
  return [titles, ...rows];
}

function generationRows({ generations }: StatusReply, now: number): Row[] {
  const titles = ["EPOCH", "STATE", "OUTCOME", "PID", "AGE", "BUSY", "IDLE", "UNDECIDED", "REASON"];
  const rows = generations.map((
    { epoch, state, outcome, pid, startedAt, connections: { busy, idle, undecided }, reason },
  ) => {
    const since = age(startedAt, now);
    return [epoch, state, outcome ?? "-", pid ?? "-", since, busy, idle, undecided, reason ?? ""];
  });
  return [titles, ...rows];
}

function listenerRows({ listeners }: StatusReply): Row[] {
  const isFronted = listeners.some(({ members }) => members.some(({ dialed }) => dialed));
  const rows = listeners.flatMap(({ address, origin, mode, members }) =>
    members.map(({ epoch, receiving, backlog, dialed }) => {
      const how = origin === "shared" ? "shared" : mode;
      const row = [address, how, epoch, receiving ? "yes" : "no", backlog];
      return isFronted ? [...row, dialed ?? "-"] : row;
    })
  );
  const titles = ["LISTENER", "MODE", "EPOCH", "RECEIVING", "BACKLOG"];
  return [isFronted ? [...titles, "DIALED"] : titles, ...rows];
}

function frontRows({ fronts }: StatusReply): Row[] {
  const rows = fronts.map(({ file, cluster, state, envoys }) => {
    const followers = envoys.filter(({ result }) => result === "follows").length;
    return [file, cluster, state, envoys.length === 0 ? "-" : `${followers} of ${envoys.length}`];
  });
  return rows.length === 0 ? [] : [["FRONT", "CLUSTER", "STATE", "FOLLOWED BY"], ...rows];
}

/** How requests are shared out among the generations behind a front. */
function endpointRows({ fronts }: StatusReply): Row[] {
  const rows = fronts.flatMap(({ cluster, endpoints }) =>
    endpoints.map(({ address, epoch, state, weight }) => [
      address,
      cluster,
      epoch,
      state,
      state === "HEALTHY" ? weight : "-",
    ])
  );
  return rows.length === 0 ? [] : [["ENDPOINT", "CLUSTER", "EPOCH", "STATE", "WEIGHT"], ...rows];
}

function helperRows({ helpers }: StatusReply): Row[] {
  const rows = helpers.map((
    { pid, name, epoch, addresses },
  ) => [name, pid, epoch, addresses.join(" ")]);
  return rows.length === 0 ? [] : [["HELPER", "PID", "STARTED BY", "LISTENS AT"], ...rows];
}

function age(startedAt: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(startedAt)) / MS_PER_SECOND));
  return formatDuration(seconds * MS_PER_SECOND);
}

function checkRows({ generations }: StatusReply): Row[] {
  const rows = generations.flatMap(({ epoch, checks, state }) =>
    state === "exited" ? [] : checks.map((
      { check, role, healthy, failures, successes, lastResult },
    ) => {
      const failed = `${failures} of ${successes + failures}`;
      return [check, epoch, role, healthy ? "yes" : "no", failed, lastResult ?? ""];
    })
  );
  return rows.length === 0 ? [] : [["CHECK", "EPOCH", "FOR", "HEALTHY", "FAILED", "LAST"], ...rows];
}

/** Columns as wide as their widest cell, two spaces apart. */
function table(rows: readonly Row[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => String(row[column] ?? "").length))
  );
  const padded = (row: Row) => row.map((cell, i) => String(cell).padEnd(widths[i] ?? 0));
  return rows.map((row) => padded(row).join("  ").trimEnd());
}
