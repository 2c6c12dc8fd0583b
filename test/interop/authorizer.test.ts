import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { FastCgiHttpClient, FastCgiUnixConnector, withAuthorizer } from "../../adapters/node/index.ts";
import { type PhpFpm, startPhpFpm } from "../support/php_fpm.ts";
import type { FastCgiTargets } from "../support/target.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

// php-fpm as an Authorizer: the one real application at hand that knows the role.

failOnUnhandledRejections();

let php: PhpFpm<FastCgiTargets["unix"]>;
let client: FastCgiHttpClient;

beforeAll(async () => {
  php = await startPhpFpm();
  client = new FastCgiHttpClient(
    FastCgiUnixConnector.phpFpm(php.target.path, join(php.documentRoot, "authorizer.php")),
  );
});

afterAll(async () => {
  await client?.close();
  await php?.stop();
});

const post = (url: string, authorization: string): Request =>
  new Request(url, { method: "POST", headers: { authorization }, body: "a body" });

it("authorize lets a request in when php-fpm says so", async () => {
  const request = post("http://a.test/private/page", "secret");
  const authorization = await client.authorize(request);
  if (!authorization.allowed) throw new Error(await authorization.response.text());
  const { variables } = authorization;
  expect(Object.fromEntries(variables)).toMatchObject({
    FCGI_ROLE: "AUTHORIZER",
    AUTH_USER: "alice",
    BODY: "0",
    HIDDEN: "",
  });
  expect(await request.text()).toBe("a body");
});

it("authorize gives php-fpm's answer when it refuses, or when its script fails", async () => {
  const refused = await client.authorize(post("http://a.test/", "guess"), { remoteAddress: "192.0.2.1" });
  if (refused.allowed) throw new Error("Allowed");
  expect([refused.response.status, refused.response.headers.get("www-authenticate")]).toEqual([401, "Secret"]);
  expect(await refused.response.text()).toBe("Who are you? 192.0.2.1");
  const failed = await client.authorize(post("http://a.test/?fatal", "secret"));
  expect(failed).toMatchObject({ allowed: false, response: { status: 500 } });
});

it("withAuthorizer guards a handler with php-fpm, and lets nobody in when it is gone", async () => {
  const guarded = withAuthorizer(client, async (request, { variables }) => {
    return new Response(`${variables.get("AUTH_USER")}: ${await request.text()}`);
  });
  expect(await (await guarded(post("http://a.test/", "secret"))).text()).toBe("alice: a body");
  expect((await guarded(post("http://a.test/", "guess"))).status).toBe(401);
  await php.stop();
  await expect(guarded(post("http://a.test/", "secret"))).rejects.toMatchObject({ code: "connectFailed" });
});
