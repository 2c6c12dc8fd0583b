/** What is shown of traffic: the options of `tap` and `inspect`. */
export const viewOptions = {
  records: { type: "flag", about: "shows each record, with its time" },
  params: { type: "flag", about: "shows the variables, and the header of the response" },
  body: {
    type: "number",
    value: "N",
    default: 0,
    min: 0,
    about: "shows the first N bytes of each body, as text or in hexadecimal",
  },
  verbose: {
    type: "flag",
    short: "v",
    about: "shows everything: --records, --params and, unless it is given, --body 1024",
  },
  secrets: {
    type: "flag",
    about: "shows passwords, cookies, tokens and PHP_VALUE; otherwise only that they are there",
  },
  json: { type: "flag", about: "prints a line of JSON for each event" },
} as const;

const ownOptions = {
  listen: {
    type: "text",
    short: "l",
    value: "ADDRESS",
    about: "where the web server connects: unix:/run/tap.sock, tcp:127.0.0.1:9001 or fd:0",
  },
  to: {
    type: "text",
    short: "t",
    value: "ADDRESS",
    about: "the application: unix:/run/php/php8.2-fpm.sock or 127.0.0.1:9000",
  },
  write: {
    type: "text",
    short: "w",
    value: "FILE",
    about: "records all bytes with their times, secrets too, for `fetchcgi inspect`; only this user can read the file",
  },
  ui: {
    type: "flag",
    about: "shows the traffic in the browser too: prints the address of a page that only this machine can open",
  },
  "ui-port": {
    type: "number",
    value: "PORT",
    default: 0,
    min: 0,
    max: 65_535,
    needs: "ui",
    about: "the port of that page; 0 takes a free one",
  },
  mode: { type: "text", value: "MODE", default: "660", about: "permissions of the socket of --listen unix:…" },
  "take-over": { type: "flag", about: "takes the socket of --listen unix:… over from a process that listens there" },
  drain: { type: "number", value: "MS", default: 30000, about: "milliseconds that running requests have when it ends" },
} as const;

export const tapOptions: typeof ownOptions & typeof viewOptions = { ...ownOptions, ...viewOptions };
