export const serverOptions = {
  listen: {
    type: "text",
    value: "ADDRESS",
    about: "127.0.0.1:9000, unix:/run/app.sock, or fd:0 for a web server that starts this program",
  },
  url: { type: "text", value: "URL", about: "sends requests to the web server itself, and ends with the report" },
  requests: { type: "number", value: "N", about: "ends after N requests; otherwise Ctrl+C ends the check" },
  mode: { type: "text", value: "MODE", default: "660", about: "permissions of the socket of --listen unix:…" },
  json: { type: "flag", about: "the report as JSON" },
  verbose: { type: "flag", about: "what was sent and what came for every rule" },
} as const;
