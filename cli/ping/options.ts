import { STATE_CODES, type State } from "./state.ts";

export const pingOptions = {
  uri: { type: "text", value: "PATH", default: "/ping", about: "the page to ask for; php-fpm's ping.path" },
  status: {
    type: "text",
    value: "PATH",
    excludes: ["uri", "expect"],
    about: "asks for php-fpm's status page (pm.status_path) instead, and reports its numbers",
  },
  "max-queue": {
    type: "number",
    value: "N",
    default: 0,
    min: 0,
    needs: "status",
    about: "connections that may wait for a worker before that is saturation",
  },
  expect: {
    type: "text",
    value: "TEXT",
    about: "the page must hold this text, such as pong; and its status must be 2xx",
  },
  script: { type: "text", value: "FILE", about: "SCRIPT_FILENAME: a script of its own for php-fpm to run" },
  param: { type: "texts", value: "NAME=VALUE", about: "a variable, which replaces one of the same name" },
  timeout: { type: "number", value: "MS", default: 3000, about: "milliseconds for all of it" },
  allow: {
    type: "texts",
    value: "STATE",
    choices: Object.keys(STATE_CODES) as State[],
    about: "exits with 0 in this state as well: give saturated if a failed check restarts the application",
  },
  json: { type: "flag", about: "prints the answer as JSON" },
  prometheus: {
    type: "flag",
    excludes: ["json"],
    about: "prints the answer as metrics, in the text format of Prometheus",
  },
} as const;
