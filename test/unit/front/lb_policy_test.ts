/** Which clusters of Envoy share requests out by weights. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { unweightedPolicy } from "../../../src/front/lb_policy.ts";

const dump = (...clusters: readonly object[]) =>
  JSON.stringify({ configs: clusters.map((cluster) => ({ cluster })) });
const extension = (type: string) => ({
  policies: [{
    typed_extension_config: {
      typed_config: {
        "@type": `type.googleapis.com/envoy.extensions.load_balancing_policies.x.v3.${type}`,
      },
    },
  }],
});

describe("unweightedPolicy()", () => {
  for (
    const [what, cluster, policy] of [
      ["nothing", {}, null],
      ["ROUND_ROBIN", { lb_policy: "ROUND_ROBIN" }, null],
      ["MAGLEV", { lb_policy: "MAGLEV" }, null],
      ["LEAST_REQUEST", { lb_policy: "LEAST_REQUEST" }, "LEAST_REQUEST"],
      ["RANDOM", { lb_policy: "RANDOM" }, "RANDOM"],
      ["an extension in its place", {
        lb_policy: "RANDOM",
        load_balancing_policy: extension("RoundRobin"),
      }, null],
      [
        "an extension that knows no weights",
        { load_balancing_policy: extension("LeastRequest") },
        "LeastRequest",
      ],
      [
        "weights of its own",
        { load_balancing_policy: extension("ClientSideWeightedRoundRobin") },
        "ClientSideWeightedRoundRobin",
      ],
      ["no policy", { load_balancing_policy: {} }, null],
    ] as const
  ) {
    test(`a cluster with ${what}`, () => {
      const found = unweightedPolicy(dump({ name: "web", ...cluster }), ["web"]);
      assert.equal(found?.policy ?? null, policy);
    });
  }

  test("is of the clusters that read the file", () => {
    const body = dump({ name: "other", lb_policy: "RANDOM" }, { name: "web" });
    assert.equal(unweightedPolicy(body, ["web"]), null);
    assert.deepEqual(unweightedPolicy(body, ["web", "other"]), {
      cluster: "other",
      policy: "RANDOM",
    });
  });

  test("is not known from another answer", () => {
    assert.equal(unweightedPolicy("not JSON", ["web"]), null);
    assert.equal(unweightedPolicy('{"configs": 3}', ["web"]), null);
    assert.equal(unweightedPolicy("{}", ["web"]), null);
  });
});
