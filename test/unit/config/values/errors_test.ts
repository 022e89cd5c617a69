/** The error class that the CLI maps to exit status 64. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigError, inPlace } from "../../../../src/config/values/errors.ts";

describe("ConfigError", () => {
  it("is an Error with its own name, and without a remedy unless it is given one", () => {
    const error = new ConfigError("Cannot do it");
    assert.ok(error instanceof Error);
    assert.equal(error.name, "ConfigError");
    assert.equal(error.remedy, null);
    assert.equal("cause" in error, false);
  });

  it("keeps the remedy and the cause", () => {
    const cause = new Error("below");
    const error = new ConfigError("Cannot do it", { remedy: "Do the other thing", cause });
    assert.equal(error.remedy, "Do the other thing");
    assert.equal(error.cause, cause);
  });
});

describe("inPlace()", () => {
  it("puts the place in front and keeps remedy and cause", () => {
    const error = new ConfigError("Cannot read it", { remedy: "Write it" });
    const placed = inPlace("In --name", error);
    assert.ok(placed instanceof ConfigError);
    assert.equal(placed.message, "In --name: cannot read it");
    assert.equal(placed.remedy, "Write it");
    assert.equal(placed.cause, error);
  });

  it("leaves other errors alone: they are bugs, not wrong usage", () => {
    const bug = new TypeError("undefined");
    assert.equal(inPlace("In --name", bug), bug);
  });
});
