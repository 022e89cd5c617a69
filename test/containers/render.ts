/** The tables of docs/containers.md, from what was seen. Pure. */

export interface Cell {
  readonly row: string;
  readonly column: string;
  readonly text: string;
}

const START = "<!-- The tables are written by `make container-docs`, from what it has seen. -->";
const END = "<!-- The end of the tables. -->";

export function renderTable(corner: string, cells: readonly Cell[]): string {
  if (cells.length === 0) return "";
  const rows = [...new Set(cells.map(({ row }) => row))];
  const columns = [...new Set(cells.map(({ column }) => column))];
  const textAt = (row: string, column: string) =>
    cells.find((cell) => cell.row === row && cell.column === column)?.text ?? "-";
  const lines = [
    [corner, ...columns],
    ["---", ...columns.map(() => "---")],
    ...rows.map((row) => [row, ...columns.map((column) => textAt(row, column))]),
  ];
  return lines.map((line) => `| ${line.join(" | ")} |`).join("\n");
}

/** @returns the page with new tables. @throws {Error} when it does not have the two marks */
export function withTables(page: string, text: string): string {
  const [before, rest] = page.split(START);
  const [, after] = rest?.split(END) ?? [];
  if (before === undefined || after === undefined) {
    throw new Error(`Cannot write the tables: the page lacks "${START}" or "${END}"`);
  }
  return [before + START, text, END + after].join("\n\n");
}
