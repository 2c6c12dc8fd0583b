export const applicationOptions = {
  script: { type: "text", value: "FILE", about: "SCRIPT_FILENAME: the script that php-fpm is to run" },
  param: { type: "texts", value: "NAME=VALUE", about: "a variable of every request" },
  uri: { type: "text", value: "PATH", default: "/", about: "a page that shows its variables" },
  "body-uri": {
    type: "text",
    value: "PATH",
    about: "a page that sends the request's body back; the page of --uri if it is not given",
  },
  timeout: { type: "number", value: "MS", default: 3000, about: "milliseconds to wait for each answer" },
  safe: { type: "flag", about: "leaves out the checks that are known to make some applications hang or crash" },
  json: { type: "flag", about: "the report as JSON" },
  verbose: { type: "flag", about: "what was sent and what came for every rule" },
} as const;
