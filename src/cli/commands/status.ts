/** `baton status`: the state of a service at a glance. */
import { formatDuration } from "../../config/values/duration.ts";
import type { Platform } from "../../platform/platform.ts";
import type { ServiceCommand } from "../words/words.ts";
import { EXIT_OK } from "../console/exit_status.ts";
import { type Span, STATE_STYLES, type Style } from "../console/color.ts";
import type { Printer } from "../console/printer.ts";
import { doubtLines, heldLines, lateLines, sharedLines, storyLine } from "./reload_text.ts";
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
  else {statusLines(status, platform.clock.wallMs()).forEach(([style, line]) =>
      print.out(line, style)
    );}
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
  const generations = table(generationRows(snapshot, now));
  const [titles = "", ...rows] = generations;
  const styles = snapshot.generations.map(styleOf);
  lines.push([null, ""], ["bold", titles]);
  lines.push(...rows.map((row, i): Span => [styles[i] ?? null, row]));
  const others = [
    workerRows(snapshot, now),
    checkRows(snapshot),
    listenerRows(snapshot),
    helperRows(snapshot),
  ];
  for (const each of others) {
    const [head = "", ...body] = table(each);
    if (head === "") continue;
    lines.push([null, ""], ["bold", head], ...body.map((row): Span => [null, row]));
  }
  return lines;
}

function styleOf({ state, outcome }: StatusReply["generations"][number]): Style | null {
  if (state === "exited") return outcome === "failed" || outcome === "crashed" ? "red" : "dim";
  return STATE_STYLES[state] ?? null;
}

function trialText({ epoch, phase, percent, seen }: Trial): string {
  const found = seen === null ? "" : ` (seen: ${seen.percent} % of ${seen.connections})`;
  return `on trial: generation ${epoch} gets ${percent} % of the new connections${found}, ${phase}`;
}

function keptText({ connectionsKept }: LastReload): string {
  if (connectionsKept === null) return "";
  const { moved, finished, left } = connectionsKept;
  return `, ${moved} moved, ${finished} finished, ${left} left`;
}

/** Where there are several, or other than configured. */
function workersText({ epoch, workers: { configured, wanted }, generations }: StatusReply): string {
  if (wanted === 1 && configured === 1) return "";
  const serving = generations.find((generation) => generation.epoch === epoch)?.workers ?? [];
  const present = serving.filter(({ state }) => state === "serving").length;
  const asked = wanted === configured ? "" : `, ${configured} configured`;
  return ` with ${present} of ${wanted} ${wanted === 1 ? "worker" : "workers"}${asked}`;
}

function workerRows(snapshot: StatusReply, now: number): string[][] {
  if (snapshot.generations.every(({ workers }) => workers.length < 2)) return [];
  const rows = snapshot.generations.flatMap(({ epoch, workers }) =>
    workers.map((worker) => [
      String(worker.number),
      String(epoch),
      worker.state,
      String(worker.pid ?? "-"),
      age(worker.startedAt, now),
      String(worker.connections.busy),
      String(worker.connections.idle),
      String(worker.connections.undecided),
      String(worker.restarts),
    ])
  );
  const titles = [
    "WORKER",
    "EPOCH",
    "STATE",
    "PID",
    "AGE",
    "BUSY",
    "IDLE",
    "UNDECIDED",
    "RESTARTS",
  ];
  return rows.length === 0 ? [] : [titles, ...rows];
}

function generationRows(snapshot: StatusReply, now: number): string[][] {
  const rows = snapshot.generations.map((generation) => [
    String(generation.epoch),
    generation.state,
    generation.outcome ?? "-",
    String(generation.pid ?? "-"),
    age(generation.startedAt, now),
    String(generation.connections.busy),
    String(generation.connections.idle),
    String(generation.connections.undecided),
    generation.reason ?? "",
  ]);
  const titles = ["EPOCH", "STATE", "OUTCOME", "PID", "AGE", "BUSY", "IDLE", "UNDECIDED", "REASON"];
  return [titles, ...rows];
}

function listenerRows(snapshot: StatusReply): string[][] {
  const rows = snapshot.listeners.flatMap((listener) =>
    listener.members.map((member) => [
      listener.address,
      listener.origin === "shared" ? "shared" : listener.mode,
      String(member.epoch),
      member.receiving ? "yes" : "no",
      String(member.backlog),
    ])
  );
  return [["LISTENER", "MODE", "EPOCH", "RECEIVING", "BACKLOG"], ...rows];
}

function helperRows({ helpers }: StatusReply): string[][] {
  const rows = helpers.map(({ pid, name, epoch, addresses }) => [
    name,
    String(pid),
    String(epoch),
    addresses.join(" "),
  ]);
  return rows.length === 0 ? [] : [["HELPER", "PID", "STARTED BY", "LISTENS AT"], ...rows];
}

function age(startedAt: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(startedAt)) / MS_PER_SECOND));
  return formatDuration(seconds * MS_PER_SECOND);
}

function checkRows(snapshot: StatusReply): string[][] {
  const rows = snapshot.generations.flatMap(({ epoch, checks, state }) =>
    state === "exited" ? [] : checks.map((check) => [
      check.check,
      String(epoch),
      check.role,
      check.healthy ? "yes" : "no",
      `${check.failures} of ${check.successes + check.failures}`,
      check.lastResult ?? "",
    ])
  );
  return rows.length === 0 ? [] : [["CHECK", "EPOCH", "FOR", "HEALTHY", "FAILED", "LAST"], ...rows];
}

/** Columns as wide as their widest cell, two spaces apart. */
function table(rows: readonly string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0))
  );
  return rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ").trimEnd());
}
