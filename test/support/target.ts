/** Where FastCGI applications listen. */
export interface FastCgiTargets {
  readonly unix: { readonly path: string };
  readonly tcp: { readonly host: string; readonly port: number };
}

export type FastCgiTarget = FastCgiTargets[keyof FastCgiTargets];

/** The way nginx writes it: `unix:/path` or `host:port`. */
export function formatTarget(target: FastCgiTarget): string {
  return "path" in target ? `unix:${target.path}` : `${target.host}:${target.port}`;
}
