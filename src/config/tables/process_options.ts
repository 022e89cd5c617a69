/** The options of a server's process: what the launcher does before execve(2) (docs/configuration.md). */
import { list, matching, parsed, refuse, scalar } from "../option_makers.ts";
import {
  type Assignment,
  assignmentsOf,
  parseLimits,
  parseUmask,
} from "../values/process_values.ts";

const MIN_NICE = -20;
const MAX_NICE = 19;
const parseAccount = matching(
  /^(\d+|[A-Za-z_][A-Za-z0-9_.@-]*\$?)$/,
  "the name or number of an account",
);
const ASSIGNMENT = { type: "string", pattern: "^[A-Za-z_][A-Za-z0-9_]*=" };

// deno-fmt-ignore: one option per entry, so that it reads as a table
export const PROCESS = {
  user: parsed("USER", "Run the server as this user, with the user's groups, and with its HOME, USER, " +
    "LOGNAME and SHELL; hooks and exec checks, too. A name of /etc/passwd, or a number.", parseAccount),
  group: parsed("GROUP", "Run the server with this group instead of the user's own: a name of " +
    "/etc/group, or a number.", parseAccount),
  umask: {
    placeholder: "MODE",
    help: "File mode creation mask of the server, in octal: 027. By default as baton's own.",
    default: null,
    json: { type: "string", pattern: "^[0-7]{1,4}$" },
    // A number of TOML or JSON would be decimal: 027 is none, and 27 would be 033.
    read: (raw: unknown) => {
      if (typeof raw === "string") return parseUmask(raw);
      throw refuse(raw, "octal digits in quotes", 'Write "027"');
    },
  },
  rlimit: list("NAME=SOFT[:HARD]", "Resource limit of the server, setrlimit(2): nofile=65536, " +
    "memlock=64M, core=unlimited; one value is both. May be given several times.", parseLimits),
  nice: {
    placeholder: "N",
    help: "Nice value of the server, from -20 (first) to 19 (last). By default as baton's own.",
    default: null,
    json: { type: "integer", minimum: MIN_NICE, maximum: MAX_NICE },
    read: scalar("a whole number", (text) => {
      const value = Number(text);
      if (/^[+-]?\d+$/.test(text) && value >= MIN_NICE && value <= MAX_NICE) return value;
      throw refuse(text, `a whole number from ${MIN_NICE} to ${MAX_NICE}`);
    }),
  },
  env: {
    placeholder: "NAME=VALUE",
    help: "Variable for the environment of the server; wins over --env-file. May be given several " +
      "times. In a file also a table, [env].",
    default: [] as readonly Assignment[],
    isRepeatable: true,
    takesBytes: true,
    json: {
      anyOf: [
        { type: "array", items: ASSIGNMENT },
        ASSIGNMENT,
        { type: "object", additionalProperties: { type: ["string", "integer", "boolean"] } },
      ],
    },
    read: assignmentsOf,
  } as const,
};
