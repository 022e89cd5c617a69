/** Names of the templates, apart from them: each command line is checked against these, and few ask for one. */
export const TEMPLATE_NAMES = [
  "compose",
  "docker",
  "envoy",
  "kubernetes",
  "kubernetes-prestop",
  "kubernetes-sidecar",
  "systemd",
] as const;

export type TemplateName = typeof TEMPLATE_NAMES[number];
