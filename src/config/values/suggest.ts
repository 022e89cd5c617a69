/**
 * "Did you mean": the known word nearest to a mistyped one.
 *
 * Guarantees: pure, bounded work (long words are not compared), never suggests a word that shares nothing with what was
 * typed.
 */

/** Words longer than this are not compared: the work grows with the product of the lengths. */
const MAX_WORD_LENGTH = 64;

/** One edit is forgiven for every so many letters, and always at least one. */
const LETTERS_PER_EDIT = 3;

/** A typed word of at least this length that begins a candidate is a suggestion however short. */
const MIN_PREFIX_LENGTH = 3;

/**
 * Levenshtein's distance. Packages for that keep tables of 256 KiB, in a process that runs for months; these words are
 * short.
 */
function distance(one: string, other: string): number {
  let above = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (const [row, letter] of one.split("").entries()) {
    const line = [row + 1];
    for (let column = 0; column < other.length; column++) {
      const replaced = above[column]! + (letter === other[column] ? 0 : 1);
      line.push(Math.min(replaced, above[column + 1]! + 1, line[column]! + 1));
    }
    above = line;
  }
  return above[other.length]!;
}

/** Edits (insert, delete, replace) between two words; one swap of neighbors, the most common slip, counts as one. */
function editDistance(typed: string, word: string): number {
  const swapped = Array.from({ length: Math.max(0, typed.length - 1) }, (_, i) => (
    typed.slice(0, i) + typed[i + 1] + typed[i] + typed.slice(i + 2)
  ));
  return Math.min(distance(typed, word), ...swapped.map((other) => 1 + distance(other, word)));
}

/**
 * Finds the candidate that the user most likely meant.
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
    const edits = editDistance(typed, candidate.toLowerCase());
    const longer = Math.max(typed.length, candidate.length);
    // As many edits as letters: none is shared, and "-x" must not suggest "-h".
    if (edits > Math.max(1, Math.floor(longer / LETTERS_PER_EDIT))) {
      const isStart = typed.length >= MIN_PREFIX_LENGTH && candidate.startsWith(typed);
      if (isStart) begun ??= candidate;
    } else if (edits < longer && edits < bestDistance) {
      best = candidate;
      bestDistance = edits;
    }
  }
  return best ?? begun;
}
