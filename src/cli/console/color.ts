/** Whether and how text on a terminal is colored. Pure. */

/** Select Graphic Rendition, ECMA-48 8.3.117: the eight colors that every terminal theme defines. */
const CODES = {
  bold: "1",
  dim: "2",
  red: "31",
  green: "32",
  yellow: "33",
  blue: "34",
  cyan: "36",
} as const;

export type Style = keyof typeof CODES;

/** Styles of generations and workers, by their state. */
export const STATE_STYLES: Readonly<Record<string, Style>> = {
  waiting: "cyan",
  starting: "cyan",
  probing: "cyan",
  baking: "blue",
  serving: "green",
  draining: "yellow",
  stopping: "red",
};

/** A piece of a line; a style of null leaves it plain. */
export type Span = readonly [style: Style | null, text: string];

export type Paint = (style: Style | null, text: string) => string;

const withoutColor: Paint = (_, text) => text;
const withColor: Paint = (style, text) =>
  style === null || text === "" ? text : `\x1b[${CODES[style]}m${text}\x1b[0m`;

type Environment = Readonly<Record<string, string | undefined>>;

/** NO_COLOR (no-color.org) wins over FORCE_COLOR, which wins over what the output is. */
export function paintFor(env: Environment, isTerminal: boolean): Paint {
  const [no, force] = [env["NO_COLOR"] ?? "", env["FORCE_COLOR"] ?? ""];
  if (no !== "" || force === "0") return withoutColor;
  return force !== "" || (isTerminal && canMoveCursor(env)) ? withColor : withoutColor;
}

/** Whether the cursor can be moved; without that progress is shown as lines. */
export function canMoveCursor(env: Environment): boolean {
  const term = env["TERM"] ?? "";
  return term !== "" && term !== "dumb";
}
