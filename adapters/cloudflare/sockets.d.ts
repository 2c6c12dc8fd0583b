// The part of the module "cloudflare:sockets" that is used here, so that the types of the whole runtime are not needed.

declare module "cloudflare:sockets" {
  const connect: import("./connect.ts").WorkerBinding["connect"];
}
