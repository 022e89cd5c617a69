/** How to find the script in the command line of an interpreter. Pure. */
import { has } from "./wrappers.ts";

interface Interpreter {
  /** Options whose value is the next word, except those that name the script: `-m MODULE`, `-jar FILE`. */
  readonly valued: string;
  /** Options that hold the program text, so that there is no script. */
  readonly inline?: string;
  /** Words that may precede the script. */
  readonly subcommands?: string;
  /** Known servers that are scripts or modules in this language. */
  readonly servers?: string;
}

/** By main name of the preset. */
const INTERPRETERS: Readonly<Record<string, Interpreter>> = {
  node: {
    valued: "-r --require --import --loader --experimental-loader -C --conditions",
    inline: "-e --eval -p --print",
  },
  bun: {
    valued: "-r --preload --cwd -c --config --env-file -d --define",
    inline: "-e --eval -p --print",
    subcommands: "run",
  },
  deno: { valued: "-c --config --import-map --lock --cert", subcommands: "run serve" },
  python: {
    valued: "-X -W --check-hash-based-pycs",
    inline: "-c",
    servers: "gunicorn uvicorn hypercorn waitress",
  },
  ruby: { valued: "-I -r -C -E", inline: "-e", servers: "puma unicorn" },
  perl: { valued: "-I", inline: "-e -E", servers: "starman hypnotoad" },
  php: { valued: "-c -d -t -S", inline: "-r" },
  java: {
    valued: "-cp -classpath --class-path -p --module-path --upgrade-module-path --add-modules " +
      "--add-opens --add-exports --add-reads --limit-modules --patch-module",
  },
};

/** @param language main name of a preset @returns null: it is not an interpreter */
export function interpreterOf(language: string): Interpreter | null {
  return Object.hasOwn(INTERPRETERS, language) ? INTERPRETERS[language]! : null;
}

/** @param words after the interpreter @returns its place among them; -1 when it runs no script */
export function scriptIndex(interpreter: Interpreter, words: readonly string[]): number {
  let subcommandAllowed = true;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (has(interpreter.inline, word)) return -1;
    if (word === "--") return at + 1 < words.length ? at + 1 : -1;
    if (has(interpreter.valued, word)) at++;
    else if (!word.startsWith("-")) {
      if (!subcommandAllowed || !has(interpreter.subcommands, word)) return at;
      subcommandAllowed = false;
    }
  }
  return -1;
}
