/**
 * What baton knows about servers by the name of their program: stop signal, whether that signal is
 * graceful, and what SIGUSR1 means to them; and how to see a program behind its interpreter.
 *
 * Guarantees: nothing is claimed that the server's own documentation or source does not say. A
 * server that is not listed is treated as knowing nothing: baton drains it from outside (quiesce),
 * then sends SIGTERM, and never SIGUSR1, whose default action is to kill. Options override it all.
 *
 * `graceful` has a price when it is wrong: the server is signalled while requests are in flight.
 * So it is false where the server's own limit is by default shorter than a slow request.
 */
import type { SignalName } from "./values/signals.ts";

/** What SIGUSR1 does to a server: reopens its logs, must be kept away, or is wanted as it is. */
export type Usr1Meaning = "reopen" | "ignore" | "forward";

/** What is known about one program. */
export interface Preset {
  /** Name in the table, or the base name of a program that is not in it. */
  readonly program: string;
  readonly stopSignal: SignalName;
  /** At `stopSignal` the server stops accepting and finishes its requests in flight by itself. */
  readonly graceful: boolean;
  /** What `--usr1 auto` goes by: "reopen" and "forward" are sent on, "ignore" is not. */
  readonly usr1: Usr1Meaning;
  /** One line for documentation and logs. */
  readonly note: string;
}

/** Names of a program, stop signal, is it graceful, meaning of SIGUSR1, note. */
type Row = readonly [string, SignalName, "graceful" | "abrupt", Usr1Meaning, string];

// deno-fmt-ignore: one program per entry, so that it reads as a table
const ROWS: readonly Row[] = [
  ["nginx openresty angie freenginx tengine", "SIGQUIT", "graceful", "reopen",
    "TERM and INT are the fast shutdown; run it with 'daemon off;'"],
  ["apache apache2 httpd", "SIGWINCH", "graceful", "ignore",
    "USR1 is a graceful restart of its own; run it with -DFOREGROUND"],
  ["haproxy", "SIGUSR1", "graceful", "ignore",
    "USR1 is its soft stop, so it is never forwarded; hard-stop-after bounds the wait"],
  ["lighttpd", "SIGINT", "graceful", "ignore",
    "TERM is immediate and USR1 a restart of its own; run it with -D"],
  ["caddy", "SIGTERM", "graceful", "ignore", "version 2; grace_period bounds the wait"],
  ["traefik", "SIGTERM", "graceful", "reopen", "graceTimeOut (10 s by default) bounds the wait"],
  ["envoy", "SIGTERM", "abrupt", "reopen",
    "TERM cuts connections at once, so baton drains it from outside first; use --disable-hot-restart"],
  ["h2o", "SIGTERM", "graceful", "ignore", "as under Server::Starter"],
  ["gunicorn", "SIGTERM", "graceful", "reopen",
    "graceful_timeout (30 s by default) bounds the wait; INT and QUIT are the quick shutdown"],
  ["uvicorn", "SIGTERM", "graceful", "ignore",
    "waits for connections and background tasks; USR1 would kill it"],
  ["hypercorn", "SIGTERM", "abrupt", "ignore",
    "TERM waits only graceful_timeout (3 s by default), so baton drains it from outside first"],
  ["uwsgi uwsgi-core", "SIGINT", "abrupt", "ignore",
    "TERM reloads it unless die-on-term is set, so it gets INT, which is immediate"],
  ["puma", "SIGTERM", "graceful", "ignore", "USR1 is a phased restart of its own"],
  ["unicorn unicorn_rails", "SIGQUIT", "graceful", "reopen", "TERM and INT are immediate"],
  ["starman", "SIGQUIT", "graceful", "ignore", "TERM and INT kill the workers at once"],
  ["php-fpm", "SIGQUIT", "abrupt", "reopen",
    "QUIT is graceful only where process_control_timeout is set (0 by default); run it with -F"],
  ["postgres postmaster", "SIGINT", "abrupt", "ignore",
    "INT is the fast shutdown; TERM, the smart one, waits until all clients have left"],
  ["node nodejs", "SIGTERM", "abrupt", "ignore",
    "what TERM does is up to the script; USR1 opens the inspector"],
  ["deno", "SIGTERM", "abrupt", "ignore",
    "what TERM does is up to the script; USR1 opens the inspector, or kills older versions"],
  ["bun", "SIGTERM", "abrupt", "ignore",
    "what TERM does is up to the script; USR1 kills it"],
  ["python pypy", "SIGTERM", "abrupt", "ignore", "what TERM does is up to the script"],
  ["ruby", "SIGTERM", "abrupt", "ignore", "what TERM does is up to the script"],
  ["perl", "SIGTERM", "abrupt", "ignore", "what TERM does is up to the script"],
  ["php", "SIGTERM", "abrupt", "ignore", "what TERM does is up to the script"],
  ["java", "SIGTERM", "abrupt", "ignore",
    "TERM runs the shutdown hooks; finishing requests is up to the application"],
];

/** Every preset, in the order of the documentation. */
export const PRESETS: readonly Preset[] = ROWS.map(([names, stopSignal, end, usr1, note]) => ({
  program: names.split(" ")[0] ?? names,
  stopSignal,
  graceful: end === "graceful",
  usr1,
  note,
}));

const PRESET_BY_NAME: ReadonlyMap<string, Preset> = new Map(
  ROWS.flatMap(([names], row) =>
    names.split(" ").flatMap((name): [string, Preset][] => {
      const preset = PRESETS[row];
      return preset === undefined ? [] : [[name, preset]];
    })
  ),
);

