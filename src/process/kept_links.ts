/**
 * The symbolic links that the paths in a command lead through, and how to name the same files when such a link has
 * moved (`current -> releases/2`). Pure.
 *
 * Only a link that has moved is replaced by its former target. The others stay in the name: programs look at the name
 * that they are given (the python of a virtual environment is a link).
 */

/** Target of each link, by the link's own path without links. */
type Links = Readonly<Record<string, string>>;

/** The kernel's limit, path_resolution(7): ELOOP. */
const MOST_LINKS = 40;
/** <linux/limits.h> */
const PATH_MAX = 4096;
/** Places whose links lead elsewhere for each process that looks. */
const OF_A_PROCESS = /^\/(dev|proc|sys)(\/|$)/;
/** Absolute paths in a word: also in --config=/a, /a.jar:/b.jar, unix:/a, and in the text of a shell. */
const ABSOLUTE_PATHS = /(?<=^|[=:,@\s"'(;&|])\/[^\s"'=:,@;&|()<>$`\\*?]*/g;
/** `--config=conf/app.yml`, or the whole word: a path relative to the directory, or one with spaces. */
const WORD = /^(-[^=]*=)?(.+)$/s;

/** Calls `change` with each text in a word of a command that may be a path. @returns the word with the results */
export function mapPaths(word: string, change: (path: string) => string): string {
  const changed = mapAbsolutePaths(word, change);
  if (changed !== word) return changed;
  return word.replace(WORD, (_, option: string = "", path: string) => option + change(path));
}

/** As `mapPaths()`, for a variable's value, in which a relative path is rarely one. */
export function mapAbsolutePaths(value: string, change: (path: string) => string): string {
  return value.replace(ABSOLUTE_PATHS, (path) => change(path));
}

/** Adds the links that `path` leads through to `found`. @param base real path of the directory that it starts in */
export function findLinks(
  path: string,
  base: string,
  readLink: (path: string) => string | null,
  found: Map<string, string>,
): void {
  if (path.length > PATH_MAX) return;
  const todo = partsOf(path);
  let actual = startOf(path, base);
  for (let links = 0; todo.length > 0 && links <= MOST_LINKS;) {
    const name = todo.shift()!;
    if (name === "..") {
      actual = parentOf(actual);
      continue;
    }
    const at = `${actual}/${name}`;
    if (OF_A_PROCESS.test(at)) return;
    const target = found.get(at) ?? readLink(at);
    if (target === null) {
      actual = at;
      continue;
    }
    links++;
    found.set(at, target);
    todo.unshift(...partsOf(target));
    actual = startOf(target, actual);
  }
}

/** @returns a name for what `path` led to when `links` were found; `path` itself if no link on its way has moved */
export function rerouted(
  path: string,
  base: string,
  links: Links,
  hasMoved: (link: string) => boolean,
): string {
  if (path.length > PATH_MAX) return path;
  /** Parts of an unchanged link's target lead on, but are not part of the name. */
  let todo = partsOf(path).map((name) => ({ name, isShown: true }));
  let actual = startOf(path, base);
  let shown = startOf(path, base);
  let isChanged = false;
  for (let seen = 0; todo.length > 0 && seen <= MOST_LINKS;) {
    const { name, isShown } = todo.shift()!;
    const at = `${actual}/${name}`;
    const target = name === ".." || !Object.hasOwn(links, at) ? undefined : links[at];
    if (target !== undefined && hasMoved(at)) {
      isChanged = true;
      actual = shown = startOf(target, actual);
      todo = [...partsOf(target), ...todo.map(({ name }) => name)]
        .map((name) => ({ name, isShown: true }));
    } else if (target !== undefined) {
      if (isShown) shown += `/${name}`;
      actual = startOf(target, actual);
      todo.unshift(...partsOf(target).map((name) => ({ name, isShown: false })));
    } else {
      if (isShown) shown += `/${name}`;
      actual = name === ".." ? parentOf(actual) : at;
    }
    if (target !== undefined) seen++;
  }
  if (!isChanged) return path;
  return path.endsWith("/") ? `${shown}/` : shown || "/";
}

function partsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

/** "" stands for the root. */
function startOf(path: string, base: string): string {
  return path.startsWith("/") || base === "/" ? "" : base;
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("/"), 0));
}
