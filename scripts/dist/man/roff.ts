/** Text -> the macros of man(7). Pure. */

/** Longer ones are hard to compare, and mandoc(1) warns of them. */
const WIDTH = 72;

/** Lines of text: no character of them is a request or an escape. */
export function roff(text: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + word.length >= WIDTH) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].map(escape).join("\n");
}

function escape(text: string): string {
  const escaped = text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("~", "\\(ti")
    .replaceAll("^", "\\(ha").replaceAll("`", "\\(ga");
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}

/** An argument of a macro. */
export function argument(text: string): string {
  return `"${escape(text).replaceAll('"', "\\(dq")}"`;
}

export function heading(text: string): string {
  return `.SH ${argument(text)}`;
}

export function subheading(text: string): string {
  return `.SS ${argument(text)}`;
}

/** A term in bold with a value in italics, and what it means. */
export function entry(term: string, value: string | null, ...texts: readonly string[]): string {
  const line = value === null || value === ""
    ? `.B ${argument(term)}`
    : `.BI ${argument(`${term} `)} ${argument(value)}`;
  return [".TP", line, ...texts.map(roff)].join("\n");
}

export function paragraph(...texts: readonly string[]): string {
  return [".PP", ...texts.map(roff)].join("\n");
}

/** Lines as they are. */
export function example(lines: readonly string[]): string {
  return [".PP", ".in +4n", ".nf", ...lines.map(escape), ".fi", ".in"].join("\n");
}

/** Words of Markdown that a manual page has no use for: code, links, emphasis. */
export function plain(markdown: string): string {
  return markdown.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll(/[`*]/g, "");
}

/** The cells of the first table of a page, without its heading. */
export function firstTable(markdown: string): string[][] {
  const lines = markdown.split("\n");
  const first = lines.findIndex((line) => /^\| ---/.test(line));
  if (first < 0) throw new RangeError("Cannot find a table in the page");
  const rows = lines.slice(first + 1);
  const end = rows.findIndex((line) => !line.startsWith("|"));
  return rows.slice(0, end < 0 ? rows.length : end).map((line) =>
    line.split(/(?<!\\)\|/).slice(1, -1).map((cell) => plain(cell.trim().replaceAll("\\|", "|")))
  );
}
