// Requests that a web server makes of a client's request: to ask whether it may come in, to put a page together, to send what the
// application names. The recipes of examples/web-servers, and what happens without them.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FastCgiContext, type FastCgiFetchHandler, serve } from "../../../adapters/node/index.ts";
import { exchangeHttp, type HttpMessage } from "../../support/http_message.ts";
import { failOnUnhandledRejections } from "../../support/unhandled_rejections.ts";
import { caddy, nginx } from "../../support/web_servers/servers.ts";
import { type Setup, startSetup, type World } from "../../support/web_servers/setup.ts";

failOnUnhandledRejections();

/** What the application was asked, in order: method, target and body. */
let asked: string[] = [];

/** An application that goes by `request.url` alone. */
const application: FastCgiFetchHandler = async (request, context) => {
  const { pathname, search } = new URL(request.url);
  const body = await request.text();
  asked.push(`${request.method} ${pathname}${search}${body === "" ? "" : ` ${body}`}`);
  return answer(request, pathname, context);
};

function answer({ headers, url }: Request, pathname: string, { params }: FastCgiContext): Response {
  switch (pathname) {
    case "/auth": {
      if (headers.get("x-secret") !== "sesame") return new Response("who are you?\n", { status: 401 });
      return new Response(null, { headers: { "x-user": `alice of ${headers.get("x-original-uri")}` } });
    }
    case "/private/page":
      return new Response(`the secret of ${params.get("REMOTE_USER")}`);
    case "/page":
      return html('[<!--#include virtual="/parts/a%20b%25?x=%20" -->|<!--#include virtual="/parts/b" -->]');
    case "/itself":
      return html(url.includes("part") ? "part" : '[<!--#include virtual="/itself?part=1" -->]');
    case "/parts/a%20b%25":
      return html(`part ${url.slice(url.indexOf("?"))}`);
    case "/parts/b":
      return html("part b");
    case "/download":
      return accel(`/files/${encodeURIComponent("50% off?.txt")}`);
    case "/report":
      return accel("/internal/r%20%C3%A9%25?id=7&x=%20");
    case "/internal/r%20%C3%A9%25":
      return new Response(`report ${url.slice(url.indexOf("?"))}`);
    case "/errors/404":
      return new Response(`no ${params.get("REQUEST_URI")} here`, { status: 404 });
    default:
      return new Response(`nothing at ${pathname}`, { status: 404 });
  }
}

function html(text: string): Response {
  return new Response(text, { headers: { "content-type": "text/html" } });
}

function accel(target: string): Response {
  return new Response(null, { headers: { "x-accel-redirect": target } });
}

/** The application behind a web server with one of the recipes. */
function start(setup: Setup): Promise<World> {
  return startSetup(setup, (path) => serve({ path, fetch: application, onError: () => {}, onStderr: () => {} }));
}

function describeRecipe(
  name: string,
  setup: Setup,
  cases: (send: (start: string, lines?: string, body?: string) => Promise<HttpMessage>, world: () => World) => void,
): void {
  describe(name, () => {
    let world: World;
    beforeAll(async () => {
      world = await start(setup);
    });
    afterAll(() => world?.stop());
    const send = (startLine: string, lines = "", body = ""): Promise<HttpMessage> => {
      asked = [];
      return exchangeHttp(world.port, startLine, `Host: example.test\r\n${lines}`, body);
    };
    cases(send, () => world);
  });
}

const sesame = "X-Secret: sesame\r\n";
const length = "Content-Length: 5\r\n";

/** Leaves nothing of a recipe but `include fastcgi_params`. */
function stockParametersOnly(config: string): string {
  const stock = config.replace(/^ *(?:fastcgi_param |fastcgi_pass_request_body).*\n/gm, "");
  if (stock === config) throw new Error("Cannot take parameters out: there are none");
  return stock;
}

