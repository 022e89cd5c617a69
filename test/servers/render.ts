/** The tables of docs/servers.md, from the rows. Pure. */
import type { ServerRow } from "./row.ts";
import type { Section } from "./table.ts";

const HEADER = [
  "| Server | Tried | Verdict | Pid file, bare | What to do, what is lost |",
  "| --- | --- | --- | --- | --- |",
];
const START = "<!-- The tables are written by `make server-docs`, from test/servers/table/. -->";
const END = "<!-- The end of the tables. -->";

function cells(row: ServerRow): string[] {
  const says = [
    row.verdict === "stop-first" && row.tweak ? `else ${row.tweak}` : row.tweak,
    row.lost === undefined ? undefined : `lost by nature: ${row.lost}`,
    row.note,
  ].filter((text) => text !== undefined);
  return [row.name, row.tried, row.verdict, row.pidFile ?? "-", says.join("; ")];
}

export function renderSection({ title, rows }: Section): string {
  const lines = rows.map((row) => `| ${cells(row).join(" | ")} |`.replace(/ {2}\|$/, " |"));
  return [`### ${title}`, "", ...HEADER, ...lines].join("\n");
}

/** @returns the page with new tables. @throws {Error} when it does not have the two marks */
export function withTables(page: string, sections: readonly Section[]): string {
  const [before, rest] = page.split(START);
  const [, after] = rest?.split(END) ?? [];
  if (before === undefined || after === undefined) {
    throw new Error(`Cannot write the tables: the page lacks "${START}" or "${END}"`);
  }
  return [before + START, ...sections.map(renderSection), END + after].join("\n\n");
}
