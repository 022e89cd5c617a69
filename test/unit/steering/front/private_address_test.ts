import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  asBound,
  asDialed,
  candidatesFor,
  frontOf,
  type FrontPlace,
} from "../../../../src/steering/front/private_address.ts";

const APP = "/run/app/eds.yaml";
const ONE: FrontPlace = { port: null, address: null };
const METRICS: FrontPlace = { port: 9090, address: null };

describe("which front a listener is behind", () => {
  const table: readonly [
    string,
    readonly FrontPlace[],
    number,
    first: number | null,
    FrontPlace | null,
  ][] = [
    ["the first that is bound, of one without a port", [ONE], 3000, null, ONE],
    ["the same port once more, of the next generation", [ONE], 3000, 3000, ONE],
    ["another one: it listens where it was asked to", [ONE], 9090, 3000, null],
    ["one that is named, whatever was bound first", [METRICS], 9090, 3000, METRICS],
    ["one that is not named", [METRICS], 3000, null, null],
    ["a named one before one without a port", [ONE, METRICS], 9090, null, METRICS],
    ["no front", [], 3000, null, null],
  ];
  for (const [what, fronts, port, first, expected] of table) {
    test(what, () => assert.equal(frontOf(fronts, port, first), expected));
  }
});

describe("the private addresses to try", () => {
  const listed = (epoch: number, port = 3000, service = APP, address: string | null = null) =>
    [...candidatesFor({ service, epoch, port, address })].map(({ host, port }) =>
      `${host}:${port}`
    );

  test("are of the loopback interface, at the port of the server, and show the generation", () => {
    const [first, second, ...more] = listed(7);
    assert.match(first!, /^127\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.7\.1:3000$/);
    assert.equal(second, first!.replace(".7.1:", ".7.2:"));
    assert.ok(more.length > 100, "as many workers as one has");
    assert.ok(listed(300)[0]!.includes(`.${300 % 256}.1:`));
    assert.ok(listed(-2)[0]!.includes(".0.1:"), "a queue of baton's own");
  });

  test("end with a port of the kernel's choice: another program may have this one everywhere", () =>
    assert.match(listed(7).at(-1)!, /\.7\.1:0$/));

  test("differ from generation to generation, and from service to service", () => {
    const [own, other] = [new Set(listed(1)), listed(2)];
    assert.deepEqual(other.filter((each) => own.has(each)), []);
    assert.notEqual(listed(1)[0], listed(1, 3000, "/run/other/eds.yaml")[0]);
  });

  test("are one address with other ports, where Envoys of other hosts dial it", () =>
    assert.deepEqual(listed(7, 3000, APP, "10.0.0.5"), ["10.0.0.5:0"]));
});

describe("an address as it is bound and as it is dialed", () => {
  const table = [
    ["127.66.1.1", "inet", "127.66.1.1", "inet"],
    ["127.66.1.1", "inet6", "::ffff:127.66.1.1", "inet"],
    ["fd00::5", "inet6", "fd00::5", "inet6"],
  ] as const;
  for (const [host, family, bound, dialed] of table) {
    test(`${host} of a socket of ${family}`, () => {
      const place = asBound({ host, port: 80 }, family);
      assert.deepEqual(place, { family, host: bound, port: 80, scope: 0 });
      assert.deepEqual(asDialed(place), { family: dialed, host, port: 80, scope: 0 });
    });
  }
});
