// What differs between the answers of nginx and of the gateway, and why.

type Parts = ReadonlyMap<string, string>;

interface Explanation {
  readonly text: string;
  holds(name: string, nginx: Parts, gateway: Parts): boolean;
}

/** Whether an answer is a file, and no page of a script: only files have it. */
function isFile(parts: Parts): boolean {
  return parts.has("etag") && parts.has("last-modified");
}

export const EXPLANATIONS: readonly Explanation[] = [
  {
    text: "A file's ETag is weak, from its size and time; text can be compressed (Vary, Accept-Ranges)",
    holds: (name, nginx, gateway) =>
      ["etag", "accept-ranges", "vary"].includes(name) && isFile(nginx) && isFile(gateway),
  },
  {
    text: "The type of `.js` is text/javascript (RFC 9239); older lists of types have application/javascript",
    holds: (name, nginx, gateway) =>
      name === "content-type" &&
      nginx.get(name) === "application/javascript" &&
      gateway.get(name) === "text/javascript; charset=utf-8",
  },
  {
    text: "The type of a text file says that it is UTF-8; nginx says so where `charset utf-8` is set",
    holds: (name, nginx, gateway) =>
      name === "content-type" &&
      isFile(nginx) &&
      /^text\/\w+$/.test(nginx.get(name) ?? "") &&
      gateway.get(name) === `${nginx.get(name)}; charset=utf-8`,
  },
  {
    text: "The page shows the name of its web server, SERVER_SOFTWARE",
    holds: (name, nginx, gateway) =>
      name === "body" &&
      nginx.get(name)!.replace(/nginx\/\d[\d.]*/g, "(server)") ===
        gateway.get(name)!.replace(/fetchcgi\/\d\S* \(as nginx\)/g, "(server)"),
  },
];

/** Why a part differs; null if no rule says it. */
export function explanationOf(name: string, nginx: Parts, gateway: Parts): string | null {
  return EXPLANATIONS.find(({ holds }) => holds(name, nginx, gateway))?.text ?? null;
}
