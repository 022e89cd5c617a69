/** Pure: the figures of builds side by side, and whether the targets are met. */
import { type FigureName, type Row, ROWS } from "./rows.ts";
import type { Figures } from "./section.ts";

/** A build that was measured before, as it is kept in `previous.json`. */
export interface KeptBuild {
  readonly commit: string;
  /** UTC, "2026-11-29". */
  readonly date: string;
  readonly machine: string;
  readonly figures: Figures;
}

export interface Columns {
  readonly previous: KeptBuild | null;
  /** Measured in the same run (`--beside`). */
  readonly beside: Figures | null;
  readonly own: Figures;
}

const NAMES = Object.keys(ROWS) as FigureName[];
const NOT_MEASURED = "-";

/** null: there is no target, or no figure. */
export function isMet(row: Row, value: number | undefined): boolean | null {
  const { target } = row;
  if (target === null || value === undefined) return null;
  // As printed: a target of 9 ms is met by 9.04.
  const printed = Number(value.toFixed(row.digits));
  return "atMost" in target ? printed <= target.atMost : printed >= target.atLeast;
}

/** The table, header first; rows of which nothing was measured in this run are left out. */
export function comparisonTable({ previous, beside, own }: Columns): string[][] {
  const rows: string[][] = [[
    "",
    ...(previous === null ? [] : [`${previous.date} (${previous.commit})`]),
    ...(beside === null ? [] : ["beside"]),
    "this build",
    "target",
    "met",
  ]];
  for (const name of NAMES) {
    if (own[name] === undefined && beside?.[name] === undefined) continue;
    const row: Row = ROWS[name];
    const met = isMet(row, own[name]);
    rows.push([
      row.what,
      ...(previous === null ? [] : [text(row, previous.figures[name])]),
      ...(beside === null ? [] : [text(row, beside[name])]),
      text(row, own[name]),
      targetText(row),
      met === null ? "" : met ? "yes" : "NO",
    ]);
  }
  return rows;
}

/** "7 of 9 targets are met", and what is not. */
export function verdict(own: Figures): string {
  const judged = NAMES.flatMap((name) => {
    const met = isMet(ROWS[name], own[name]);
    return met === null ? [] : [{ what: (ROWS[name] as Row).what, met }];
  });
  const missed = judged.filter(({ met }) => !met).map(({ what }) => what);
  const count = `${judged.length - missed.length} of ${judged.length} targets are met`;
  return missed.length === 0 ? count : `${count}; not: ${missed.join("; ")}`;
}

function text({ unit, digits }: Row, value: number | undefined): string {
  if (value === undefined) return NOT_MEASURED;
  return `${value.toFixed(digits)}${unit === "" ? "" : ` ${unit}`}`;
}

function targetText({ target, unit }: Row): string {
  if (target === null) return "";
  const [sign, value] = "atMost" in target ? ["<=", target.atMost] : [">=", target.atLeast];
  return `${sign} ${value}${unit === "" ? "" : ` ${unit}`}`;
}
