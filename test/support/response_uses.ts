import fc from "fast-check";

/** What programs do with a Response, and what they see. */
const USES: Readonly<Record<string, (response: Response) => unknown>> = {
  status: ({ status, statusText, ok }) => [status, statusText, ok],
  kind: (response) => [response.type, response.url, response.redirected, response instanceof Response],
  name: (response) => [Object.prototype.toString.call(response), response.constructor === Response],
  headers: ({ headers }) => [...headers],
  change: ({ headers }) => headers.append("x-later", "1"),
  used: ({ bodyUsed }) => bodyUsed,
  body: ({ body }) => body === null || body.locked,
  text: (response) => response.text(),
  json: (response) => response.json(),
  arrayBuffer: async (response) => textOf(await response.arrayBuffer()),
  blob: async (response) => {
    const blob = await response.blob();
    return [blob.type, textOf(await blob.arrayBuffer())];
  },
  clone: (response) => response.clone().text(),
  read: async ({ body }) => textOf((await body?.getReader().read())?.value ?? new Uint8Array(0)),
  cancel: ({ body }) => body?.cancel(),
  wrap: (response) => new Response(response.body, response).text(),
  // Node.js 20 does not have it.
  ...("bytes" in Response.prototype && { bytes: async (response) => textOf(await response.bytes()) }),
};

/** Uses of a Response, one after the other. */
export const responseUses: fc.Arbitrary<string[]> = fc.array(fc.constantFrom(...Object.keys(USES)), { maxLength: 6 });

/** What each use gives: a value, or the name of the error. */
export async function resultsOf(response: Response, uses: readonly string[]): Promise<unknown[]> {
  const results: unknown[] = [];
  for (const use of uses) {
    try {
      results.push([use, await USES[use]!(response)]);
    } catch (error) {
      results.push([use, `throws ${(error as Error).name}`]);
    }
  }
  return results;
}

function textOf(bytes: ArrayBuffer | Uint8Array): string {
  return Buffer.from(bytes as Uint8Array).toString("latin1");
}
