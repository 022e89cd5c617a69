/** Programs of `src/steering/bpf_program.ts`, run by an interpreter that reads their encoded bytes. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  assemble,
  encode,
  MAX_INSTRUCTIONS,
  type MemberChoice,
  programFor,
} from "../../../src/steering/bpf_program.ts";
import { run, syn, type SynOptions, trace } from "../../support/cbpf.ts";

const PROBE_PORT = 40_001;
const ANY = syn({ version: 4, sourcePort: 5 });

describe("encode()", () => {
  it("lays out struct sock_filter, little endian", () => {
    const instruction = { code: 0x1234, jt: 5, jf: 6, k: 0xfff00001 };
    assert.deepEqual(
      [...encode([instruction])],
      [0x34, 0x12, 5, 6, 0x01, 0x00, 0xf0, 0xff],
    );
    assert.deepEqual([...programFor(one(258))], [6, 0, 0, 0, 2, 1, 0, 0]);
  });
});

describe("one", () => {
  for (const index of [0, 1, 255, 256, 65_535]) {
    it(`returns ${index}`, () => assert.equal(answer(one(index)), index));
  }
});

describe("spread", () => {
  const cases: [string, number[], number][] = [
    ["a range from 0", range(0, 4), 3],
    ["a range with a base", range(3, 5), 4],
    ["one member", [7], 1],
    ["two apart", [9, 2], 5],
    ["unordered, partly contiguous", [12, 3, 4, 5, 20, 21, 0], 11],
    ["the largest index", [65_535, 0], 5],
    ["300 apart: longer than a conditional jump", range(0, 300).map((i) => 2 * i), 605],
    ["2000 apart", range(0, 2_000).map((i) => 7 * i), 4_024],
    ["60000 in a row", range(1, 60_000), 4],
  ];
  for (const [name, indices, most] of cases) {
    it(`reaches each member once a round: ${name}`, () => {
      const program = programFor({ receiving: indices });
      assert.ok(program.length / 8 <= most, `${program.length / 8} instructions`);
      const rounds = Math.min(indices.length, 2_000);
      const first = Math.floor((2 ** 32 - rounds) / indices.length) * indices.length;
      const seen = range(0, rounds).map((i) => run(program, ANY, () => first + i));
      const expected = [...indices].sort((a, b) => a - b).slice(0, rounds);
      assert.deepEqual(seen, expected);
    });
  }

  it("compares about log2(n) times", () => {
    const program = programFor({ receiving: range(0, 1_024).map((i) => 3 * i) });
    const steps = range(0, 1_024).map((i) => trace(program, ANY, () => i).steps);
    assert.ok(Math.max(...steps) <= 2 + 10 + 3 + 1, `${Math.max(...steps)} steps`);
  });
});

describe("share", () => {
  const cases: [number, number[], number[], number][] = [
    [0, [1], [0], 0],
    [0.01, [1], [0], 1],
    [0.004, [1], [0], 0],
    [12.5, [1], [0], 1_250],
    [33.333, [4, 9], [0, 1, 2], 3_333],
    [99.99, [1], [0], 9_999],
    [100, [1], [0], 10_000],
    [50, range(0, 400).map((i) => 2 * i), range(0, 400).map((i) => 2 * i + 1), 5_000],
  ];
  for (const [percent, candidate, others, expected] of cases) {
    it(`gives ${percent} % to ${candidate.length} of ${candidate.length + others.length}`, () => {
      const program = programFor(share(percent, candidate, others));
      let given = 0;
      for (let draw = 0; draw < 10_000; draw++) {
        const member = run(program, ANY, () => 70_000 + draw);
        assert.ok(candidate.includes(member) !== others.includes(member));
        if (candidate.includes(member)) given++;
      }
      assert.equal(given, expected);
    });
  }

  it("draws the member anew after the dice, so that all of them are reached", () => {
    const program = programFor(share(1, [4, 9], [0, 1, 2]));
    const draws = (dice: number) =>
      range(0, 6).map((draw) => run(program, ANY, sequence([dice, draw])));
    assert.deepEqual(draws(99), [4, 9, 4, 9, 4, 9]);
    assert.deepEqual(draws(100), [0, 1, 2, 0, 1, 2]);
  });
});

describe("probe", () => {
  const ip4 = (...bytes: number[]) => Uint8Array.from(bytes);
  const ip6 = (last: number) => Uint8Array.of(0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last);
  const options = (words: number) => new Uint8Array(4 * words).fill(1); // IPOPT_NOP
  // A destination options header whose bytes look like the probe's source port.
  const extension = Uint8Array.of(PROBE_PORT >> 8, PROBE_PORT & 255, 1, 4, 0, 0, 0, 0);
  const port = PROBE_PORT;
  const from4 = { port, address: ip4(127, 0, 0, 2) };
  const from6 = { port, address: ip6(7) };
  const inside = { port, address: ip4(9, 9, 127, 0, 0, 2, 9).subarray(2, 6) };

  const v4: SynOptions = { version: 4, sourcePort: port, source: from4.address };
  const v6: SynOptions = { version: 6, sourcePort: port, source: from6.address };
  const at = (packet: SynOptions, sourcePort: number): SynOptions => ({ ...packet, sourcePort });
  type Match = Omit<NonNullable<MemberChoice["probe"]>, "members">;
  const cases: [string, Match, SynOptions, boolean][] = [
    ["IPv4", from4, v4, true],
    ["IPv4 with no link header", from4, { ...v4, linkHeader: 0 }, true],
    ["IPv4 with 4 bytes of options", from4, { ...v4, options: options(1) }, true],
    ["IPv4 with 40 bytes of options", from4, { ...v4, options: options(10) }, true],
    ["IPv4, another port", from4, at(v4, PROBE_PORT + 1), false],
    ["IPv4, the port with its bytes swapped", from4, at(v4, 0x419c), false],
    ["IPv4 options that hold the port", from4, {
      ...at(v4, 5),
      options: extension.subarray(0, 4),
    }, false],
    ["IPv4 address in a larger buffer", inside, v4, true],
    ["another IPv4 address", from4, { ...v4, source: ip4(127, 0, 0, 1) }, false],
    ["IPv4 address wanted, IPv6 packet", from4, v6, false],
    ["IPv6", from6, v6, true],
    ["IPv6 with no link header", from6, { ...v6, linkHeader: 0 }, true],
    ["IPv6, another port", from6, at(v6, PROBE_PORT - 1), false],
    ["another IPv6 address", from6, { ...v6, source: ip6(8) }, false],
    ["IPv6 with an extension header that holds the port", from6, {
      ...at(v6, 5),
      nextHeader: 60,
      options: extension,
    }, false],
    ["IPv6 with an extension header, from our port", from6, {
      ...v6,
      nextHeader: 60,
      options: extension,
    }, false],
    ["IPv6 address wanted, IPv4 packet", from6, v4, false],
  ];
  // A dual-stack socket has one program for both: each of these is one program per row.
  const crowds: [string, number[], number[]][] = [
    ["one each", [1], [0]],
    ["ranges", [3, 4, 5], [0, 1, 2]],
    [
      "programs longer than a conditional jump",
      range(0, 300).map((i) => 2 * i),
      range(0, 300).map((i) => 2 * i + 1),
    ],
  ];
  for (const [crowd, members, receiving] of crowds) {
    for (const [name, match, packet, wanted] of cases) {
      it(`${wanted ? "goes to the candidate" : "goes to the others"}: ${name}, ${crowd}`, () => {
        const program = programFor({ receiving, probe: { ...match, members } });
        for (const draw of [0, 1, 2, 0xffffffff]) {
          const member = run(program, syn(packet), () => draw);
          const expected = answer({ receiving: wanted ? members : receiving }, draw);
          assert.equal(member, expected);
        }
      });
    }
  }

  it("may stand before a share: the probe of a canary that already serves", () => {
    const program = programFor({ ...share(10, [5], [6]), probe: { ...from6, members: [5] } });
    const member = (packet: SynOptions, dice: number) => run(program, syn(packet), () => dice);
    assert.equal(member(v6, 9_999), 5);
    assert.equal(member(at(v6, 1), 999), 5);
    assert.equal(member(at(v6, 1), 1_000), 6);
  });
});

describe("assemble()", () => {
  const address = new Uint8Array(4);
  const probe = (port: number, members = [1]): MemberChoice => ({
    receiving: [0],
    probe: { port, address, members },
  });
  const whole = "it must be an integer from 0 to 65535";
  const refused: [MemberChoice, string][] = [
    [one(-1), `Cannot choose index -1: ${whole}`],
    [one(65_536), `Cannot choose index 65536: ${whole}`],
    [one(1.5), `Cannot choose index 1.5: ${whole}`],
    [one(NaN), `Cannot choose index NaN: ${whole}`],
    [{ receiving: [] }, "Cannot choose a member: no index is listed"],
    [{ receiving: [4, 2, 4] }, "Cannot choose index 4: it is listed twice"],
    [{ ...probe(1), receiving: [] }, "Cannot choose a member: no index is listed"],
    [probe(0), "Cannot probe from port 0: it must be from 1 to 65535"],
    [probe(65_536), "Cannot probe from port 65536: it must be from 1 to 65535"],
    [
      { receiving: [0], probe: { port: 1, address: new Uint8Array(5), members: [1] } },
      "Cannot probe from an address of 5 bytes: it must have 4 or 16",
    ],
    [share(-1, [1], [0]), "Cannot share -1 %: 'percent' must be from 0 to 100"],
    [share(100.1, [1], [0]), "Cannot share 100.1 %: 'percent' must be from 0 to 100"],
    [share(NaN, [1], [0]), "Cannot share NaN %: 'percent' must be from 0 to 100"],
    [
      { receiving: range(0, 3_000).map((i) => 2 * i) },
      `Cannot assemble 6016 instructions: the kernel accepts at most ${MAX_INSTRUCTIONS}`,
    ],
  ];
  for (const [choice, message] of refused) {
    it(`refuses: ${message}`, () => {
      assert.throws(() => assemble(choice), { name: "RangeError", message });
    });
  }

  const equal: [string, MemberChoice, MemberChoice][] = [
    ["a canary of nothing", share(0, [1], [0]), one(0)],
    ["a canary of all", share(100, [1], [0]), one(1)],
    ["a canary without members", share(50, [], [0]), one(0)],
    ["a probe without members", probe(4_000, []), one(0)],
  ];
  for (const [name, choice, expected] of equal) {
    it(`needs no more for ${name}`, () => assert.deepEqual(assemble(choice), assemble(expected)));
  }

  it("keeps every jump within its 8 bits, at every size up to the limit", () => {
    for (let size = 1; size <= 1_000; size += 7) {
      const indices = range(0, size).map((i) => 2 * i);
      const receiving = indices.map((i) => i + 1);
      const program = assemble({ receiving, probe: { port: 9, address, members: indices } });
      assert.ok(program.every(({ jt, jf }) => jt <= 255 && jf <= 255));
      run(encode(program), ANY, () => 0xffffffff);
    }
  });
});

describe("drawn by flow", () => {
  const members = range(3, 4);
  const PORTS = range(30_000, 4_000);

  for (const version of [4, 6] as const) {
    const chosen = (choice: MemberChoice, sourcePort: number, source?: Uint8Array) => {
      const packet = syn({ version, sourcePort, ...source && { source } });
      return run(programFor(choice), packet, () => assert.fail("no dice are thrown"));
    };

    it(`IPv${version}: one source meets the same member, and all have their part`, () => {
      const choice: MemberChoice = { receiving: members, draw: "flow" };
      const counts = new Map(members.map((index) => [index, 0]));
      for (const port of PORTS) {
        const index = chosen(choice, port);
        assert.equal(chosen(choice, port), index);
        counts.set(index, (counts.get(index) ?? 0) + 1);
      }
      const fair = PORTS.length / members.length;
      for (const count of counts.values()) assert.ok(Math.abs(count - fair) < fair / 5);
    });

    it(`IPv${version}: the address counts too`, () => {
      const choice: MemberChoice = { receiving: members, draw: "flow" };
      const hosts = range(1, 200).map((last) =>
        version === 4 ? Uint8Array.of(10, 0, 0, last) : new Uint8Array(16).fill(last, 15)
      );
      assert.equal(new Set(hosts.map((host) => chosen(choice, 53, host))).size, members.length);
    });

    it(`IPv${version}: a share of the sources`, () => {
      const choice: MemberChoice = { ...share(10, [9], members), draw: "flow" };
      const candidates = PORTS.filter((port) => chosen(choice, port) === 9).length;
      assert.ok(Math.abs(candidates - PORTS.length / 10) < PORTS.length / 50, String(candidates));
    });
  }

  it("reads behind the options of an IPv4 header", () => {
    const choice: MemberChoice = { receiving: members, draw: "flow" };
    const options = new Uint8Array(8).fill(1);
    const of = (sourcePort: number) =>
      run(programFor(choice), syn({ version: 4, sourcePort, options }), () => 0);
    assert.equal(new Set(PORTS.map(of)).size, members.length);
  });

  it("of one member there is nothing to draw", () => {
    assert.deepEqual([...programFor({ receiving: [2], draw: "flow" })], [...programFor(one(2))]);
  });
});

function one(index: number): MemberChoice {
  return { receiving: [index] };
}

function share(percent: number, members: number[], receiving: number[]): MemberChoice {
  return { receiving, share: { percent, members } };
}

/** What a choice answers to some packet with one draw of the dice. */
function answer(choice: MemberChoice, draw = 0): number {
  return run(programFor(choice), ANY, () => draw);
}

function range(base: number, length: number): number[] {
  return Array.from({ length }, (_, i) => base + i);
}

function sequence(values: readonly number[]): () => number {
  let next = 0;
  return () => values[next++] ?? 0;
}
