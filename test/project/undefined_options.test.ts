// With exactOptionalPropertyTypes, an optional property must say that it may be undefined. Otherwise a program that passes on a setting that
// may be missing does not compile: serve({ path: process.env.SOCKET, … }).

import { expect, expectTypeOf, it } from "vitest";
import type { WorkerSocketOptions } from "../../adapters/cloudflare/connect.ts";
import type { ListenerServeOptions, ServeOptions } from "../../adapters/node/index.ts";
import type { FolderOnDiskOptions } from "../../adapters/system/folder_on_disk.ts";
import type { ScriptOnDiskOptions } from "../../adapters/system/script_on_disk.ts";
import { CLIENT_DEFAULTS } from "../../src/client/options.ts";
import { DEFAULT_HTTP_CLIENT_OPTIONS, type FastCgiHttpPreset } from "../../src/http/call/client_options.ts";
import { SERVICE_DEFAULTS } from "../../src/http/serve/service.ts";
import { SERVER_DEFAULTS } from "../../src/server/options.ts";
import {
  type CgiToResponseOptions,
  type ClientCloseOptions,
  type CloseOptions,
  type ComposedConnectorOptions,
  type DecodeNameValuePairsOptions,
  FastCgiClient,
  type FastCgiClientOptions,
  type FastCgiErrorOptions,
  type FastCgiFetchInit,
  FastCgiHttpClient,
  type FastCgiHttpClientOptions,
  FastCgiHttpService,
  type FastCgiHttpServiceOptions,
  type FastCgiRequestInit,
  type FastCgiScript,
  FastCgiServer,
  type FastCgiServerOptions,
  type InternalRedirectOptions,
  type ParamsToRequestOptions,
  type PhpSiteOptions,
  type PublicFilesOptions,
  RecordDecoder,
  type RecordDecoderOptions,
  type RequestDecoderStreamOptions,
  type RequestEncoderOptions,
  type RequestToParamsOptions,
  type ResponseDecoderStreamOptions,
  type ResponseEncoderOptions,
  type ResponseToCgiOptions,
} from "../../src/toolkit.ts";

type IsOptional<Options, Name extends keyof Options> = object extends Pick<Options, Name> ? true : false;

/** The names of the optional properties that can't be undefined. */
type Refusing<Options> = {
  [Name in keyof Options]-?: IsOptional<Options, Name> extends false
    ? never
    : { [Given in Name]: undefined } extends Pick<Options, Name>
      ? never
      : Name;
}[keyof Options];

/** The options of this library's own: Fetch's, which `init` has too, are those of the runtime's types. */
type OwnInit = Omit<FastCgiFetchInit, keyof RequestInit>;

it("every option may be undefined for TypeScript", () => {
  expectTypeOf<
    Refusing<{ refuses?: string; takes?: string | undefined; required: string }>
  >().toEqualTypeOf<"refuses">();
  type All =
    | Refusing<ServeOptions>
    | Refusing<ListenerServeOptions>
    | Refusing<FastCgiServerOptions>
    | Refusing<FastCgiHttpServiceOptions>
    | Refusing<CloseOptions>
    | Refusing<FastCgiClientOptions>
    | Refusing<FastCgiHttpClientOptions>
    | Refusing<FastCgiHttpPreset>
    | Refusing<OwnInit>
    | Refusing<FastCgiRequestInit>
    | Refusing<FastCgiScript>
    | Refusing<ClientCloseOptions>
    | Refusing<ComposedConnectorOptions>
    | Refusing<WorkerSocketOptions>
    | Refusing<FolderOnDiskOptions>
    | Refusing<ScriptOnDiskOptions>
    | Refusing<PhpSiteOptions<Request, []>>
    | Refusing<PublicFilesOptions>
    | Refusing<InternalRedirectOptions>
    | Refusing<CgiToResponseOptions>
    | Refusing<ParamsToRequestOptions>
    | Refusing<RequestToParamsOptions>
    | Refusing<ResponseToCgiOptions>
    | Refusing<RecordDecoderOptions>
    | Refusing<RequestDecoderStreamOptions>
    | Refusing<RequestEncoderOptions>
    | Refusing<ResponseDecoderStreamOptions>
    | Refusing<ResponseEncoderOptions>
    | Refusing<DecodeNameValuePairsOptions>
    | Refusing<FastCgiErrorOptions>;
  // Does not compile if there is one.
  const refusing: never[] = [] as All[];
  expect(refusing).toEqual([]);
});

it("an option that is undefined is as one that was not given", async () => {
  const undefinedOf = (options: object): object =>
    Object.fromEntries(Object.keys(options).map((name) => [name, undefined]));
  const callbacks = { onError: undefined, onRequestEnd: undefined, onRetry: undefined, onStderr: undefined };
  const connector = { connect: () => Promise.reject(new Error("not here")), address: { path: "/nowhere" } };
  const all = { ...callbacks, ...CLIENT_DEFAULTS, ...DEFAULT_HTTP_CLIENT_OPTIONS };
  for (const options of [undefined, undefinedOf(all)]) {
    const [client, httpClient] = [new FastCgiClient(connector, options), new FastCgiHttpClient(connector, options)];
    await expect(httpClient.fetch("http://localhost/")).rejects.toThrow("not here");
    await Promise.all([client.close(options), httpClient.close(options)]);
  }
  const service = new FastCgiHttpService(() => new Response(), undefinedOf({ ...SERVICE_DEFAULTS, ...callbacks }));
  const server = new FastCgiServer(service.handler, undefinedOf({ ...SERVER_DEFAULTS, ...callbacks }));
  await server.close({ grace: undefined, timeout: undefined });
  expect(new RecordDecoder({ splitStreams: undefined }).isBetweenRecords).toBe(true);
});
