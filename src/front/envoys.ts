/** The Envoys that read one endpoint file: whether they do what it says, and what their endpoints have answered. */
import { type AdminAddress, adminAddressText, askAdmin } from "../envoy/admin_client.ts";
import { envoyAge, envoyVersionIn } from "../envoy/version.ts";
import type { Platform } from "../platform/platform.ts";
import type { EnvoyView } from "./front_view.ts";
import { exists } from "../platform/files/path.ts";
import {
  type EnvoyClusters,
  hasChecks,
  missing,
  readClusters,
  readersOf,
  rejectionsIn,
  statNames,
} from "./acknowledgement.ts";
import type { AssignedEndpoint } from "./assignment.ts";
import { unweightedPolicy } from "./lb_policy.ts";

/** Time-out for one answer: an Envoy with some thousand endpoints gives one within 100 ms. */
const ANSWER_MS = 2_000;

export interface EnvoysOptions {
  readonly file: string;
  readonly cluster: string;
  readonly admins: readonly AdminAddress[];
  /** How many Envoys must acknowledge; null: all. */
  readonly acks: number | null;
  /** Time-out for one acknowledgement. */
  readonly timeoutMs: number;
}

/** What one Envoy has said. */
type Look =
  | {
    readonly kind: "acknowledged";
    /** Whether all of them have acknowledged it, or are absent. */
    readonly isByAll?: boolean;
  }
  | { readonly kind: "waiting"; readonly text: string }
  | { readonly kind: "rejected"; readonly text: string }
  /** No process listens at its admin address. */
  | { readonly kind: "absent"; readonly text: string };

export interface Preparation {
  /** Why none would notice it; null: enough Envoys answer. */
  readonly failure: string | null;
  /** Envoys that do not answer. */
  readonly silent: readonly EnvoyView[];
  /** Whether one of them has health checks of its own for these endpoints. */
  readonly isChecked: boolean;
}

/** What all Envoys together have answered. */
export type Verdict = Look | { readonly kind: "none" };

interface Looked {
  readonly verdict: Verdict;
  readonly views: readonly EnvoyView[];
}

export class Envoys {
  /** The statistics of each before the latest write, by its address: how often it had refused the file. */
  readonly #before = new Map<string, string>();

  #isBeside = false;

  constructor(readonly platform: Platform, readonly options: EnvoysOptions) {}

  /** Admin addresses of the Envoys that are asked; looked up at each use, because Envoy may start later than baton. */
  get admins(): readonly AdminAddress[] {
    const { admins, acks, file } = this.options;
    if (acks === 0) return [];
    if (admins.length > 0) return admins;
    const beside = `${file.slice(0, file.lastIndexOf("/"))}/admin.sock`;
    // A socket that was there once is missed when it has gone.
    this.#isBeside ||= exists(beside);
    return this.#isBeside ? [{ family: "unix", path: beside }] : [];
  }

