import { MAX_PORT } from "../../adapters/shared/target.ts";

export const gatewayOptions = {
  listen: {
    type: "text",
    short: "l",
    value: "HOST:PORT",
    excludes: ["host", "port"],
    about: "says where browsers connect, such as 0.0.0.0:8080 for all addresses of the machine",
  },
  port: {
    type: "number",
    value: "PORT",
    default: 8080,
    min: 0,
    max: MAX_PORT,
    about: "the port to listen on; 0 takes a free one",
  },
  host: { type: "text", value: "HOST", default: "127.0.0.1", about: "the address to listen on" },
  fastcgi: {
    type: "text",
    short: "f",
    value: "ADDRESS",
    about: "passes requests to this application, such as /run/php/php8.2-fpm.sock or 127.0.0.1:9000, and starts no PHP",
  },
  php: {
    type: "text",
    value: "PROGRAM",
    excludes: ["fastcgi"],
    about: "names the php-fpm or php-cgi to start, instead of the one that is found",
  },
  workers: {
    type: "number",
    short: "w",
    value: "N",
    about: "requests at once; others wait: as many as fit the machine by default, or 256 with --fastcgi",
  },
  user: {
    type: "text",
    value: "USER",
    excludes: ["fastcgi"],
    about: "runs PHP as this user, where root starts it: by default the owner of the folder, or www-data and the like",
  },
  "front-controller": {
    type: "text",
    value: "SCRIPT",
    default: "/index.php",
    about: "the script for every path that leads to no script and no file",
  },
  "no-front-controller": {
    type: "flag",
    excludes: ["front-controller"],
    about: "answers such paths with 404",
  },
  mount: {
    type: "texts",
    value: "PREFIX=FOLDER",
    about: "another folder for the paths below a prefix, such as /blog=/srv/blog",
  },
  "may-link-to": {
    type: "texts",
    value: "FOLDER",
    about: "a folder that links in the site may lead to. Other links out of the site are not followed",
  },
  "php-value": {
    type: "texts",
    value: "NAME=VALUE",
    about: "a setting of php.ini, such as memory_limit=512M",
  },
  "display-errors": { type: "flag", about: "shows PHP's errors in the browser as well: for development" },
  param: { type: "texts", value: "NAME=VALUE", about: "a variable for every request" },
  authorizer: {
    type: "text",
    value: "ADDRESS",
    about: "an application that is asked about every request first (FastCGI 6.3)",
  },
  https: { type: "flag", about: "speaks HTTPS, and HTTP/2 on Node and Deno, with a certificate of its own making" },
  cert: { type: "text", value: "FILE", needs: "key", about: "a certificate for HTTPS (PEM), with its chain" },
  key: { type: "text", value: "FILE", needs: "cert", about: "the key of the certificate (PEM)" },
  timeout: {
    type: "number",
    value: "MS",
    default: 60000,
    about:
      "milliseconds that the application may be silent, a client may read nothing, or an HTTP/2 connection has no request",
  },
  drain: { type: "number", value: "MS", default: 30000, about: "milliseconds that running requests have when it ends" },
  json: { type: "flag", about: "prints the URL and the access log as JSON, one line each" },
  quiet: { type: "flag", short: "q", excludes: ["json"], about: "prints no access log" },
} as const;
