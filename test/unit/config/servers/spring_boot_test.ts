/** A server that its command does not name is known by the jar. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Config } from "../../../../src/config/config.ts";
import { presetByFile } from "../../../../src/config/presets.ts";
import { buildConfig } from "../../../support/config.ts";

describe("presetByFile()", () => {
  const loader = "META-INF/MANIFEST.MF\xfforg/springframework/boot/loader/";
  const jars: Record<string, string> = {
    "boot.jar": `PK\x03\x04${loader}`,
    "plain.jar": "PK\x03\x04META-INF/MANIFEST.MF\xffcom/example/Main.class",
    "text.jar": loader,
  };
  const cases: [string, string | null][] = [
    ["java -jar boot.jar", "spring-boot"],
    ["tini -- env A=1 /usr/bin/java -Xmx1g --add-modules x.y -jar boot.jar --debug", "spring-boot"],
    ["java -jar plain.jar", null],
    ["java -jar text.jar", null],
    ["java -jar absent.jar", null],
    ["java -cp a.jar boot.jar", null],
    ["node -jar boot.jar", null],
  ];
  for (const [line, preset] of cases) {
    it(`finds ${preset ?? "nothing"} by the file of "${line}"`, () => {
      const read = (path: string) => {
        return Object.hasOwn(jars, path)
          ? Uint8Array.from(jars[path]!, (c) => c.charCodeAt(0))
          : null;
      };
      assert.equal(presetByFile(line.split(" "), read), preset);
    });
  }
});

describe("buildConfig(), of a jar", () => {
  const BOOT = new TextEncoder().encode("PK\x03\x04org/springframework/boot/loader/");

  function builtFor(flags: [string, string[]][]): { config: Config; asked: unknown[] } {
    const asked: unknown[] = [];
    const config = buildConfig({
      fileValues: null,
      flagValues: new Map(flags),
      command: ["java", "-jar", "app.jar"],
      readJar(...place) {
        asked.push(place);
        return BOOT;
      },
    });
    return { config, asked };
  }

  it("has the preset of what it runs, and that one's stop time", () => {
    const { config, asked } = builtFor([["cwd", ["/srv"]]]);
    assert.deepEqual([config.preset, config.stopTimeMs, config.name], [
      "spring-boot",
      45_000,
      "app",
    ]);
    assert.deepEqual(asked, [["app.jar", "/srv"]]);
  });

  it("reads none where --preset says what it is", () => {
    const { config, asked } = builtFor([["preset", ["java"]]]);
    assert.deepEqual([config.preset, config.stopTimeMs], ["java", 10_000]);
    assert.deepEqual(asked, []);
  });
});
