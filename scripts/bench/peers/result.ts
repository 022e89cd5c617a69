/** Pure: what was measured of each contestant, as a table. */

/** How many requests one kind of client lost, of how many. */
export interface LossCount {
  readonly lost: number;
  readonly of: number;
}

export interface PeerResult {
  readonly program: string;
  readonly name: string;
  readonly how: string;
  readonly version: string;
  readonly reloads: number;
  /** Reloads after which no client has seen the new version. */
  readonly neverServed: number;
  readonly new: LossCount;
  readonly kept: LossCount;
  /** null: the program has no HTTP/2. */
  readonly h2: LossCount | null;
  /** The server's own boot: from its start until it answers. */
  readonly bootMs: number;
  /** From the reload's request until the first answer of the new version; median. */
  readonly servingMs: number;
  /** From the reload's request until the old version last answered a new connection; median. */
  readonly oldUntilMs: number;
  readonly slowestMs: number;
  readonly memoryBytes: number;
  /** While both versions live. */
  readonly peakBytes: number;
  /** Processor time of the supervisor alone, during the whole load; null: the server is its own. */
  readonly supervisorCpuMs: number | null;
  /** What was left behind, and had to be removed. */
  readonly leftovers: readonly string[];
  /** The first losses, in words. */
  readonly losses: readonly string[];
}

const BYTES_PER_MIB = 1024 * 1024;
const NONE = "-";

const HEADER = [
  "",
  "lost: new",
  "kept",
  "HTTP/2",
  "serves after, ms (beyond its boot)",
  "old one until, ms",
  "slowest, ms",
  "MiB, alone",
  "both",
  "CPU of the supervisor, ms",
] as const;
const QUOTED_COLUMNS: ReadonlySet<string> = new Set<typeof HEADER[number]>([
  "",
  "lost: new",
  "kept",
  "HTTP/2",
  "serves after, ms (beyond its boot)",
  "slowest, ms",
]);
/** Programs of which the README quotes every row, good or bad. */
const QUOTED_PROGRAMS: readonly string[] = ["Node", "Node, no signal handler", "nginx"];

/** Header first. Rows of one program stand together, and name it. */
export function peerTable(results: readonly PeerResult[]): string[][] {
  return [[...HEADER], ...results.map(cells)];
}

function cells(result: PeerResult): string[] {
  const { program, name, bootMs, servingMs, oldUntilMs, slowestMs } = result;
  const { neverServed, reloads, memoryBytes, peakBytes } = result;
  const beyond = servingMs - bootMs;
  const serving = neverServed > 0
    ? `never, ${neverServed} of ${reloads}`
    : `${whole(servingMs)} (${beyond > 0 ? "+" : ""}${whole(beyond)})`;
  return [
    `${program}: ${name}`,
    loss(result.new),
    loss(result.kept),
    result.h2 === null ? NONE : loss(result.h2),
    serving,
    whole(oldUntilMs),
    whole(slowestMs),
    whole(memoryBytes / BYTES_PER_MIB),
    whole(peakBytes / BYTES_PER_MIB),
    result.supervisorCpuMs === null ? NONE : whole(result.supervisorCpuMs),
  ];
}

/** The part of `peerTable` that the README quotes: what clients saw, for a few programs. */
export function quotedTable(results: readonly PeerResult[]): string[][] {
  const table = peerTable(results.filter(({ program }) => QUOTED_PROGRAMS.includes(program)));
  return table.map((cells) =>
    cells.filter((_, column) => QUOTED_COLUMNS.has(HEADER[column] ?? ""))
  );
}

/** How it was done: what was run, and how the next version was asked for. */
export function wayTable(results: readonly PeerResult[]): string[][] {
  return [
    ["", "versions", "how"],
    ...results.map(({ program, name, version, how }) => [`${program}: ${name}`, version, how]),
  ];
}

export function lostOf({ new: fresh, kept, h2 }: PeerResult): number {
  return fresh.lost + kept.lost + (h2?.lost ?? 0);
}

function loss({ lost, of }: LossCount): string {
  return `${lost} of ${of.toLocaleString("en-US")}`;
}

function whole(value: number): string {
  return Number.isNaN(value) ? NONE : value.toFixed(0);
}

/** A table of Markdown. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const line = (words: readonly string[]) => `| ${words.join(" | ")} |`;
  const [header = [], ...others] = rows;
  return [line(header), line(header.map(() => "---")), ...others.map(line)].join("\n");
}
