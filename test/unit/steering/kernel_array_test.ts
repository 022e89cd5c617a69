/**
 * The model against a reference of the kernel's array, and the compaction planner against its promise:
 * no planned removal moves a receiving member, and dead members do not pile up.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  indexOf,
  type KernelArray,
  type MemberId,
  planCompaction,
  removed,
} from "../../../src/steering/kernel_array.ts";
import { repeats } from "../../support/repeats.ts";

const WALKS = repeats({ full: 10_000, quick: 2_000 });
const STEPS_PER_WALK = 40;

describe("model", () => {
  const removals: [string, MemberId[], MemberId, MemberId[]][] = [
    ["the only one", [1], 1, []],
    ["the last one", [1, 2, 3], 3, [1, 2]],
    ["the first one", [1, 2, 3], 1, [3, 2]],
    ["one in the middle", [1, 2, 3, 4], 2, [1, 4, 3]],
    ["the last but one", [1, 2, 3], 2, [1, 3]],
  ];
  for (const [name, before, id, after] of removals) {
    it(`removed() moves the last member into the hole: ${name}`, () => {
      const array = [...before];
      assert.deepEqual(removed(array, id), after);
      assert.deepEqual(array, before);
    });
  }

  it("indexOf() and removed() refuse a member that is not in the group", () => {
    assert.equal(indexOf([9, 8, 7], 7), 2);
    const refusal = { name: "RangeError", message: "Cannot find member 6: the group is [9, 8, 7]" };
    assert.throws(() => indexOf([9, 8, 7], 6), refusal);
    assert.throws(() => removed([9, 8, 7], 6), refusal);
  });
});

describe("planCompaction()", () => {
  // Members are named by what they are: R receiving, D dead, o neither; by place, e.g. "D R o".
  const plans: [string, string, number[], string][] = [
    ["nothing there", "", [], ""],
    ["nothing dead", "R o o", [], "R o o"],
    ["dead behind the receiving one", "R D D", [2, 1], "R"],
    ["dead before the receiving one waits", "D R", [], "D R"],
    ["a candidate lets one go, into the lowest hole", "D D R o", [0], "o D R"],
    ["two candidates let two go", "D D R o o", [0, 1], "o o R"],
    ["a dead one at the end is closed first", "D R o D", [3, 0], "o R"],
    ["all dead", "D D D", [2, 1, 0], ""],
    ["the last receiving member holds all before it", "D R D R", [], "D R D R"],
    ["draining members may move", "D R D o", [0, 2], "o R"],
    ["between receiving members", "R D R D D", [4, 3], "R D R"],
  ];
  for (const [name, before, removals, after] of plans) {
    it(`${name}: "${before}" becomes "${after}"`, () => {
      const roles = before.split(" ").filter((role) => role !== "");
      const array = roles.map((_, place) => place);
      const places = (role: string) => new Set(array.filter((place) => roles[place] === role));
      const planned = planCompaction(array, places("R"), places("D"));
      assert.deepEqual(planned, removals);
      assert.equal(without(array, planned).map((id) => roles[id]).join(" "), after);
    });
  }

  it("never closes a member that is receiving as well as dead", () => {
    assert.deepEqual(planCompaction([1, 2, 3], new Set([1, 2]), new Set([1, 2])), []);
    assert.deepEqual(planCompaction([1], new Set([1]), new Set([1])), []);
  });

  it("frees as many as any order can", () => {
    const random = mulberry32(1);
    for (let round = 0; round < 2_000; round++) {
      const members = Array.from({ length: 1 + below(random, 7) }, (_, id) => id);
      const roles = members.map(() => below(random, 3));
      const receiving = new Set(members.filter((id) => roles[id] === 0));
      const dead = new Set(members.filter((id) => roles[id] === 1));
      const planned = planCompaction(members, receiving, dead).length;
      assert.equal(planned, mostRemovals(members, receiving, dead), JSON.stringify(roles));
    }
  });

  it(`moves no receiving member in ${WALKS} random walks`, () => {
    const tally: Tally = { removals: 0, moves: 0, switches: 0, failures: 0, shutdowns: 0 };
    for (let seed = 1; seed <= WALKS; seed++) {
      const walk = new Walk(seed, tally);
      for (let step = 0; step < STEPS_PER_WALK; step++) walk.step();
    }
    // The walks have to have gone everywhere, else they prove nothing.
    for (const [name, count] of Object.entries(tally)) {
      assert.ok(count > WALKS, `${name}: ${count}`);
    }
  });

  for (const alive of [1, 2, 4, 8]) {
    it(`${alive} draining generations leave at most ${alive} dead members over 2000 reloads`, () => {
      const random = mulberry32(alive);
      let model: KernelArray = [0];
      let receiving = 0;
      const draining: MemberId[] = [];
      const dead = new Set<MemberId>();
      const compact = () => {
        const plan = planCompaction(model, new Set([receiving]), dead);
        for (const id of plan) dead.delete(id);
        model = without(model, plan);
      };
      let mostLingering = 0;
      for (let id = 1; id <= 2_000; id++) {
        model = [...model, id];
        compact();
        const before = [...dead];
        draining.push(receiving);
        receiving = id;
        compact();
        assert.ok(!before.some((member) => dead.has(member)), "held over a switch");
        // The next reload waits until there is room for one more; others end when they like.
        while (draining.length === alive || (draining.length > 0 && below(random, 2) === 0)) {
          const [ended] = draining.splice(below(random, draining.length), 1);
          if (ended !== undefined) dead.add(ended);
          compact();
          mostLingering = Math.max(mostLingering, dead.size);
        }
        assert.equal(model.length, 1 + draining.length + dead.size);
      }
      assert.ok(mostLingering <= alive, `${mostLingering} lingered`);
    });
  }
});

type Tally = Record<"removals" | "moves" | "switches" | "failures" | "shutdowns", number>;

/** One life of a group: candidates come, are probed, take over or fail; old members die or leave. */
class Walk {
  readonly #tally: Tally;
  readonly #random: () => number;
  #nextId = 0;
  #model: KernelArray = [];
  /** The kernel: the array, and the program as indices, valid or not. */
  readonly #array: MemberId[] = [];
  #program: number[] = [];
  #receiving = new Set<MemberId>();
  #serving: MemberId[] = [];
  #candidate: MemberId[] = [];
  #draining: MemberId[] = [];
  readonly #dead = new Set<MemberId>();

