/**
 * "Did you mean": the known word nearest to a mistyped one.
 *
 * Guarantees: pure, bounded work (long words are not compared), never suggests a word that shares
 * nothing with what was typed. Measures optimal string alignment distance (Damerau-Levenshtein
 * without edits between transposed letters), as git and cargo do.
 */

/** Words longer than this are not compared: the work grows with the product of the lengths. */
const MAX_WORD_LENGTH = 64;

/** One edit is forgiven for every so many letters, and always at least one. */
const LETTERS_PER_EDIT = 3;

/** A typed word of at least this length that begins a candidate is a suggestion however short. */
const MIN_PREFIX_LENGTH = 3;

/**
 * Counts the edits (insert, delete, replace, swap of neighbours) that turn one word into another.
 *
 * @returns 0 for equal words, at most the length of the longer one
 */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, at(beforeLast, j - 2) + 1);
      }
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.MAX_SAFE_INTEGER;
}

/**
 * Finds the candidate the user most likely meant.
 *
 * @param word what was typed
 * @param candidates the words that exist; the first of equally near ones wins
 * @returns the nearest candidate, or null when none is near enough to be helpful
 */
export function suggest(word: string, candidates: Iterable<string>): string | null {
  if (word.length === 0 || word.length > MAX_WORD_LENGTH) return null;
  const typed = word.toLowerCase();
  let best: string | null = null;
  let bestDistance = Number.MAX_SAFE_INTEGER;
  let begun: string | null = null;
  for (const candidate of candidates) {
    if (candidate.length > MAX_WORD_LENGTH) continue;
    const distance = editDistance(typed, candidate.toLowerCase());
    const longer = Math.max(typed.length, candidate.length);
    // A distance equal to the length shares no letter: "-x" must not suggest "-h".
    if (distance > Math.max(1, Math.floor(longer / LETTERS_PER_EDIT))) {
      const isStart = typed.length >= MIN_PREFIX_LENGTH && candidate.startsWith(typed);
      if (isStart) begun ??= candidate;
    } else if (distance < longer && distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best ?? begun;
}
