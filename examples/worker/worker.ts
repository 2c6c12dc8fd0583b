// A Worker in front of a PHP site, over TCP.

import { FastCgiError, FastCgiHttpClient, FastCgiTcpConnector } from "fetchcgi/cloudflare";

interface Environment {
  /** Where php-fpm listens, such as "php.internal:9000". */
  readonly PHP_FPM: string;
  /** The script that answers all requests, where php-fpm runs. */
  readonly SCRIPT: string;
}

export default {
  async fetch(request: Request, { PHP_FPM, SCRIPT }: Environment): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/health") return new Response("ok\n");
    // A socket belongs to the request that opened it, so the client is made in the handler.
    const php = new FastCgiHttpClient(FastCgiTcpConnector.phpFpm(PHP_FPM, SCRIPT), {
      maxConnections: 6, // as many as a Worker may have open at once
    });
    try {
      return await php.fetch(request, { remoteAddress: request.headers.get("cf-connecting-ip") ?? undefined });
    } catch (error) {
      // A client that has left is no error.
      if (!request.signal.aborted) console.error(error);
      return new Response("Cannot answer\n", { status: error instanceof FastCgiError ? error.gatewayStatus : 500 });
    }
  },
};
