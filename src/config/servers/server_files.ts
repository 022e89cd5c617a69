/** As much of other servers' command lines and configuration files as the rules need. Pure: the caller reads the files. */

/** What a rule may look at. */
export interface Look {
  /** @returns null when there is no such file, or it may not be read */
  read(path: string): string | null;
}

interface Setting {
  readonly name: string;
  /** The value; "" where it is empty, or missing. */
  readonly value: string;
}

const MOST_INCLUDES = 8;

/**
 * @param options `-c --config`: `-c FILE`, `-cFILE`, `--config FILE` or `--config=FILE`
 * @param isAttached by default for options of one letter: the value may follow without a space
 */
export function optionValues(
  words: readonly string[],
  options: string,
  isAttached = (name: string) => /^-[A-Za-z]$/.test(name),
): string[] {
  return words.flatMap((word, at) =>
    options.split(" ").flatMap((name) => {
      if (word === name) return words[at + 1] ?? [];
      if (word.startsWith(`${name}=`)) return word.slice(name.length + 1);
      return isAttached(name) && word.startsWith(name) ? word.slice(name.length) : [];
    })
  );
}

/** Lines such as `name value`, without comments and quotes. */
export function directives(text: string): Setting[] {
  return text.split("\n").flatMap((line) => {
    const [, name, value = ""] = /^\s*([A-Za-z][\w-]*)(?:\s+(.*?))?\s*$/.exec(line) ?? [];
    if (name === undefined) return [];
    return { name: name.toLowerCase(), value: value.replace(/^(["'])(.*)\1$/, "$2") };
  });
}

/** `redis-server [FILE] [--name value...]`: the lines of the file, then those of the command line. */
export function redisSettings(words: readonly string[], look: Look): Setting[] {
  const [path = "-"] = words;
  const fromFile = path.startsWith("-") ? [] : withIncludes(path, look, MOST_INCLUDES);
  const own = words.flatMap((word, at) => {
    if (!word.startsWith("--")) return [];
    const rest = words.slice(at + 1);
    const end = rest.findIndex((next) => next.startsWith("--"));
    const value = (end < 0 ? rest : rest.slice(0, end)).join(" ").trim();
    return { name: word.slice(2).toLowerCase(), value };
  });
  return [...fromFile, ...own];
}

function withIncludes(path: string, look: Look, most: number): Setting[] {
  return directives(look.read(path) ?? "").flatMap((setting) =>
    setting.name === "include" && most > 0 ? withIncludes(setting.value, look, most - 1) : [setting]
  );
}
