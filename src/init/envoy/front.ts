/** What a front is made from: the service, its `[front]`, and where the files are. Pure. */
import type { Config } from "../../config/config.ts";
import type { FrontSettings } from "../../config/front/settings.ts";

export interface Front {
  /** The name of the service: also that of its cluster, if `--front` names no other. */
  readonly service: string;
  /** The clusters, that of the service first. */
  readonly clusters: readonly FrontCluster[];
  readonly settings: FrontSettings;
  /** The directory of all files: a full path. */
  readonly directory: string;
}

export interface FrontCluster {
  readonly name: string;
  /** The cluster's name in the endpoint file. */
  readonly inFile: string;
  /** The endpoint file, which the baton of a service writes. */
  readonly endpoints: string;
}

const DEFAULT_FILE = "front/eds.yaml";

/** @param resolve makes a path a full one */
export function frontOf(
  { name: service, front }: Pick<Config, "name" | "front">,
  settings: FrontSettings,
  resolve: (path: string) => string,
): Front {
  const own = front.map(({ cluster, file }, index) => ({
    // Several addresses of one service are several clusters.
    name: cluster ?? (index === 0 ? service : `${service}-${index}`),
    inFile: cluster ?? service,
    endpoints: resolve(file),
  }));
  const first = own[0] ?? { name: service, inFile: service, endpoints: resolve(DEFAULT_FILE) };
  const directory = first.endpoints.slice(0, first.endpoints.lastIndexOf("/"));
  const others = [...new Set(settings.routes.map(({ cluster }) => cluster))]
    .filter((name) => ![first, ...own].some((each) => each.name === name))
    .map((name) => ({ name, inFile: name, endpoints: `${directory}/${name}.yaml` }));
  return { service, clusters: [first, ...own.slice(1), ...others], settings, directory };
}

/** Full paths of the files in the front's directory. */
export function frontFiles({ directory }: Front) {
  return {
    bootstrap: `${directory}/bootstrap.yaml`,
    clusters: `${directory}/cds.yaml`,
    admin: `${directory}/admin.sock`,
    /** The configuration of the front as a service of baton. */
    service: `${directory}/baton.toml`,
  };
}

/** The name of the front as a service of baton. */
export function frontName({ service }: Front): string {
  return `${service}-front`;
}

/**
 * A file that Envoy watches: it reads it again when any file is renamed into its directory; a change in place it does
 * not see.
 */
export function watchedFile(path: string) {
  return {
    resource_api_version: "V3",
    path_config_source: {
      path,
      watched_directory: { path: path.slice(0, path.lastIndexOf("/")) || "/" },
    },
  };
}
