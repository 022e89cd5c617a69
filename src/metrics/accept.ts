/** Which form a scraper gets, by its Accept header: RFC 9110, section 12.5.1. Pure. */
import type { TextForm } from "./exposition.ts";

interface Range {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly quality: number;
}

const OPENMETRICS = "application/openmetrics-text";
const TEXTS = ["text/plain", "text/*", "*/*"];
/**
 * Versions of OpenMetrics that are offered. Prometheus before 2.5 named a draft; what is written here is also right as
 * that.
 */
const VERSIONS = ["1.0.0", "0.0.1"];

/** @returns the text of Prometheus unless OpenMetrics is preferred by name: who names nothing can read that */
export function textFormFor(accept: string | null): TextForm {
  const ranges = (accept ?? "").split(",").map(rangeOf);
  const best = (isMeant: (range: Range) => boolean) =>
    Math.max(0, ...ranges.filter(isMeant).map(({ quality }) => quality));
  const open = best(({ type, parameters }) =>
    type === OPENMETRICS && VERSIONS.includes(parameters.get("version") ?? "1.0.0")
  );
  const plain = best(({ type, parameters }) =>
    TEXTS.includes(type) && (parameters.get("version") ?? "0.0.4") === "0.0.4"
  );
  return open > 0 && open >= plain ? "openmetrics" : "prometheus";
}

function rangeOf(text: string): Range {
  const [type = "", ...rest] = text.split(";").map((part) => part.trim().toLowerCase());
  const parameters = new Map(rest.map((part): [string, string] => {
    const [name = "", value = ""] = part.split("=").map((each) => each.trim());
    return [name, value.replace(/^"(.*)"$/, "$1")];
  }));
  const quality = Number(parameters.get("q") ?? 1);
  return { type, parameters, quality: quality >= 0 && quality <= 1 ? quality : 0 };
}
