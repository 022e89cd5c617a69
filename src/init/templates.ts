/** The templates of `baton init`, by name. */
import { containerfile } from "./docker.ts";
import { kubernetesEntrypoint, kubernetesPrestop, kubernetesSidecar } from "./kubernetes.ts";
import { systemdUnit } from "./systemd.ts";
import type { Template } from "./template.ts";

export const TEMPLATES: Readonly<Record<string, Template>> = {
  docker: containerfile,
  kubernetes: kubernetesEntrypoint,
  "kubernetes-prestop": kubernetesPrestop,
  "kubernetes-sidecar": kubernetesSidecar,
  systemd: systemdUnit,
};
