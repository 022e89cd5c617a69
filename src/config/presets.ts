/**
 * What baton knows about servers by the name of their program: the stop signal, whether it is graceful, and the meaning
 * of SIGUSR1; and how to find the program behind its interpreter.
 *
 * Guarantees: every entry rests on the server's own documentation or source. baton drains an unlisted server from
 * outside (quiesce), then sends SIGTERM, and never sends SIGUSR1, whose default action is to kill. Options override
 * everything here.
 *
 * A wrong `graceful` costs requests: the server is signaled while they are in flight. So it is false where the server's
 * own default limit is shorter than a slow request.
 */
import type { SignalName } from "./values/signals.ts";

/** SIGUSR1 makes the server reopen its logs, must not reach it, or has another use. */
type Usr1Meaning = "reopen" | "ignore" | "forward";

/** The entry of one program. */
export interface Preset {
  /** Main name in the table, or the base name of a program that is not in it. */
  readonly program: string;
  /** All names in the table, the main name first. */
  readonly names: readonly string[];
  readonly stopSignal: SignalName;
  /** At `stopSignal` the server itself stops accepting and finishes its requests in flight. */
  readonly graceful: boolean;
  /** For `--usr1 auto`, which forwards the signal for "reopen" and "forward", not for "ignore". */
  readonly usr1: Usr1Meaning;
  /** One line for documentation and logs. */
  readonly note: string;
}

/** Names of a program, stop signal, whether that is graceful, meaning of SIGUSR1, note. */
type Row = readonly [string, SignalName, "graceful" | "abrupt", Usr1Meaning, string];

// deno-fmt-ignore: one program per entry, so that it reads as a table
const ROWS: readonly Row[] = [
  ["nginx openresty angie freenginx tengine", "SIGQUIT", "graceful", "reopen",
    "TERM and INT are the fast shutdown; run it with 'daemon off;'"],
  ["apache apache2 httpd", "SIGWINCH", "graceful", "ignore",
    "USR1 is its own graceful restart; run it with -DFOREGROUND"],
  ["haproxy", "SIGUSR1", "graceful", "ignore",
    "USR1 is its soft stop, so baton never forwards it; hard-stop-after bounds the wait"],
  ["lighttpd", "SIGINT", "graceful", "ignore",
    "TERM is immediate and USR1 its own restart; run it with -D"],
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
  ["puma", "SIGTERM", "graceful", "ignore", "USR1 is its own phased restart"],
  ["unicorn unicorn_rails", "SIGQUIT", "graceful", "reopen", "TERM and INT are immediate"],
  ["starman", "SIGQUIT", "graceful", "ignore", "TERM and INT kill the workers at once"],
  ["php-fpm", "SIGQUIT", "abrupt", "reopen",
    "QUIT is graceful only where process_control_timeout is set (0 by default); run it with -F"],
  ["postgres postmaster", "SIGINT", "abrupt", "ignore",
    "INT is the fast shutdown; TERM, the smart one, waits until all clients have disconnected"],
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
export const PRESETS: readonly Preset[] = ROWS.map(([words, stopSignal, end, usr1, note]) => {
  const names = words.split(" ");
  return { program: names[0]!, names, stopSignal, graceful: end === "graceful", usr1, note };
});

const PRESET_BY_NAME: ReadonlyMap<string, Preset> = new Map(
  PRESETS.flatMap((preset) => preset.names.map((name) => [name, preset])),
);

/** How to find the script in the command line of an interpreter. */
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

/** The program that a command line runs in the end. */
interface CommandTarget {
  /** The program after wrappers such as `env`: a path or a name. */
  readonly program: string;
  /** The script, module or archive that `program` interprets; null: it is not an interpreter. */
  readonly script: string | null;
}

function has(words: string | undefined, word: string): boolean {
  return words !== undefined && words.split(" ").includes(word);
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Looks up the exact name, then the name without a version: `apache2` is a name, `python3.11` is not. */
function presetByName(name: string): Preset | null {
  const unversioned = name.replace(/[-_]?\d+(\.\d+)*$/, "");
  return PRESET_BY_NAME.get(name) ?? PRESET_BY_NAME.get(unversioned) ?? null;
}

/** Strips one wrapper with its options; null when there is none, or nothing follows it. */
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
 * Finds the program of a command line behind `env`, `nice`, `nohup`, `setpriv` and `bundle exec`, which exec it and so
 * leave it the process that baton signals, and the script behind an interpreter.
 *
 * @param argv program and arguments; an unknown option counts as one without a value
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
 * @param program name or path, with or without a version: `python3.11`, `php-fpm8.2`, `node20`
 * @returns the preset, or a cautious one for an unlisted program
 */
export function presetFor(program: string): Preset {
  const name = baseName(program);
  return presetByName(name) ?? {
    program: name,
    names: [name],
    stopSignal: "SIGTERM",
    graceful: false,
    usr1: "ignore",
    note: "unlisted: drained from outside, then TERM",
  };
}

/** @returns the preset of a command; finds a known server behind its interpreter: `python3 -m gunicorn` */
export function presetForCommand(argv: readonly string[]): Preset {
  const { program, script } = commandTarget(argv);
  const own = presetFor(program);
  if (script === null) return own;
  // `-m gunicorn.app.wsgiapp` is gunicorn; a script "gunicorn.py" can be anything.
  const isPath = script.includes("/") || /\.(py|rb|pl)$/.test(script);
  const name = isPath ? baseName(script) : script.split(".")[0] ?? script;
  const server = presetByName(name);
  const servers = INTERPRETERS[own.program]?.servers;
  return server !== null && has(servers, server.program) ? server : own;
}
