/** What counts as an acknowledgement of Envoy, and what it lacks otherwise. The answers are Envoy 1.40.0's, shortened. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  activeRequests,
  answersOf,
  missing,
  readClusters,
  readersOf,
  rejectionsIn,
} from "../../../src/front/acknowledgement.ts";
import {
  addAnswers,
  answersByEpoch,
  answersSince,
  errorVerdict,
} from "../../../src/front/answers.ts";
import type { AssignedEndpoint } from "../../../src/front/assignment.ts";
import { unweightedPolicy } from "../../../src/front/lb_policy.ts";

const OLD: AssignedEndpoint = {
  address: { host: "127.64.0.1", port: 3000 },
  isHealthy: false,
  weight: 1,
  epoch: 0,
  worker: 0,
};
const NEW: AssignedEndpoint = {
  ...OLD,
  address: { host: "127.64.1.1", port: 3000 },
  isHealthy: true,
  weight: 9,
  epoch: 1,
};

function host(address: string, status: string, more: object = {}, health: object = {}): object {
  return {
    address: { socket_address: { address, port_value: 3000 } },
    stats: [{ name: "rq_error" }, { value: "20", name: "rq_success" }],
    health_status: { eds_health_status: status, ...health },
    weight: 1,
    locality: {},
    ...more,
  };
}

const DRAINING = host("127.64.0.1", "DRAINING");
const HEALTHY = host("127.64.1.1", "HEALTHY", { weight: 9 });
const FAILS = { failed_active_health_check: true };

function clusters(...lists: [name: string, ...hosts: object[]][]) {
  const statuses = lists.map(([name, ...hosts]) => ({ name, host_statuses: hosts }));
  return readClusters(JSON.stringify({ cluster_statuses: statuses })) ?? assert.fail();
}

describe("an acknowledgement", () => {
  const cases: [what: string, shown: ReturnType<typeof clusters>, lacks: RegExp | null][] = [
    ["all of it", clusters(["app", DRAINING, HEALTHY]), null],
    ["a host of others", clusters(["app", DRAINING, HEALTHY, host("9.9.9.9", "HEALTHY")]), null],
    ["another cluster", clusters(["app", DRAINING, HEALTHY], ["metrics"]), null],
    ["no cluster at all", clusters(), /no cluster app/],
    ["no such cluster", clusters(["ap"]), /no cluster app/],
    ["a cluster under another name", clusters(["service", DRAINING, HEALTHY]), null],
    [
      "one under another name, beside one of that name",
      clusters(["app", host("9.9.9.9", "HEALTHY")], ["app-1", DRAINING, HEALTHY]),
      null,
    ],
    ["the file is not read yet", clusters(["app"]), /does not have 127\.64\.0\.1:3000/],
    [
      "the old one still healthy",
      clusters(["app", host("127.64.0.1", "HEALTHY"), HEALTHY]),
      /127\.64\.0\.1:3000 as HEALTHY, not DRAINING/,
    ],
    [
      "another weight",
      clusters(["app", DRAINING, host("127.64.1.1", "HEALTHY", { weight: 8 })]),
      /weight 8, not 9/,
    ],
    [
      "one of two clusters that read the file",
      clusters(["app", DRAINING, HEALTHY], ["h2", host("127.64.0.1", "HEALTHY"), HEALTHY]),
      /cluster h2/,
    ],
    [
      "the health check of the new one fails",
      clusters(["app", DRAINING, host("127.64.1.1", "HEALTHY", { weight: 9 }, FAILS)]),
      /own health check of 127\.64\.1\.1:3000 fails/,
    ],
    [
      "that of the old one fails",
      clusters(["app", host("127.64.0.1", "DRAINING", {}, FAILS), HEALTHY]),
      null,
    ],
  ];
  for (const [what, shown, lacks] of cases) {
    it(what, () => {
      const readers = readersOf(shown, "app", [OLD.address, NEW.address]);
      const found = missing(readers, "app", [OLD, NEW], 1);
      if (lacks === null) assert.equal(found, null);
      else assert.match(found ?? "", lacks);
    });
  }

  it("is none of another kind of answer", () => {
    for (const body of ["", "no", "1", '{"cluster_statuses": 1}']) {
      assert.equal(readClusters(body), null);
    }
    assert.deepEqual(readClusters("{}"), []);
  });

  it("knows a Unix socket", () => {
    const at = { address: { pipe: { path: "/a.sock" } }, weight: 9 };
    const shown = clusters(["app", { ...host("", "HEALTHY"), ...at }]);
    assert.equal(missing(shown, "app", [{ ...NEW, address: { path: "/a.sock" } }], null), null);
  });

  it("counts rejections of the clusters that are meant", () => {
    const body = "cluster.app.update_rejected: 2\ncluster.app.v2.update_rejected: 5\n" +
      "cluster_manager.cds.update_rejected: 7\n";
    assert.equal(rejectionsIn(body, ["app"]), 2);
    assert.equal(rejectionsIn(body, ["app.v2", "app"]), 7);
    assert.equal(rejectionsIn(body, ["b"]), 0);
  });
});

describe("activeRequests()", () => {
  const active = (address: string, count: number) =>
    host(address, "DRAINING", { stats: [{ name: "rq_active", value: `${count}` }] });

  it("counts those of these endpoints, in each cluster that has them", () => {
    const shown = clusters(
      ["app", active("127.64.0.1", 3), active("127.64.1.1", 40)],
      ["h2", active("127.64.0.1", 2)],
    );
    assert.equal(activeRequests(shown, new Set(["127.64.0.1:3000"])), 5);
    assert.equal(activeRequests(shown, new Set(["127.64.0.9:3000"])), 0);
  });

  it("a number that is left out is 0", () => {
    assert.equal(activeRequests(clusters(["app", DRAINING]), new Set(["127.64.0.1:3000"])), 0);
  });
});

describe("what endpoints have answered", () => {
  it("is added up by generation", () => {
    const stats = [{ name: "rq_error", value: "3" }, { name: "rq_success", value: "1" }];
    const shown = clusters(["app", DRAINING, host("127.64.1.1", "HEALTHY", { stats })]);
    const one = answersByEpoch([OLD, NEW], answersOf(shown));
    assert.deepEqual(one.get(1), { requests: 4, errors: 3 });
    assert.deepEqual(addAnswers([one, one]).get(0), { requests: 40, errors: 0 });
  });

  it("begins again with the counters", () => {
    const now = { requests: 10, errors: 3 };
    assert.deepEqual(answersSince({ requests: 4, errors: 1 }, now), { requests: 6, errors: 2 });
    assert.deepEqual(answersSince({ requests: 40, errors: 1 }, now), now);
    assert.deepEqual(answersSince(undefined, now), now);
  });

  const verdicts: [onTrial: [number, number], serving: [number, number], isBad: boolean][] = [
    [[2, 2], [0, 100], false],
    [[3, 3], [0, 100], true],
    [[4, 5], [0, 100], false],
    [[5, 5], [0, 100], true],
    [[5, 100], [0, 100], false],
    [[6, 100], [0, 100], true],
    [[6, 100], [6, 100], false],
    [[50, 100], [40, 100], true],
    [[5, 5], [0, 0], true],
    [[0, 0], [5, 5], false],
  ];
  for (const [[errors, requests], [others, of], isBad] of verdicts) {
    it(`${errors} of ${requests} beside ${others} of ${of}`, () => {
      const reason = errorVerdict({ errors, requests }, { errors: others, requests: of });
      const said = new RegExp(`^${errors} of ${requests} requests .* and ${others} of ${of}`);
      if (isBad) assert.match(reason ?? "", said);
      else assert.equal(reason, null);
    });
  }
});

describe("unweightedPolicy()", () => {
  const typed = (type: string) => ({
    load_balancing_policy: {
      policies: [{
        typed_extension_config: { typed_config: { "@type": `type.googleapis.com/a.v3.${type}` } },
      }],
    },
  });
  const cases: [settings: object, policy: string | null][] = [
    [{}, null],
    [{ lb_policy: "RING_HASH" }, null],
    [{ lb_policy: "MAGLEV" }, null],
    [{ lb_policy: "LEAST_REQUEST" }, "LEAST_REQUEST"],
    [{ lb_policy: "RANDOM" }, "RANDOM"],
    [typed("Maglev"), null],
    [typed("RoundRobin"), null],
    [typed("LeastRequest"), "LeastRequest"],
    [typed("ClientSideWeightedRoundRobin"), "ClientSideWeightedRoundRobin"],
  ];
  for (const [settings, policy] of cases) {
    it(`${JSON.stringify(settings)}: ${policy}`, () => {
      const cluster = { name: "app", ...settings };
      const other = { name: "b", lb_policy: "RANDOM" };
      const body = JSON.stringify({ configs: [{ cluster: other }, { cluster }, { other: 1 }] });
      const expected = policy === null ? null : { cluster: "app", policy };
      assert.deepEqual(unweightedPolicy(body, ["app"]), expected);
    });
  }

  it("knows nothing of another kind of answer", () => {
    assert.equal(unweightedPolicy("", ["app"]), null);
    assert.equal(unweightedPolicy("{}", ["app"]), null);
  });
});
