/** The error class that the CLI prints for users. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { UserError, withPlace } from "../../../../src/config/values/errors.ts";

/** @returns what is thrown where a parser has thrown `error` */
function refusal(error: Error): unknown {
  try {
    return withPlace("In --name", () => {
      throw error;
    });
  } catch (thrown) {
    return thrown;
  }
}

describe("UserError", () => {
  it("is an Error with its own name, and without a remedy unless it is given one", () => {
    const error = new UserError("Cannot do it");
    assert.ok(error instanceof Error);
    assert.equal(error.name, "UserError");
    assert.equal(error.remedy, null);
    assert.equal("cause" in error, false);
  });

  it("means wrong usage (64) unless it is given another exit status, which withPlace() keeps", () => {
    assert.equal(new UserError("Cannot do it").status, 64);
    const busy = refusal(new UserError("Cannot do it", { status: 75 }));
    assert.ok(busy instanceof UserError);
    assert.equal(busy.status, 75);
  });

  it("keeps the remedy and the cause", () => {
    const cause = new Error("below");
    const error = new UserError("Cannot do it", { remedy: "Do the other thing", cause });
    assert.equal(error.remedy, "Do the other thing");
    assert.equal(error.cause, cause);
  });
});

describe("withPlace()", () => {
  it("puts the place in front and keeps remedy and cause", () => {
    const error = new UserError("Cannot read it", { remedy: "Write it" });
    const placed = refusal(error);
    assert.ok(placed instanceof UserError);
    assert.equal(placed.message, "In --name: cannot read it");
    assert.equal(placed.remedy, "Write it");
    assert.equal(placed.cause, error);
  });

  it("leaves other errors alone: they are bugs, not wrong usage", () => {
    const bug = new TypeError("undefined");
    assert.equal(refusal(bug), bug);
  });
});
