/** The templates of `baton init`, by name: each makes a file, with a final newline. `envoy/` makes several. */
import { composeFile } from "./compose.ts";
import { containerfile } from "./docker.ts";
import type { TemplateName } from "./names.ts";
import { kubernetesEntrypoint, kubernetesPrestop, kubernetesSidecar } from "./kubernetes.ts";
import { systemdUnit } from "./systemd.ts";
import type { InitRequest } from "./template.ts";

export const TEMPLATES: Readonly<
  Record<Exclude<TemplateName, "envoy">, (request: InitRequest) => string>
> = {
  compose: composeFile,
  docker: containerfile,
  kubernetes: kubernetesEntrypoint,
  "kubernetes-prestop": kubernetesPrestop,
  "kubernetes-sidecar": kubernetesSidecar,
  systemd: systemdUnit,
};
