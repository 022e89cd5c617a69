/** The endpoint file: what baton changes in it, and what it leaves as it is. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { documentText, readDocument, withEndpoints } from "../../../src/front/document.ts";
import type { AssignedEndpoint } from "../../../src/front/assignment.ts";

const OWNER = { service: "web", host: "here" };

function endpoint(host: string, more: Partial<AssignedEndpoint> = {}): AssignedEndpoint {
  const usual = { isHealthy: true, weight: 1, epoch: 0, worker: 0 };
  return { address: { host, port: 3000 }, ...usual, ...more };
}

/** "127.0.0.2 HEALTHY 1 web@here" for each endpoint. */
function shown(text: string): string[] {
  return readDocument(text).resources[0]!.endpoints!.flatMap((locality) =>
    locality.lb_endpoints!.map((each) => {
      const { socket_address: socket, pipe } = each.endpoint?.address ?? {};
      const { service = "?", host = "?" } = each.metadata?.filter_metadata?.baton ?? {};
      const place = pipe?.path ?? socket?.address;
      return `${place} ${each["health_status"]} ${
        each["load_balancing_weight"]
      } ${service}@${host}`;
    })
  );
}

function rewrite(before: string, endpoints: readonly AssignedEndpoint[], owner = OWNER): string {
  const change = { cluster: "app", owner, endpoints };
  return documentText(withEndpoints(readDocument(before), change));
}

describe("the endpoint file", () => {
  it("has one assignment, an endpoint a line", () => {
    const text = rewrite("", [
      endpoint("127.64.0.1", { isHealthy: false }),
      endpoint("127.64.1.1", { epoch: 1, weight: 9 }),
    ]);
    assert.deepEqual(JSON.parse(text), parse(text), "it is YAML, too");
    const type = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
    const { resources: [assignment, ...others] } = readDocument(text);
    assert.deepEqual(others, []);
    assert.equal(assignment?.["@type"], type);
    assert.equal(assignment?.cluster_name, "app");
    const about = assignment?.endpoints?.[0]?.lb_endpoints?.[1]?.metadata?.filter_metadata?.baton;
    assert.deepEqual(about, { ...OWNER, generation: "1", worker: "0" });
    const expected = ["127.64.0.1 DRAINING 1 web@here", "127.64.1.1 HEALTHY 9 web@here"];
    assert.deepEqual(shown(text), expected);
    assert.equal(text.split("\n").filter((line) => line.includes("socket_address")).length, 2);
  });

  it("has Unix sockets, too", () => {
    const text = rewrite("", [{ ...endpoint(""), address: { path: "/run/a.sock" } }]);
    assert.deepEqual(shown(text), ["/run/a.sock HEALTHY 1 web@here"]);
  });

  it("is the same text for the same endpoints", () => {
    const once = rewrite("", [endpoint("127.64.0.1")]);
    assert.equal(rewrite(once, [endpoint("127.64.0.1")]), once);
  });

  it("keeps the endpoints of other batons, and of people", () => {
    const locality = { locality: { zone: "b" }, lb_endpoints: [{ endpoint: {} }] };
    const policy = { overprovisioning_factor: 200 };
    const place = { socket_address: { address: "10.0.0.9", port_value: 1 } };
    const own = {
      health_status: "HEALTHY",
      load_balancing_weight: 3,
      endpoint: { address: place },
    };
    const endpoints = [locality, { lb_endpoints: [own] }];
    const byHand = {
      version_info: "7",
      resources: [{ "@type": "x", cluster_name: "other", policy, endpoints }],
    };
    const one = rewrite(JSON.stringify(byHand), [endpoint("127.64.0.1")]);
    const two = rewrite(one, [endpoint("127.64.9.1")], { ...OWNER, host: "there" });
    const three = readDocument(rewrite(two, [endpoint("127.64.0.2")]));
    assert.equal(three["version_info"], "7");
    const assignment = three.resources[0]!;
    assert.deepEqual(assignment["policy"], policy);
    assert.equal(assignment.cluster_name, "app");
    assert.deepEqual(assignment.endpoints?.[0], locality);
    const left = { resources: [{ ...assignment, endpoints: assignment.endpoints!.slice(1) }] };
    assert.deepEqual(shown(JSON.stringify(left)), [
      "10.0.0.9 HEALTHY 3 ?@?",
      "127.64.9.1 HEALTHY 1 web@there",
      "127.64.0.2 HEALTHY 1 web@here",
    ]);
    const gone = readDocument(rewrite(documentText(three), [])).resources[0]?.endpoints;
    assert.deepEqual(gone?.map((each) => each.lb_endpoints?.length), [1, 2]);
  });

  it("is empty of places where its own endpoints were the only ones", () => {
    const own = readDocument(rewrite(rewrite("", [endpoint("127.64.0.1")]), []));
    assert.deepEqual(own.resources[0]?.endpoints, []);
  });

  it("takes over an address that was another baton's", () => {
    const before = rewrite("", [endpoint("127.64.0.1")], { ...OWNER, service: "old" });
    const after = rewrite(before, [endpoint("127.64.0.1", { isHealthy: false })]);
    assert.deepEqual(shown(after), ["127.64.0.1 DRAINING 1 web@here"]);
  });

  const refused: [text: string, reason: RegExp][] = [
    ["resources:\n- a", /JSON|token|identifier/i],
    ['{"resources": 1}', /resources/],
    ['{"resources": [{"cluster_name": "a"}, {"cluster_name": "b"}]}', /resources/],
    ['{"resources": [{"cluster_name": "a", "endpoints": 1}]}', /endpoints/],
  ];
  for (const [text, reason] of refused) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => readDocument(text), reason);
    });
  }
});
