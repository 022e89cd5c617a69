/** What a front is made from. */
import type { FrontSettings } from "../../config/front.ts";

export interface Front {
  /** Of the service behind it: the name of the cluster, as the endpoint file has it. */
  readonly cluster: string;
  readonly settings: FrontSettings;
  readonly files: FrontFiles;
}

/** All full paths. */
export interface FrontFiles {
  readonly directory: string;
  readonly bootstrap: string;
  readonly clusters: string;
  /** Written by the baton of the service. */
  readonly endpoints: string;
  readonly admin: string;
  /** The configuration of the front as a service of baton. */
  readonly service: string;
}

/** @param endpoints the file of `--front eds:FILE` */
export function frontFiles(endpoints: string): FrontFiles {
  const directory = endpoints.slice(0, endpoints.lastIndexOf("/")) || "/";
  const at = (name: string) => `${directory === "/" ? "" : directory}/${name}`;
  return {
    directory,
    bootstrap: at("bootstrap.yaml"),
    clusters: at("cds.yaml"),
    endpoints,
    admin: at("admin.sock"),
    service: at("baton.toml"),
  };
}

/** The name of the front as a service of baton. */
export function frontName({ cluster }: Front): string {
  return `${cluster}-front`;
}

/** Envoy reads such a file again when any file is renamed into its directory; a change in place it does not see. */
export function watchedFile(path: string, directory: string) {
  return {
    resource_api_version: "V3",
    path_config_source: { path, watched_directory: { path: directory } },
  };
}
