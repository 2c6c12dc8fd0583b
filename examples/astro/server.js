import { createApp } from "astro/app/entrypoint";

const app = createApp();

/** `Astro.clientAddress`, and FastCGI's context as `Astro.locals.fastCgi`. */
export const fetch = (request, context) =>
  app.render(request, {
    clientAddress: context.params.get("REMOTE_ADDR"),
    locals: { fastCgi: context },
    addCookieHeader: true,
  });