describeRecipe("nginx, auth_request", { server: nginx, example: "nginx/auth_request.conf" }, (send) => {
  it("the client gets the page when the application's /auth lets it in", async () => {
    const { status, body } = await send("GET /private/page?x=1", sesame);
    expect([status, body]).toEqual([200, "the secret of alice of /private/page?x=1"]);
    expect(asked).toEqual(["GET /auth", "GET /private/page?x=1"]);
  });

  it("the client gets the body of its POST through, and /auth is asked without it", async () => {
    const { status } = await send("POST /private/page", sesame + length, "hello");
    expect([status, ...asked]).toEqual([200, "GET /auth", "POST /private/page hello"]);
  });

  it.each(["GET", "POST", "HEAD", "PUT"])("the client is kept out when /auth refuses its %s", async (method) => {
    const isPost = method.startsWith("P");
    const { status } = await send(`${method} /private/page?x=1`, isPost ? length : "", isPost ? "hello" : "");
    expect([status, ...asked]).toEqual([401, "GET /auth"]);
  });

  it.each([
    "/private//page",
    "/private/./page",
    "/x/../private/page",
    "/privat%65/page",
    "/private/page#",
    "/private%2Fpage",
  ])("the client is kept out when it asks for %s", async (target) => {
    expect((await send(`GET ${target}`)).status).toBe(401);
  });

  it.each(["/private//../auth", "/x//../private/page", "/public%2Fx/../../private/page", "/auth"])(
    "the client gets neither the page nor /auth when it asks for %s",
    async (target) => {
      const { status } = await send(`GET ${target}`);
      expect([401, 404]).toContain(status);
      expect(asked).not.toContain("GET /private/page");
    },
  );
});

describeRecipe(
  "nginx, auth_request with stock parameters",
  { server: nginx, example: "nginx/auth_request.conf", edit: stockParametersOnly },
  (send) => {
    it("the client is let in or kept out by /auth, and not by the page that it asks for", async () => {
      expect((await send("GET /private/page?x=1")).status).toBe(401);
      expect(asked).toEqual(["GET /auth"]);
      expect((await send("GET /private/page?x=1", sesame)).status).toBe(200);
      expect(asked).toEqual(["GET /auth", "GET /private/page?x=1"]);
    });

    it("the client is kept out when it sends a body that /auth does not get", async () => {
      const { status } = await send("POST /private/page", length, "hello");
      expect(status).toBeGreaterThanOrEqual(400);
      expect(asked).toEqual([]);
    });
  },
);

describeRecipe(
  "nginx, auth_request with a REQUEST_URI of its own",
  {
    server: nginx,
    example: "nginx/auth_request.conf",
    edit: (config) =>
      config
        .replaceAll("location = /auth", "location = /ask")
        .replace("auth_request /auth;", "auth_request /ask;")
        .replace(
          "fastcgi_param REQUEST_METHOD GET;",
          'fastcgi_param REQUEST_URI /auth;\nfastcgi_param QUERY_STRING "";\n$&',
        ),
  },
  (send) => {
    it("the application is asked for the path that stands behind `include fastcgi_params`", async () => {
      expect((await send("POST /private/page?x=1", length, "hello")).status).toBe(401);
      expect(asked).toEqual(["GET /auth"]);
    });
  },
);

describeRecipe("Caddy, forward_auth", { server: caddy, example: "caddy/forward_auth.Caddyfile" }, (send) => {
  it("the client is let in or kept out by /auth", async () => {
    expect((await send("GET /private/page?x=1")).status).toBe(401);
    expect(asked).toEqual(["GET /auth?x=1"]);
    expect((await send("POST /private/page", sesame + length, "hello")).status).toBe(200);
    expect(asked).toEqual(["GET /auth", "POST /private/page hello"]);
    expect((await send("GET /auth", sesame)).status).toBe(404);
    expect(asked).toEqual([]);
  });
});

