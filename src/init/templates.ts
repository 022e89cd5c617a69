/** The templates of `baton init`, by name. */
import { containerfile } from "./docker.ts";
import { kubernetesEntrypoint, kubernetesPrestop, kubernetesSidecar } from "./kubernetes.ts";
import { systemdUnit } from "./systemd.ts";
import type { Template } from "./template.ts";

export const TEMPLATES: Readonly<Record<string, Template>> = {
  docker: { what: "a Containerfile", make: containerfile },
  kubernetes: { what: "a Deployment", make: kubernetesEntrypoint },
  "kubernetes-prestop": {
    what: "with a preStop hook",
    make: kubernetesPrestop,
  },
  "kubernetes-sidecar": { what: "with a sidecar", make: kubernetesSidecar },
  systemd: { what: "a service unit for systemd", make: systemdUnit },
};
