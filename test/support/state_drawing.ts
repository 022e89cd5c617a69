/**
 * Reads a drawing of states and transitions out of a comment: words joined by lines of `-`, `|`, `+`, with an
 * arrowhead (`>`, `<`, `^`, `v`) where a transition ends. Lines that meet at a `+` are joined, those that cross
 * are not. A label (a word that names no state) stands beside its line and is ignored.
 */

interface Cell {
  readonly row: number;
  readonly column: number;
}

const DIRECTIONS = [[0, 1], [0, -1], [1, 0], [-1, 0]] as const;
const HEADS: Readonly<Record<string, readonly [number, number]>> = {
  ">": [0, 1],
  "<": [0, -1],
  v: [1, 0],
  "^": [-1, 0],
};

/** @returns "from -> to", sorted, for each arrowhead that can be reached from a state */
export function readDrawing(lines: readonly string[], states: readonly string[]): string[] {
  const at = ({ row, column }: Cell) => lines[row]?.[column] ?? " ";
  const isHead = (cell: Cell) => {
    const char = at(cell);
    // A "v" within a word is a letter.
    return char in HEADS && !(char === "v" && /[a-z_]/.test(around(lines, cell)));
  };
  const found = new Set<string>();
  for (const state of states) {
    for (const cell of cellsOf(lines, state)) {
      for (const direction of DIRECTIONS) {
        const first = moved(cell, direction);
        for (const target of follow(first, direction)) found.add(`${state} -> ${target}`);
      }
    }
  }
  return [...found].sort();

  /** The states that a line reaches which begins at `cell`. */
  function follow(
    cell: Cell,
    [down, right]: readonly [number, number],
    seen = new Set<string>(),
  ): string[] {
    const key = `${cell.row} ${cell.column} ${down} ${right}`;
    if (seen.has(key)) return [];
    seen.add(key);
    const char = at(cell);
    if (isHead(cell)) {
      const [headDown, headRight] = HEADS[char]!;
      if (headDown !== down || headRight !== right) return [];
      const state = stateAt(moved(cell, [down, right]));
      return state === null ? [] : [state];
    }
    if (char === "+") {
      return DIRECTIONS.filter(([d, r]) => d !== -down || r !== -right)
        .flatMap((next) => follow(moved(cell, next), next, seen));
    }
    const isLine = char === (down === 0 ? "-" : "|");
    return isLine ? follow(moved(cell, [down, right]), [down, right], seen) : [];
  }

  /** The state whose word is at this cell, or one space further. */
  function stateAt(cell: Cell): string | null {
    return states.find((state) =>
      cellsOf(lines, state).some(({ row, column }) =>
        row === cell.row && Math.abs(column - cell.column) <= 1
      )
    ) ?? null;
  }
}

function moved({ row, column }: Cell, [down, right]: readonly [number, number]): Cell {
  return { row: row + down, column: column + right };
}

function around(lines: readonly string[], { row, column }: Cell): string {
  return (lines[row]?.[column - 1] ?? " ") + (lines[row]?.[column + 1] ?? " ");
}

/** The cells of a word, with the space before and after it. */
function cellsOf(lines: readonly string[], word: string): Cell[] {
  return lines.flatMap((line, row) => {
    const start = line.search(new RegExp(`(?<![a-z])${word}(?![a-z])`));
    if (start < 0) return [];
    return Array.from({ length: word.length + 2 }, (_, i) => ({ row, column: start - 1 + i }));
  });
}
