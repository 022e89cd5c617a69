/** What an Envoy says about its version, in each of the places where it does. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { envoyAge, envoyVersionIn } from "../../../src/envoy/version.ts";

const REVISION = "9e5580933739775e8bce696a57a2e1bc99368f23";

describe("envoyVersionIn()", () => {
  const texts: readonly (readonly [what: string, text: string, version: string | null])[] = [
    [
      "--version",
      `\n/opt/envoy  version: ${REVISION}/1.40.0/Clean/RELEASE/BoringSSL\n\n`,
      "1.40.0",
    ],
    ["/server_info", `{"version": "${REVISION}/1.36.2/Clean/RELEASE/BoringSSL"}`, "1.36.2"],
    ["one between two releases", `${REVISION}/1.37.0-dev/Modified/DEBUG/BoringSSL`, "1.37.0"],
    ["the text of early ones", "envoy 5d25f46/1.8.0/Clean/RELEASE live 9 9 0", "1.8.0"],
    ["another program", "nginx version: nginx/1.22.1", null],
    ["nothing", "", null],
  ];
  for (const [what, text, version] of texts) {
    it(what, () => assert.equal(envoyVersionIn(text), version));
  }
});

describe("envoyAge()", () => {
  for (const version of ["0.9.9", "1.4.0", "1.35.9"]) {
    it(`${version} is too old`, () => {
      const age = `it is Envoy ${version}, and fronts are tried with 1.36 and later`;
      assert.equal(envoyAge(version), age);
    });
  }
  for (const version of [null, "1.36.0", "1.40.0", "1.100.0", "2.0.0"]) {
    it(`${version} is not`, () => assert.equal(envoyAge(version), null));
  }
});
