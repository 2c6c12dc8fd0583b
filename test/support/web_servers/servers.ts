// The web servers. What each adds to an example is what its distribution's own configuration says elsewhere, with temporary
// folders in place of the system's.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stockFastCgiParams } from "../nginx_params.ts";
import type { WebServer } from "./web_server.ts";

export const nginx: WebServer = {
  name: "nginx",
  programs: ["nginx"],
  version: { args: ["-v"], pattern: /nginx\/([\d.]+)/ },
  configure(example, { folder, isRoot }) {
    writeFileSync(join(folder, "fastcgi_params"), stockFastCgiParams());
    writeFileSync(join(folder, "app.conf"), example);
    const folders = ["fastcgi", "proxy", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`);
    return `
${isRoot ? "user root;" : ""}
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log info;
events {}
http {
  access_log off;
  default_type application/octet-stream;
  client_body_temp_path ${folder}/body;
  ${folders.join(" ")}
  include app.conf;
}
`;
  },
  args: ({ folder, file }) => ["-p", folder, "-c", file, "-e", `${folder}/error.log`, "-g", "daemon off;"],
};

/** Where Debian has the modules of Apache. */
const modules = "/usr/lib/apache2/modules";
const usualModules = "mpm_event authz_core authz_host alias dir env mime setenvif".split(" ");

function apacheWith(name: string, programs: WebServer["programs"], more: readonly string[]): WebServer {
  return {
    name,
    programs,
    version: { args: ["-v"], pattern: /Apache\/([\d.]+)/ },
    configure(example, { folder, isRoot }) {
      const load = [...usualModules, ...more].map(
        (module) => `LoadModule ${module}_module ${modules}/mod_${module}.so`,
      );
      const fcgid = `FcgidIPCDir ${folder}/fcgid\nFcgidProcessTableFile ${folder}/fcgid_shm`;
      return `
ServerRoot ${folder}
DefaultRuntimeDir ${folder}
PidFile ${folder}/apache.pid
Mutex file:${folder}
ServerName localhost
ErrorLog ${folder}/error.log
LogLevel info
${isRoot ? "User www-data\nGroup #0" : ""}
${load.join("\n")}
TypesConfig /dev/null
StartServers 1
ServerLimit 1
ThreadsPerChild 64
MaxRequestWorkers 64
${more.includes("fcgid") ? fcgid : ""}
<Directory "/">
  AllowOverride None
  Require all denied
</Directory>
<Directory "${folder}/www">
  Require all granted
</Directory>
${example}
`;
    },
    args: ({ file }) => ["-DFOREGROUND", "-f", file],
  };
}

export const apache: WebServer = apacheWith("Apache mod_proxy_fcgi", ["apache2"], ["proxy", "proxy_fcgi"]);

export const apacheFcgid: WebServer = apacheWith("Apache mod_fcgid", ["apache2", "mod_fcgid"], ["fcgid"]);

const allProxy = apacheWith("Apache", ["apache2", "mod_fcgid"], ["proxy", "proxy_fcgi", "fcgid", "rewrite"]);

/** Apache as hosters run it: what a site needs is in the .htaccess of its folder. */
export const apacheWithHtaccess: WebServer = {
  ...allProxy,
  configure(example, setting) {
    const [listen] = /^Listen .*$/m.exec(example)!;
    const folder = `${setting.folder}/www`;
    const site = `${listen}
DocumentRoot "${folder}"
<Directory "${folder}">
  AllowOverride FileInfo AuthConfig Options
</Directory>`;
    return allProxy.configure(site, setting);
  },
};

export const apacheAuthnz: WebServer = apacheWith(
  "Apache mod_authnz_fcgi",
  ["apache2"],
  ["proxy", "proxy_fcgi", "authn_core", "auth_basic", "authz_user", "authnz_fcgi"],
);

export const lighttpd: WebServer = {
  name: "lighttpd",
  programs: ["lighttpd"],
  version: { args: ["-v"], pattern: /lighttpd\/([\d.]+)/ },
  configure: (example, { folder, port }) => `
server.document-root = "${folder}/www"
server.bind = "127.0.0.1"
server.port = ${port}
server.errorlog = "${folder}/error.log"
server.pid-file = "${folder}/lighttpd.pid"
server.upload-dirs = ( "${folder}" )
mimetype.assign = ( "" => "text/plain" )
${example}
`,
  args: ({ file }) => ["-D", "-f", file],
};

export const caddy: WebServer = {
  name: "Caddy",
  programs: ["caddy"],
  version: { args: ["version"], pattern: /^v?(\d[\d.]*)/ },
  // The administration's port is one for all.
  // HTTP/3 would need the UDP port of the same number, which the test holds (free_port.ts).
  configure: (example) =>
    `{\n\tadmin off\n\tauto_https off\n\tdefault_bind 127.0.0.1\n\tservers {\n\t\tprotocols h1 h2\n\t}\n}\n${example}`,
  args: ({ file }) => ["run", "--config", file, "--adapter", "caddyfile"],
  env: ({ folder }) => ({ XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }),
  // It waits for connections that its clients keep.
  graceTime: 1000,
};

export const haproxy: WebServer = {
  name: "HAProxy",
  programs: ["haproxy"],
  version: { args: ["-v"], pattern: /version (\d+\.\d+\.\d+)/ },
  configure: (example) => example,
  args: ({ file }) => ["-db", "-f", file],
};

export const h2o: WebServer = {
  name: "h2o",
  programs: ["h2o"],
  version: { args: ["-v"], pattern: /version (\d[\d.]*)/ },
  configure: (example, { folder, isRoot }) => `
${isRoot ? "user: root" : ""}
num-threads: 1
pid-file: ${folder}/h2o.pid
error-log: ${folder}/error.log
temp-buffer-path: ${folder}
${example}
`,
  args: ({ file }) => ["-m", "worker", "-c", file],
};