  constructor(seed: number, tally: Tally) {
    this.#tally = tally;
    this.#random = mulberry32(seed);
    this.#listen(this.#serving);
    this.#steer(this.#serving);
  }

  step(): void {
    const any = [this.#append, this.#probe, this.#switch, this.#fail, this.#die, this.#shutDown];
    any[below(this.#random, any.length)]?.call(this);
    this.#compact();
    assert.deepEqual(this.#model, this.#array);
    this.#verifyProgram();
  }

  #append(): void {
    if (this.#candidate.length === 0) this.#listen(this.#candidate);
  }

  #probe(): void {
    this.#steer([...this.#serving, ...this.#candidate]);
  }

  #switch(): void {
    if (this.#candidate.length === 0) return;
    this.#tally.switches++;
    this.#steer(this.#candidate);
    this.#draining.push(...this.#serving);
    this.#serving = this.#candidate;
    this.#candidate = [];
  }

  #fail(): void {
    if (this.#candidate.length === 0) return;
    this.#tally.failures++;
    this.#steer(this.#serving);
    for (const id of this.#candidate) this.#dead.add(id);
    this.#candidate = [];
  }

  #die(): void {
    const [id] = this.#draining.splice(below(this.#random, this.#draining.length), 1);
    if (id !== undefined) this.#dead.add(id);
  }

  /** A draining server shuts its listener down: nobody asked baton, who has to steer anew. */
  #shutDown(): void {
    const id = this.#draining.pop();
    if (id === undefined) return;
    this.#tally.shutdowns++;
    this.#close(id);
    this.#model = removed(this.#model, id);
    this.#steer([...this.#receiving]);
  }

  #compact(): void {
    const plan = planCompaction(this.#model, this.#receiving, this.#dead);
    for (const id of plan) {
      assert.ok(this.#dead.delete(id), `${id} is not dead`);
      this.#tally.removals++;
      if (this.#array.at(-1) !== id) this.#tally.moves++;
      this.#close(id);
      this.#verifyProgram();
    }
    this.#model = without(this.#model, plan);
    const last = this.#array.at(-1);
    assert.ok(this.#dead.size === 0 || (last !== undefined && this.#receiving.has(last)));
  }

  #listen(generation: MemberId[]): void {
    for (let count = 1 + below(this.#random, 3); count > 0; count--) {
      const id = this.#nextId++;
      this.#array.push(id);
      this.#model = [...this.#model, id];
      generation.push(id);
    }
  }

  #steer(ids: readonly MemberId[]): void {
    this.#receiving = new Set(ids);
    this.#program = ids.map((id) => indexOf(this.#model, id));
  }

  /** __reuseport_detach_sock */
  #close(id: MemberId): void {
    const hole = this.#array.indexOf(id);
    const last = this.#array.pop();
    if (last !== undefined && last !== id) this.#array[hole] = last;
  }

  #verifyProgram(): void {
    const named = new Set(this.#program.map((index) => this.#array[index]));
    assert.deepEqual(named, this.#receiving);
  }
}

function without(array: KernelArray, ids: readonly MemberId[]): KernelArray {
  return ids.reduce((rest, id) => removed(rest, id), array);
}

/** Every order tried: the most dead members that can go without a receiving one moving. */
function mostRemovals(
  members: readonly MemberId[],
  receiving: ReadonlySet<MemberId>,
  dead: ReadonlySet<MemberId>,
): number {
  const last = members.at(-1);
  let most = 0;
  for (const id of members) {
    if (last === undefined || !dead.has(id) || (id !== last && receiving.has(last))) continue;
    const rest = removed(members, id);
    most = Math.max(most, 1 + mostRemovals(rest, receiving, dead));
  }
  return most;
}

function below(random: () => number, limit: number): number {
  return Math.floor(random() * limit);
}

function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
