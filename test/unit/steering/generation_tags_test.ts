/** Which generation gets which tag, when one is free again, and which tags tell nothing. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HIGHEST_TAG, NO_TAG } from "../../../src/platform/network/socket_tag.ts";
import { GenerationTags } from "../../../src/steering/generation_tags.ts";

const NONE: ReadonlySet<number> = new Set();
const ALL = Array.from({ length: HIGHEST_TAG }, (_, i) => i + 1);

function reserve(tags: GenerationTags, epoch: number, inUse: Iterable<number> = NONE): number {
  return tags.reserve(epoch, () => new Set(inUse));
}

describe("GenerationTags: which tag", () => {
  test("every generation in a row has another one, and keeps it", () => {
    const tags = new GenerationTags();
    const got = ALL.map((_, epoch) => reserve(tags, epoch));
    assert.deepEqual([...got].sort((a, b) => a - b), ALL);
    assert.deepEqual(ALL.map((_, epoch) => reserve(tags, epoch)), got);
    assert.deepEqual(ALL.map((_, epoch) => tags.of(epoch)), got);
  });

  test("with more generations alive than tags, the next one has none, for good", () => {
    const tags = new GenerationTags();
    ALL.forEach((_, epoch) => reserve(tags, epoch));
    assert.equal(reserve(tags, HIGHEST_TAG), NO_TAG);
    tags.end(0);
    assert.equal(reserve(tags, HIGHEST_TAG), NO_TAG, "its first connections have none");
    assert.notEqual(reserve(tags, HIGHEST_TAG + 1), NO_TAG);
  });

  test("those of a look are asked for no second time, but for what has ended or was spoiled since", () => {
    const never = () => assert.fail("it was looked for");
    const tags = new GenerationTags();
    [0, 1].forEach((epoch) => reserve(tags, epoch));
    tags.note([{ tag: 3 }, {}]);
    tags.end(0);
    tags.spoil(1, 4);
    const next = ALL.length;
    const why = "1 has ended since the look, 2 and 4 were spoiled, 3 was seen";
    assert.equal(tags.reserve(next, never), 5, why);
    assert.equal(
      tags.reserve(2 * next, () => new Set([1, 2])),
      3,
      "one look is for one generation",
    );
  });

  const cases: [string, (tags: GenerationTags) => void, Iterable<number>, number][] = [
    ["that of a generation that has ended is free", (tags) => tags.end(0), NONE, 1],
    ["not while a connection shows it", (tags) => tags.end(0), [1], 2],
    ["one of a foreign connection is not taken", () => {}, [2], 3],
    ["while all are in use there is none", () => {}, ALL, NO_TAG],
  ];
  for (const [name, before, inUse, expected] of cases) {
    test(name, () => {
      const tags = new GenerationTags();
      assert.equal(reserve(tags, 0), 1);
      before(tags);
      // In turn with generation 0, and after it.
      assert.equal(reserve(tags, HIGHEST_TAG, inUse), expected);
    });
  }
});

describe("GenerationTags.isUncertain()", () => {
  const [OWN, OTHER] = [1, 2];
  const cases: [string, (tags: GenerationTags) => void, number, boolean][] = [
    ["no tag tells nothing", () => {}, NO_TAG, true],
    ["a tag that no generation here has had tells nothing", () => {}, 9, true],
    ["a generation's own tells", () => {}, OWN, false],
    [
      "that of one that has ended tells that it is no living one's",
      (tags) => tags.end(0),
      OWN,
      false,
    ],
    [
      "one with a queue that has passed on tells nothing",
      (tags) => tags.makeAmbiguous(OWN),
      OWN,
      true,
    ],
    ["and its successor's does", (tags) => tags.makeAmbiguous(OWN), OTHER, false],
    ["one that its server has changed tells nothing", (tags) => tags.spoil(0, OTHER), OWN, true],
    ["nor does what it was changed to", (tags) => tags.spoil(0, OTHER), OTHER, true],
    ["after an upgrade it is known again", (tags) => tags.recover(7, 8), 8, false],
    [
      "with two generations that show one, it tells nothing",
      (tags) => tags.recover(7, OWN),
      OWN,
      true,
    ],
  ];
  for (const [name, before, tag, expected] of cases) {
    test(name, () => {
      const tags = new GenerationTags();
      reserve(tags, 0);
      reserve(tags, 1);
      before(tags);
      assert.equal(tags.isUncertain(tag), expected);
    });
  }

  test("a tag that is given out again tells again", () => {
    const tags = new GenerationTags();
    reserve(tags, 0);
    tags.makeAmbiguous(OWN);
    tags.end(0);
    assert.equal(reserve(tags, HIGHEST_TAG), OWN);
    assert.equal(tags.isUncertain(OWN), false);
  });
});

describe("GenerationTags: what a server or an earlier baton has done", () => {
  test("a generation whose server uses such options has no tag, nor gets another", () => {
    const tags = new GenerationTags();
    reserve(tags, 0);
    tags.spoil(0, 5);
    assert.equal(reserve(tags, 0), NO_TAG);
    assert.equal(tags.of(0), NO_TAG);
  });

  test("members of one generation that show two tags spoil it; one without a tag does not", () => {
    const tags = new GenerationTags();
    tags.recover(3, 4);
    tags.recover(3, NO_TAG);
    assert.equal(tags.of(3), 4);
    tags.recover(3, 5);
    assert.equal(tags.of(3), NO_TAG);
    assert.deepEqual([tags.isUncertain(4), tags.isUncertain(5)], [true, true]);
  });
});
