/** The value of --probe-health. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseHealthEndpoint } from "../../../src/config/values/health_endpoint_spec.ts";

const PLAIN = { path: "/h", passThrough: null, minHealthyPercent: 0 };

describe("parseHealthEndpoint()", () => {
  const table: [text: string, wanted: object | RegExp][] = [
    ["/h", PLAIN],
    ["/h,min-healthy=50%", { ...PLAIN, minHealthyPercent: 50 }],
    ["/h,min-healthy=2.5", { ...PLAIN, minHealthyPercent: 2.5 }],
    ["/h,pass-through", { ...PLAIN, passThrough: { port: null, cacheMs: 0 } }],
    ["/h,pass-through=8080,cache=5s", { ...PLAIN, passThrough: { port: 8080, cacheMs: 5_000 } }],
    ["/h,cache=5s,pass-through", { ...PLAIN, passThrough: { port: null, cacheMs: 5_000 } }],
    ["h", /begin with a path/],
    ["/a b", /begin with a path/],
    ["/h?x", /no request has a path with \? or #/],
    ["/readyz", /is a probe of its own/],
    ["/h,cache=5s", /cache needs pass-through/],
    ["/h,pass-through,min-healthy=50", /the server answers/],
    ["/h,pass-through=0", /"0" is not a port/],
    ["/h,pass-through=65536", /is not a port/],
    ["/h,pass-through=x", /is not a port/],
    ["/h,min-healthy=101", /is not a percentage/],
    ["/h,min-healthy=half", /is not a percentage/],
    ["/h,passthrough", /"passthrough" is not one of pass-through, cache, min-healthy/],
    ["/h,cache=1s,cache=2s,pass-through", /given twice/],
  ];
  for (const [text, wanted] of table) {
    it(`${text}: ${wanted instanceof RegExp ? "refused" : "read"}`, () => {
      if (wanted instanceof RegExp) assert.throws(() => parseHealthEndpoint(text), wanted);
      else assert.deepEqual(parseHealthEndpoint(text), wanted);
    });
  }
});