  /** To be called before a write whose rejection is to be noticed. */
  async prepare(endpoints: readonly AssignedEndpoint[]): Promise<Preparation> {
    this.#before.clear();
    const { admins } = this;
    const silences = await Promise.all(admins.map(async (admin) => {
      const { body, failure } = await this.#get(admin, STATS);
      if (body === null) return silence(admin, failure);
      this.#before.set(adminAddressText(admin), body);
      return null;
    }));
    const silent = silences.filter((each) => each !== null);
    const isEnough = admins.length - silent.length >= this.needed;
    const [first] = silent;
    const failure = isEnough || first === undefined
      ? null
      : `the front does not answer: ${first.text}`;
    const answering = admins.filter((admin) => this.#before.has(adminAddressText(admin)));
    const readers = await this.clusters(endpoints, answering);
    const names = statNames(this.options.cluster, readers.flat());
    return {
      failure,
      silent: silences.flatMap((each, index) => each === null ? [] : viewOf(admins[index]!, each)),
      isChecked: [...this.#before.values()].some((body) => hasChecks(body, names)),
    };
  }

  /** @param asks for enough acknowledgements, without waiting for an Envoy that does not answer; or whether all do it */
  async look(
    endpoints: readonly AssignedEndpoint[],
    { checked, asks }: { readonly checked: number | null; readonly asks: "enough" | "all" },
  ): Promise<Looked> {
    const { admins } = this;
    if (admins.length === 0) return { verdict: { kind: "none" }, views: [] };
    const looks: Look[] = admins.map((admin) => ({
      kind: "waiting",
      text: `Envoy at ${adminAddressText(admin)}: no answer yet`,
    }));
    const { promise: isEnough, resolve } = Promise.withResolvers<void>();
    const all = admins.map(async (admin, index) => {
      looks[index] = await this.#lookAt(admin, endpoints, checked);
      const { length: acknowledged } = of(looks, "acknowledged");
      if (asks === "enough" && acknowledged >= this.needed) resolve();
    });
    await Promise.race([Promise.all(all), isEnough]);
    const views = looks.map((look, index) => viewOf(admins[index]!, look));
    return { verdict: this.#verdictOf(looks, asks), views };
  }

  #verdictOf(looks: readonly Look[], asks: "enough" | "all"): Verdict {
    const { length: acknowledged } = of(looks, "acknowledged");
    const [rejected, waiting, absent] = [
      of(looks, "rejected"),
      of(looks, "waiting"),
      of(looks, "absent"),
    ];
    const isByAll = acknowledged + absent.length === looks.length;
    const isEnough = asks === "enough" ? acknowledged >= this.needed : isByAll;
    if (isEnough && acknowledged > 0) return { kind: "acknowledged", isByAll };
    if (rejected.length > looks.length - this.needed) return rejected[0]!;
    return waiting[0] ?? rejected[0] ?? absent[0]!;
  }

  /** That one of them is too old for what it is asked, in words; empty: that is not known. */
  async ageText(): Promise<string> {
    const ages = await Promise.all(this.admins.map(async (admin) => {
      const { body } = await this.#get(admin, "/server_info");
      const age = envoyAge(envoyVersionIn(body ?? ""));
      return age === null ? null : `; Envoy at ${adminAddressText(admin)}: ${age}`;
    }));
    return ages.find((age) => age !== null) ?? "";
  }

  get needed(): number {
    return this.options.acks ?? this.admins.length;
  }

  async #lookAt(
    admin: AdminAddress,
    endpoints: readonly AssignedEndpoint[],
    checked: number | null,
  ): Promise<Look> {
    const { cluster, file } = this.options;
    const name = `Envoy at ${adminAddressText(admin)}`;
    const { body, failure } = await this.#get(admin, CLUSTERS);
    if (body === null) return silence(admin, failure);
    const clusters = readClusters(body);
    if (clusters === null) {
      return { kind: "waiting", text: `${name} has answered with something other than clusters` };
    }
    const addresses = endpoints.map(({ address }) => address);
    const readers = readersOf(clusters, cluster, addresses);
    const lacks = missing(readers, cluster, endpoints, checked);
    if (lacks === null) return { kind: "acknowledged" };
    const before = this.#before.get(adminAddressText(admin));
    if (before === undefined) return { kind: "waiting", text: `${name}: ${lacks}` };
    const stats = await this.#get(admin, STATS);
    const names = statNames(cluster, readers);
    if (rejectionsIn(stats.body ?? "", names) <= rejectionsIn(before, names)) {
      return { kind: "waiting", text: `${name}: ${lacks}` };
    }
    const why = `it has rejected ${file} (cluster.${cluster}.update_rejected), its log says why`;
    return { kind: "rejected", text: `${name}: ${why}` };
  }

  /** What each cluster that reads the file shows, by Envoy; those that do not answer are left out. */
  async clusters(
    endpoints: readonly AssignedEndpoint[],
    admins = this.admins,
  ): Promise<readonly EnvoyClusters[]> {
    const addresses = endpoints.map(({ address }) => address);
    const bodies = await Promise.all(admins.map((admin) => this.#get(admin, CLUSTERS)));
    return bodies.flatMap(({ body }) => {
      const clusters = body === null ? null : readClusters(body);
      return clusters === null ? [] : [readersOf(clusters, this.options.cluster, addresses)];
    });
  }

  /** How many requests of the cluster are not over, whatever endpoint they are with. */
  async activeRequests(): Promise<number> {
    const name = this.options.cluster.replaceAll(":", "_");
    const path = `/stats?filter=^cluster\\.${name}\\.upstream_rq_active$`;
    const bodies = await Promise.all(this.admins.map((admin) => this.#get(admin, path)));
    return bodies.reduce(
      (sum, { body }) => sum + Number(/: (\d+)\s*$/.exec(body ?? "")?.[1] ?? 0),
      0,
    );
  }

  /** @returns why shares of the requests would not be what they are said to be; null: nothing is known against them */
  async weightObstacle(endpoints: readonly AssignedEndpoint[]): Promise<string | null> {
    const readers = (await this.clusters(endpoints)).flat().map(({ name }) => name);
    const dumps = await Promise.all(
      this.admins.flatMap((admin) => DUMPS.map((path) => this.#get(admin, path))),
    );
    const found = dumps.map(({ body }) => body === null ? null : unweightedPolicy(body, readers))
      .find((each) => each !== null);
    return found === undefined || found === null ? null : `cluster ${found.cluster} of Envoy has ` +
      `lb_policy ${found.policy}, which does not share requests out by weights: give it ROUND_ROBIN, ` +
      "RING_HASH or MAGLEV, or reload without --canary, --ramp and --rolling";
  }

  /** @returns bodies of `GET path`, of those that answer */
  async #get(
    admin: AdminAddress,
    path: string,
  ): Promise<{ readonly body: string; readonly failure: "" } | { body: null; failure: string }> {
    const timeoutMs = Math.min(ANSWER_MS, this.options.timeoutMs);
    const request = { method: "GET", path, timeoutMs };
    const answer = await askAdmin(this.platform, admin, request);
    if ("failure" in answer) return { body: null, failure: answer.failure };
    if (answer.status === 200) return { body: answer.body, failure: "" };
    return { body: null, failure: `status ${answer.status} for ${path}` };
  }
}

function silence(admin: AdminAddress, failure: string): Look & { readonly text: string } {
  const isAbsent = /^refused$|ENOENT/.test(failure);
  return {
    kind: isAbsent ? "absent" : "waiting",
    text: `Envoy at ${adminAddressText(admin)}: ${failure}${isAbsent ? ": is it running?" : ""}`,
  };
}

const RESULTS = {
  acknowledged: "follows",
  waiting: "behind",
  rejected: "rejected",
  absent: "absent",
} as const satisfies Record<Look["kind"], EnvoyView["result"]>;

function viewOf(admin: AdminAddress, look: Look): EnvoyView {
  return {
    admin: adminAddressText(admin),
    result: RESULTS[look.kind],
    detail: "text" in look ? look.text : null,
  };
}

function of(looks: readonly Look[], kind: Look["kind"]): readonly Look[] {
  return looks.filter((look) => look.kind === kind);
}

const DUMPS = ["static_clusters", "dynamic_active_clusters"].map((of) =>
  `/config_dump?resource=${of}`
);
const CLUSTERS = "/clusters?format=json";
const STATS = "/stats?filter=(update_rejected|health_check.attempt)$";