for (const edit of [undefined, stockParametersOnly]) {
  const parameters = edit === undefined ? "" : " with stock parameters";
  const edited = edit === undefined ? {} : { edit };

  describeRecipe(`nginx, SSI${parameters}`, { server: nginx, example: "nginx/ssi.conf", ...edited }, (send) => {
    it("nginx puts a page together from parts of the application", async () => {
      const { status, body } = await send("GET /page?of=1");
      expect([status, body]).toEqual([200, "[part ?x=%20|part b]"]);
      expect(asked.sort()).toEqual(["GET /page?of=1", "GET /parts/a%20b%25?x=%20", "GET /parts/b"]);
    });

    it("nginx puts a page together from another answer of its own", async () => {
      expect((await send("GET /itself")).body).toBe("[part]");
    });
  });

  describeRecipe(
    `nginx, X-Accel-Redirect${parameters}`,
    { server: nginx, example: "nginx/x_accel.conf", ...edited },
    (send, world) => {
      it("nginx sends the file that the application names", async () => {
        writeFileSync(join(world().www, "50% off?.txt"), "a file");
        const { status, body } = await send("GET /download");
        expect([status, body]).toEqual([200, "a file"]);
        expect((await send("GET /files/50%25%20off%3F.txt")).status).toBe(404);
      });

      it.each([
        ["GET /report?x=1", "", ""],
        ["POST /report", length, "hello"],
      ])("nginx sends another answer of the application for %s", async (startLine, lines, body) => {
        expect((await send(startLine, lines, body)).body).toBe("report ?id=7&x=%20");
        expect(asked).toEqual([`${startLine} ${body}`.trim(), "GET /internal/r%20%C3%A9%25?id=7&x=%20"]);
        expect((await send("GET /internal/r%20%C3%A9%25")).status).toBe(404);
      });
    },
  );

  describeRecipe(
    `nginx, error_page${parameters}`,
    { server: nginx, example: "nginx/error_page.conf", ...edited },
    (send, world) => {
      it.each([
        ["GET /missing?x=1", "", "", "/missing?x=1"],
        ["POST /missing", length, "hello", "/missing"],
        ["GET /static/missing", "", "", "/static/missing"],
      ])("the client gets the application's error page for %s", async (startLine, lines, body, uri) => {
        const response = await send(startLine, lines, body);
        expect([response.status, response.body]).toEqual([404, `no ${uri} here`]);
        expect(asked.at(-1)).toBe("GET /errors/404");
      });

      it("the client gets nginx's own page when the application is down", async () => {
        writeFileSync(join(world().www, "down.html"), "down for a while");
        await world().stopApplication();
        const { status, body } = await send("GET /page");
        expect([status, body]).toEqual([502, "down for a while"]);
      });
    },
  );
}

describeRecipe("nginx, try_files", { server: nginx, example: "nginx/try_files.conf" }, (send, world) => {
  it("nginx sends the files that are there, and the application gets everything else as the client sent it", async () => {
    writeFileSync(join(world().www, "file.txt"), "a file");
    expect((await send("GET /file.txt")).body).toBe("a file");
    expect(asked).toEqual([]);
    for (const target of ["/page?x=%20", "/no%2Fsuch%25//file?a=1", "/"]) {
      await send(`GET ${target}`);
      expect(asked).toEqual([`GET ${target}`]);
    }
  });
});

describeRecipe(
  "nginx, try_files with a front controller",
  {
    server: nginx,
    example: "nginx/try_files.conf",
    edit: (config) =>
      config
        .replace("$uri @app", "$uri $uri/ /index.php?$args")
        .replace("location @app", "index index.php;\nlocation ~ \\.php(/|$)"),
  },
  (send, world) => {
    it("the application gets the target as the client sent it", async () => {
      writeFileSync(join(world().www, "index.php"), "<?php");
      for (const target of ["/blog/a%20b?x=1", "/", "/index.php/blog?x=1"]) {
        await send(`GET ${target}`);
        expect(asked).toEqual([`GET ${target}`]);
      }
    });
  },
);

describeRecipe(
  "nginx, rewrite",
  {
    server: nginx,
    example: "nginx/site.conf",
    edit: (config) => config.replace("include fastcgi_params", "rewrite ^/app(/.*)$ $1 break;\n$&"),
  },
  (send) => {
    it("the application gets the path that nginx has made", async () => {
      await send("GET /a%2Fb//c?x=1");
      expect(asked).toEqual(["GET /a%2Fb//c?x=1"]);
      await send("GET /app/a%20b?x=1");
      expect(asked).toEqual(["GET /a%20b?x=1"]);
    });
  },
);
