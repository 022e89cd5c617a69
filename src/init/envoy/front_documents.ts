/** The files of a front, in the order in which they are written. Pure. */
import { bootstrapFile, validatedFile } from "./bootstrap.ts";
import { clustersFile, noEndpoints } from "./cluster.ts";
import { type Front, frontFiles } from "./front.ts";
import { yamlText } from "./render.ts";
import { type FrontService, serviceFile } from "./service_file.ts";
import { plain } from "./yaml_tree.ts";

/** Begins a file that `baton init envoy` may write again. */
export const MARK = "# Written by 'baton init envoy'";

export interface FrontDocument {
  readonly path: string;
  readonly text: string;
  /** Whether it is written only where there is none: others write it, too. */
  readonly isOnce: boolean;
}

/** @param origin what the files were made from, for the reader */
export function frontDocuments(front: Front, service: FrontService): FrontDocument[] {
  const files = frontFiles(front);
  const from = service.config === null ? "from the defaults" : `from [front] of ${service.config}`;
  const heading = [`${MARK.slice(2)} ${from}: a change here is lost.`];
  return [
    ...front.clusters.map((cluster) => ({
      path: cluster.endpoints,
      // As the baton of the service writes it: JSON is YAML as well.
      text: `${JSON.stringify(plain(noEndpoints(cluster)), null, 2)}\n`,
      isOnce: true,
    })),
    {
      path: files.clusters,
      text: yamlText([...heading, "Envoy reads it again at once."], clustersFile(front)),
      isOnce: false,
    },
    {
      path: files.bootstrap,
      text: yamlText([...heading, "Envoy reads it when it starts."], bootstrapFile(front)),
      isOnce: false,
    },
    { path: files.service, text: serviceFile(front, service), isOnce: true },
  ];
}

/** What is checked by `envoy --mode validate --config-yaml`. */
export function validatedText(front: Front): string {
  return JSON.stringify(plain(validatedFile(front)));
}