/** @returns the names that a preset of the table goes by, its own first */
export function presetNames(preset: Preset): string[] {
  return [...PRESET_BY_NAME].filter(([, named]) => named === preset).map(([name]) => name);
}

/** How the command line of an interpreter is read, as far as is needed to find its script. */
interface Interpreter {
  /** Options whose value is the next word and not what runs: not `-m MODULE`, not `-jar FILE`. */
  readonly valued: string;
  /** Options after which there is no script: the program stands on the command line. */
  readonly inline?: string;
  /** Words that may stand before the script. */
  readonly subcommands?: string;
  /** Servers that are scripts or modules of this language. */
  readonly servers?: string;
}

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
    servers: "gunicorn uvicorn hypercorn",
  },
  ruby: { valued: "-I -r -C -E", inline: "-e", servers: "puma unicorn" },
  perl: { valued: "-I", inline: "-e -E", servers: "starman" },
  php: { valued: "-c -d -t -S", inline: "-r" },
  java: { valued: "-cp -classpath --class-path -p --module-path" },
};

/** Programs that exec the rest of their command line, with their options that take a value. */
const WRAPPERS: Readonly<Record<string, { valued: string; verb?: string }>> = {
  env: { valued: "-u --unset -C --chdir" },
  nice: { valued: "-n --adjustment" },
  nohup: { valued: "" },
  setpriv: {
    valued: "--reuid --regid --groups --inh-caps --ambient-caps --bounding-set --securebits " +
      "--pdeathsig --selinux-label --apparmor-profile",
  },
  bundle: { valued: "", verb: "exec" },
};

/** What a command line runs in the end. */
export interface CommandTarget {
  /** The program after wrappers such as `env`: a path or a name. */
  readonly program: string;
  /** The script, module or archive that `program`, an interpreter, was told to run; else null. */
  readonly script: string | null;
}

function has(words: string | undefined, word: string): boolean {
  return words !== undefined && words.split(" ").includes(word);
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The exact name first, then without a version: `apache2` is a name, `python3.11` is not. */
function presetByName(name: string): Preset | null {
  const unversioned = name.replace(/[-_]?\d+(\.\d+)*$/, "");
  return PRESET_BY_NAME.get(name) ?? PRESET_BY_NAME.get(unversioned) ?? null;
}

/** Takes one wrapper with its options off; null when there is none, or nothing behind it. */
function unwrap(argv: readonly string[]): readonly string[] | null {
  const name = baseName(argv[0] ?? "");
  const wrapper = Object.hasOwn(WRAPPERS, name) ? WRAPPERS[name] : undefined;
  if (wrapper === undefined) return null;
  let at = 1;
  if (wrapper.verb !== undefined && argv[at++] !== wrapper.verb) return null;
  for (; at < argv.length; at++) {
    const word = argv[at] ?? "";
    if (has(wrapper.valued, word)) at++;
    else if (!word.startsWith("-") && !(name === "env" && word.includes("="))) break;
  }
  return at < argv.length ? argv.slice(at) : null;
}

function scriptOf(interpreter: Interpreter, words: readonly string[]): string | null {
  let subcommandAllowed = true;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (has(interpreter.inline, word)) return null;
    if (word === "--") return words[at + 1] ?? null;
    if (has(interpreter.valued, word)) at++;
    else if (!word.startsWith("-")) {
      if (!subcommandAllowed || !has(interpreter.subcommands, word)) return word;
      subcommandAllowed = false;
    }
  }
  return null;
}

/**
 * Looks through a command line: behind `env`, `nice`, `nohup`, `setpriv` and `bundle exec`, which exec the
 * program and so leave it the process that baton signals, and behind interpreters.
 *
 * @param argv program and arguments; an option it does not know is taken to have no value
 */
export function commandTarget(argv: readonly string[]): CommandTarget {
  let rest = argv;
  for (let inner = unwrap(rest); inner !== null; inner = unwrap(rest)) rest = inner;
  const program = rest[0] ?? "";
  const language = presetByName(baseName(program))?.program ?? "";
  const interpreter = Object.hasOwn(INTERPRETERS, language) ? INTERPRETERS[language] : undefined;
  return {
    program,
    script: interpreter === undefined ? null : scriptOf(interpreter, rest.slice(1)),
  };
}

/**
 * Finds the preset of one program.
 *
 * @param program name or path; versions are understood: `python3.11`, `php-fpm8.2`, `node20`
 * @returns the preset, or the cautious one for a program that is not in the list
 */
export function presetFor(program: string): Preset {
  const name = baseName(program);
  return presetByName(name) ?? {
    program: name,
    stopSignal: "SIGTERM",
    graceful: false,
    usr1: "ignore",
    note: "not in the list: drained from outside, then TERM",
  };
}

/**
 * Finds the preset of a whole command: a known server is recognised behind the interpreter it is
 * written for (`python3 -m gunicorn`, `ruby /usr/bin/puma`), see `commandTarget`.
 *
 * @param argv program and arguments
 */
export function presetForCommand(argv: readonly string[]): Preset {
  const { program, script } = commandTarget(argv);
  const own = presetFor(program);
  if (script === null) return own;
  // `-m gunicorn.app.wsgiapp` is gunicorn; a script "gunicorn.py" may be anything.
  const isPath = script.includes("/") || /\.(py|rb|pl)$/.test(script);
  const name = isPath ? baseName(script) : script.split(".")[0] ?? script;
  const server = presetByName(name);
  const servers = INTERPRETERS[own.program]?.servers;
  return server !== null && has(servers, server.program) ? server : own;
}
