/**
 * Writes the tables in docs/ that come from tables in src/: the options and commands, the presets, the exit statuses, the
 * series. Each
 * is in its page between two comments; the prose around it is written by hand and stays.
 *
 *   deno run -A scripts/generate_option_docs.ts
 *
 * Prints the changed pages. test/unit/scripts/option_docs_test.ts fails when a page is out of date.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { EXIT_STATUSES } from "./exit_statuses.ts";
import type { VerbFlag } from "../src/cli/words/verb_spec.ts";
import { type Verb, VERBS } from "../src/cli/words/verbs.ts";
import { FRONT_KEYS } from "../src/config/front/settings.ts";
import { defaultText, type Option, OPTION_GROUPS, OPTIONS } from "../src/config/options.ts";
import { PRESETS } from "../src/config/presets.ts";
import { EVENT_FIELDS, EVENTS } from "../src/events/event_table.ts";
import { EXCLUSIVE_RULES } from "../src/config/servers/exclusive_rules.ts";
import { configSchema } from "../src/config/schema.ts";
import { formatDuration } from "../src/config/values/duration.ts";
import { SERIES } from "../src/stats/series.ts";

const DOCS = join(dirname(fileURLToPath(import.meta.url)), "..", "docs");

/** The pages that hold generated tables. */
export const PAGES = [
  "options.md",
  "presets.md",
  "exit-status.md",
  "events.md",
  "stats.md",
] as const;

/** For editors. */
export const SCHEMA = "baton.schema.json";

/** The name in a comment -> the text after it. */
const BLOCKS: Readonly<Record<string, () => string>> = {
  "options of run": optionsOfRun,
  "other commands": otherCommands,
  "keys of front": keysOfFront,
  "presets": presets,
  "exclusive servers": exclusiveServers,
  "exit statuses": exitStatuses,
  "events": events,
  "event fields": eventFields,
  "series": series,
};

const BLOCK = /(<!-- generated: ([^>]*) -->\n)[^]*?(<!-- end of generated -->)/g;

/**
 * @param page text with `<!-- generated: NAME -->` ... `<!-- end of generated -->` in it
 * @returns the page with new text between the comments
 * @throws {RangeError} when a comment names an unknown table
 */
export function fillPage(page: string): string {
  return page.replace(BLOCK, (_, begin: string, name: string, end: string) => {
    const make = BLOCKS[name];
    if (make === undefined) {
      throw new RangeError(`Cannot generate "${name}": there is no such table`);
    }
    return `${begin}\n${make()}\n\n${end}`;
  });
}

/** @returns the path of a page */
export function pagePath(name: string): string {
  return join(DOCS, name);
}

function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(heading), line(heading.map(() => "---")), ...rows.map(line)].join("\n");
}

function code(text: string): string {
  return `\`${text}\``;
}

function optionsOfRun(): string {
  return OPTION_GROUPS.map((group) => {
    const rows = OPTIONS.filter((option) => option.group === group).map(optionRow);
    return `### ${group}\n\n${table(["Option", "Default", "At a reload", "Meaning"], rows)}`;
  }).join("\n\n");
}

function optionRow(option: Option): string[] {
  const { flag, placeholder, help, limits } = option;
  const value = placeholder === null ? "" : ` ${code(placeholder)}`;
  const shown = defaultText(option);
  return [
    `${code(`--${flag}`)}${value}`,
    shown === null ? "none" : code(shown),
    option.reload,
    limits === undefined ? help : `${help} ${limits}`,
  ];
}

/** For `[front]`. */
function keysOfFront(): string {
  const rows = FRONT_KEYS.map(({ key, value }) => {
    const shown = defaultText(value);
    const raw = typeof value.default === "boolean" ? String(value.default) : shown;
    const text = value.limits === undefined ? value.help : `${value.help} ${value.limits}`;
    const kind = value.placeholder === null ? "" : ` ${code(value.placeholder)}`;
    return [`${code(key)}${kind}`, raw === null ? "none" : code(raw), text];
  });
  return table(["Key", "Default", "Meaning"], rows);
}

function otherCommands(): string {
  const verbs = (Object.keys(VERBS) as Verb[]).filter((verb) => verb !== "run");
  return verbs.map((verb) => {
    const { summary, operands, flags: own } = VERBS[verb];
    const takesOptionsOfRun = VERBS.run.flags.every((flag) => own.includes(flag));
    const flags = takesOptionsOfRun ? own.filter((flag) => !VERBS.run.flags.includes(flag)) : own;
    const usage = ["baton", verb, own.length > 0 ? "[OPTION...]" : "", operands];
    const heading = `### ${code(usage.filter((word) => word !== "").join(" "))}`;
    const options = flags.length === 0 ? [] : [table(["Option", "Meaning"], flags.map(flagRow))];
    return [heading, summary, ...options].join("\n\n");
  }).join("\n\n");
}

function flagRow({ flag, placeholder, help }: VerbFlag): string[] {
  const value = placeholder === null ? "" : ` ${code(placeholder)}`;
  return [`${code(`--${flag}`)}${value}`, help];
}

function presets(): string {
  const rows = PRESETS.map((preset) => [
    preset.names.map(code).join(", "),
    preset.stopSignal.replace("SIG", ""),
    preset.graceful ? "yes" : "no",
    preset.usr1 === "ignore" ? "kept away" : "sent on",
    preset.stopTimeMs === null ? "" : formatDuration(preset.stopTimeMs),
    preset.cleanExit.join(", "),
    preset.pidfile?.habit ?? "",
    preset.note,
    preset.source ?? "",
  ]);
  const heading = [
    "Program",
    "Stop signal",
    "Graceful",
    "USR1",
    "Stop time",
    "Own status",
    "Pid file",
  ];
  return table([...heading, "Note", "See"], rows);
}

function exclusiveServers(): string {
  const rows = EXCLUSIVE_RULES.map(({ names, reason, source }) => [
    names.split(" ").map(code).join(", "),
    reason,
    source,
  ]);
  return table(["Program", "It", "See"], rows);
}

function exitStatuses(): string {
  const rows = EXIT_STATUSES.map(({ status, meaning, verbs }) => [
    code(status),
    meaning,
    verbs.map(code).join(", "),
  ]);
  return table(["Status", "Meaning", "Commands"], rows);
}

function series(): string {
  const rows = Object.entries(SERIES).map(([name, { kind, help, ...more }]) => [
    code(name),
    kind,
    "labels" in more ? more.labels.map(code).join(", ") : "",
    help,
  ]);
  return table(["Name", "Kind", "Labels", "Meaning"], rows);
}

function events(): string {
  const rows = Object.entries(EVENTS).map(([name, { level, when, fields }]) => [
    code(name),
    level,
    when,
    fields.map(code).join(", "),
  ]);
  return table(["Event", "Level", "When", "Fields"], rows);
}

function eventFields(): string {
  return table(
    ["Field", "Meaning"],
    Object.entries(EVENT_FIELDS).map(([name, meaning]) => [code(name), meaning]),
  );
}

/** @returns the file docs/baton.schema.json */
export function schemaFile(): string {
  return `${JSON.stringify(configSchema(), null, 2)}\n`;
}

if (import.meta.main) {
  writeFileSync(pagePath(SCHEMA), schemaFile());
  for (const page of PAGES) {
    const path = pagePath(page);
    const before = readFileSync(path, "utf8");
    const after = fillPage(before);
    if (after === before) continue;
    writeFileSync(path, after);
    process.stdout.write(`docs/${page}\n`);
  }
}
