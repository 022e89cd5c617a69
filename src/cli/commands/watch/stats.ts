/** `baton stats`: what a service has counted, read from its memory, so that the running baton need not answer. */
import { UserError } from "../../../config/values/errors.ts";
import { errorText, SystemCallError } from "../../../platform/error.ts";
import type { Platform } from "../../../platform/platform.ts";
import { readStats } from "../../../stats/read_file.ts";
import { type Sample, seriesText } from "../../../stats/series.ts";
import { EXIT_OK, EXIT_SYSTEM } from "../../console/exit_status.ts";
import type { Printer } from "../../console/printer.ts";
import { withService } from "../../console/target.ts";
import type { ServiceCommand } from "../../words/words.ts";

export function commandStats(
  platform: Platform,
  command: ServiceCommand<"stats">,
  print: Printer,
): number {
  const { name, samples } = withService(platform, command, ({ stats }, name) => ({
    name,
    samples: samplesAt(platform, name, stats),
  }));
  if (command.json) print.out(JSON.stringify({ name, series: samples }, null, 2));
  else statsLines(samples).forEach((line) => print.out(line));
  return EXIT_OK;
}

function samplesAt(platform: Platform, name: string, path: string): readonly Sample[] {
  const cannot = (why: string, remedy: string) =>
    new UserError(`Cannot read the statistics of "${name}" at ${path}: ${why}`, {
      status: EXIT_SYSTEM,
      remedy,
    });
  let samples: readonly Sample[] | null;
  try {
    samples = readStats(platform, path);
  } catch (error) {
    const remedy = error instanceof SystemCallError
      ? "Only the user that its baton runs as and root may read them"
      : "Use a baton of the same version as the running one";
    throw cannot(errorText(error), remedy);
  }
  if (samples !== null) return samples;
  throw cannot(
    "no baton counts there",
    `Start it with: baton run --name ${name} -- PROGRAM; with --shutdown-only nothing is counted`,
  );
}

/** @returns one line for each series, by name */
export function statsLines(samples: readonly Sample[]): string[] {
  const rows = samples.map((sample): [string, string] => [seriesText(sample), valueText(sample)]);
  rows.sort(([a], [b]) => a < b ? -1 : 1);
  const width = Math.max(0, ...rows.map(([text]) => text.length));
  return rows.map(([text, value]) => `${text.padEnd(width)}  ${value}`);
}

function valueText({ kind, value, sum }: Sample): string {
  if (kind !== "histogram") return numberText(value);
  if (value === 0) return "0";
  return `${numberText(value)}, mean ${numberText(sum / value)}, sum ${numberText(sum)}`;
}

function numberText(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) < 1 ? String(Number(value.toPrecision(3))) : String(round(value));
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
