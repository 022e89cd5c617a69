/** The table of docs/kernels.md. Pure. */
import type { Boot, Result } from "./boot.ts";
import { doctorOf, find } from "./judge.ts";
import type { Machine } from "./machine.ts";

const START = "<!-- The table is written by `make test-kernels`. -->";
const END = "<!-- The end of the table. -->";
export const COLUMNS = [
  "System",
  "Kernel",
  "Processor, C library",
  "adopt",
  "3 reloads, root",
  "1 reload, user",
  "socket trap, 2 reloads",
  "kept connections, 2 reloads",
  "Yama 1, user",
  "Yama 2, user",
  "Yama 3, root",
  "without modprobe",
] as const;

export interface Tried {
  readonly machine: Machine;
  readonly boot: Boot;
}

export function rowsOf({ machine, boot }: Tried): string[][] {
  const { results } = boot;
  const release = String(find(results, "kernel")?.["release"] ?? "?");
  return machine.libcs.map((libc, i) => {
    const prefix = i === 0 ? "" : `${libc} `;
    const where = [machine.title, release, `${processor(machine)}, ${libc}`];
    const main = [adopt(find(results, `${prefix}doctor`)), lost(find(results, `${prefix}root`))];
    if (i > 0) return [...where, ...main, ...Array<string>(COLUMNS.length - 5).fill("-")];
    const isTried = find(results, "yama 1") !== undefined;
    const yama = (...ids: string[]) =>
      isTried ? ids.map((id) => lost(find(results, id))).join("; ") : "-";
    return [
      ...where,
      ...main,
      lost(find(results, "user")),
      lost(find(results, "socket trap")),
      kept(find(results, "keep-alive")),
      yama("yama 1 user", "yama 1 survive"),
      yama("yama 2 user", "yama 2 survive"),
      yama("yama 3 root"),
      missing(find(results, "doctor without modprobe")),
    ];
  });
}

function processor({ architecture }: Machine): string {
  return architecture === "amd64" ? "x64" : "arm64";
}

function adopt(result: Result | undefined): string {
  const doctor = doctorOf(result);
  return doctor === null ? "?" : doctor.works === "everything" ? "yes" : "no";
}

function lost(result: Result | undefined): string {
  if (result?.["ok"] === undefined) return "?";
  return `${result["lost"]} of ${Number(result["ok"]) + Number(result["lost"])} lost`;
}

function kept(result: Result | undefined): string {
  const moved = Number(result?.["moved"] ?? 0);
  return `${lost(result)}, ${moved === 0 ? "none" : moved} moved`;
}

/** What doctor says is needed and not there. */
function missing(result: Result | undefined): string {
  const doctor = doctorOf(result);
  if (doctor === null) return "?";
  if (doctor.works === "everything") return "all works";
  const ids = doctor.capabilities.filter((each) =>
    !each.ok && !("needed" in each && each.needed === "advice")
  ).map(({ id }) => `\`${id}\``);
  return `${doctor.works === "inherit" ? "`--listen` only" : "refuses"}: ${ids.join(", ")}`;
}

export function tableOf(tried: readonly Tried[], date: string): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    `Of ${date}:`,
    "",
    line(COLUMNS),
    line(COLUMNS.map(() => "---")),
    ...tried.flatMap((each) => rowsOf(each).map(line)),
  ].join("\n");
}

/** @returns the page with a new table. @throws {Error} when it does not have the two marks */
export function withTable(page: string, table: string): string {
  const [before, rest] = page.split(START);
  const [, after] = rest?.split(END) ?? [];
  if (before === undefined || after === undefined) {
    throw new Error(`Cannot write the table: the page lacks "${START}" or "${END}"`);
  }
  return [before + START, table, END + after].join("\n\n");
}
