/** Which form of metrics a scraper gets. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { textFormFor } from "../../../src/metrics/accept.ts";

const OPEN = "application/openmetrics-text";

describe("textFormFor()", () => {
  const table: [name: string, accept: string | null, form: "prometheus" | "openmetrics"][] = [
    ["no header", null, "prometheus"],
    ["an empty one", "", "prometheus"],
    ["anything", "*/*", "prometheus"],
    ["plain text", "text/plain", "prometheus"],
    ["OpenMetrics", OPEN, "openmetrics"],
    ["OpenMetrics 1.0", `${OPEN}; version=1.0.0`, "openmetrics"],
    ["a quoted version", 'Application/OpenMetrics-Text; version="1.0.0"', "openmetrics"],
    ["OpenMetrics 2.0", `${OPEN};version=2.0.0`, "prometheus"],
    ["OpenMetrics by no means", `${OPEN};q=0`, "prometheus"],
    ["a quality that is none", `${OPEN};q=soon`, "prometheus"],
    ["text before OpenMetrics", `${OPEN};q=0.2,text/plain;version=0.0.4;q=0.8`, "prometheus"],
    [
      "Prometheus 2.42",
      `${OPEN};version=1.0.0,${OPEN};version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1`,
      "openmetrics",
    ],
    [
      "Prometheus 3",
      `${OPEN};version=1.0.0;escaping=allow-utf-8;q=0.6,${OPEN};version=0.0.1;q=0.5,` +
      "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
      "openmetrics",
    ],
  ];
  for (const [name, accept, form] of table) {
    it(`is ${form} for ${name}`, () => assert.equal(textFormFor(accept), form));
  }
});
