// The pages of the site, as its sidebar has them. A page is a Markdown file of the project, wherever it is: those that are also read
// beside the code, such as SECURITY.md, stay there.

/** Pages whose place on the site is that of their file below docs/. */
const docs = (...entries) => entries.map(([site, text]) => ({ site, file: `docs/${site}.md`, text }));

export const sections = [
  {
    text: "Start",
    pages: docs(
      ["index", "What it is"],
      ["getting-started", "Getting started"],
      ["runtimes", "Node, Bun, Deno, Workers"],
    ),
  },
  {
    text: "Use",
    pages: [
      ...docs(
        ["serve", "Serve"],
        ["frameworks", "Web frameworks"],
        ["call", "Call"],
        ["options", "Options and limits"],
        ["errors", "Errors"],
        ["observability", "Seeing what happens"],
        ["toolkit", "The toolkit"],
      ),
      { site: "examples", file: "examples/README.md", text: "Examples" },
    ],
  },
  {
    text: "Deploy",
    pages: [
      ...docs(
        ["deploy/nginx", "nginx"],
        ["deploy/apache", "Apache"],
        ["deploy/shared-hosting", "Shared hosting"],
        ["deploy/lighttpd", "lighttpd"],
        ["deploy/caddy", "Caddy"],
        ["deploy/haproxy", "HAProxy"],
        ["deploy/processes", "systemd, spawn-fcgi, PM2"],
        ["deploy/containers", "Docker, Kubernetes"],
      ),
      { site: "deploy/scale-out", file: "examples/scale-out/README.md", text: "Many cores, many hosts" },
      { site: "deploy/web-servers", file: "examples/web-servers/README.md", text: "Web servers compared" },
    ],
  },
  {
    text: "PHP",
    pages: docs(
      ["php/in-front", "TypeScript in front of PHP"],
      ["php/sites", "A folder of PHP"],
      ["php/wordpress", "WordPress"],
      ["php/frameworks", "Laravel, Symfony"],
      ["php/applications", "Nextcloud, MediaWiki"],
      ["php/behind", "TypeScript behind PHP"],
      ["php/cgi", "CGI programs, git"],
      ["php/workers", "Cloudflare Workers"],
    ),
  },
  {
    text: "Coming from",
    pages: docs(
      ["moving/node-fastcgi", "node-fastcgi"],
      ["moving/http", "node:http, Hono, srvx"],
      ["moving/fastcgi-client", "fastcgi-client"],
      ["moving/x-fcgi", "Deno's x/fcgi"],
      ["moving/php-s", "php -S"],
      ["moving/web-servers", "Caddy, nginx in front of PHP"],
    ),
  },
  {
    text: "The command",
    pages: [
      { site: "command/index", file: "cli/README.md", text: "fetchcgi" },
      ...["serve", "gateway", "request", "ping", "tap", "inspect", "check"].map((name) => ({
        site: `command/${name}`,
        file: `cli/${name}/README.md`,
        text: name,
      })),
    ],
  },
  {
    text: "Know",
    pages: [
      ...docs(["troubleshooting", "Troubleshooting"], ["how-it-works", "How it works"]),
      { site: "security", file: "SECURITY.md", text: "Security" },
      { site: "specifications/limits", file: "specifications/limits.md", text: "Limits" },
      { site: "specifications/index", file: "specifications/README.md", text: "Specifications" },
      { site: "specifications/conformance", file: "specifications/conformance.md", text: "Conformance" },
      { site: "specifications/field-rules", file: "specifications/field-rules.md", text: "Field rules" },
      { site: "specifications/params", file: "specifications/params.md", text: "Variables" },
      { site: "changelog", file: "CHANGELOG.md", text: "Changes" },
    ],
  },
];

export const pages = sections.flatMap((section) => section.pages);
