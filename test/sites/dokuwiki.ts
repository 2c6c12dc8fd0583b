import { createHash } from "node:crypto";
import { appendFile, chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { movePaths } from "./debian.ts";
import { checkPicture, choosePicture } from "./picture.ts";
import { PASSWORD, type Site } from "./site.ts";

/** DokuWiki: a page, a picture in it, search. */
export const dokuwiki: Site = {
  name: "DokuWiki",
  packages: [
    "dokuwiki",
    "php-geshi",
    "libjs-jquery",
    "libjs-jquery-cookie",
    "libjs-jquery-ui",
    "libphp-simplepie",
    "php-phpseclib",
    "php-random-compat",
  ],
  tasks: "log in, upload a picture, write a page with it, preview, search, revisions, feed, log out",
  async prepare(folder) {
    const root = join(folder, "usr/share/dokuwiki");
    for (const scripts of [root, join(folder, "var/lib/dokuwiki"), join(folder, "etc/dokuwiki")])
      await movePaths(scripts, folder, ["/usr/share/", "/var/lib/dokuwiki", "/etc/dokuwiki"]);
    // What the package asks for when it is installed.
    const configuration = join(folder, "etc/dokuwiki");
    const rights = join(folder, "var/lib/dokuwiki/acl");
    const digest = createHash("sha1").update(PASSWORD).digest("hex");
    await mkdir(rights, { recursive: true });
    await chmod(rights, 0o700);
    await writeFile(
      join(configuration, "local.php"),
      "<?php\n$conf['title'] = 'A wiki of PHP';\n$conf['useacl'] = 1;\n$conf['superuser'] = '@admin';\n$conf['license'] = '0';\n$conf['updatecheck'] = 0;\n",
    );
    await writeFile(join(rights, "acl.auth.php"), "# <?php exit()?>\n*\t@ALL\t1\n*\t@user\t8\n");
    await writeFile(
      join(rights, "users.auth.php"),
      `# <?php exit()?>\nadmin:${digest}:The administrator:admin@example.test:admin,user\n`,
    );
    await appendFile(join(configuration, "plugins.local.php"), "");
    return {
      root,
      args: ["--may-link-to", join(folder, "var/lib/dokuwiki"), "--may-link-to", join(folder, "usr/share/javascript")],
    };
  },
  async use(page, url) {
    await page.goto(`${url}/`);
    await page.waitForSelector("text=This topic does not exist yet");
    await page.goto(`${url}/doku.php?id=start&do=login`);
    await page.fill("#dw__login input[name=u]", "admin");
    await page.fill("#dw__login input[name=p]", PASSWORD);
    await page.click("#dw__login button[type=submit]");
    await page.waitForSelector("a[href*='do=logout']", { state: "attached" });

    await page.goto(`${url}/doku.php?id=start&do=media&ns=&tab_files=files&tab_details=view`);
    await page.click("a >> text=Upload");
    const field = "#dw__upload input[type=file], .qq-uploader input[type=file]";
    await choosePicture(page, field, "my_picture.png", 200);
    await page.click("#mediamanager__upload_button");
    await page.waitForSelector("a >> text=my_picture.png");

    await page.goto(`${url}/doku.php?id=notes:ünïcode&do=edit`);
    await page.fill(
      "#wiki__text",
      "====== A note of Ünïcode ======\n\n<code php>echo 'highlighted';</code>\n\n{{:my_picture.png}}\n",
    );
    await page.click("#edbtn__preview");
    await page.waitForSelector("#preview, .preview");
    await page.click("#edbtn__save");
    await page.waitForSelector("h1 >> text=A note of Ünïcode");
    await checkPicture(page.locator("img.media, img[src*=my_picture]").first(), 200);

    await page.goto(`${url}/doku.php?do=search&q=Ünïcode`);
    await page.waitForSelector(".search_results >> text=note");
    for (const name of ["index", "recent", "profile", "admin", "revisions", "backlink"])
      await page.goto(`${url}/doku.php?id=notes:ünïcode&do=${name}`);
    await page.goto(`${url}/feed.php`);
    await page.goto(`${url}/doku.php/start`);
  },
  async leave(page, url) {
    await page.goto(`${url}/doku.php?id=start`);
    await page.goto(`${url}${await page.getAttribute("a[href*='do=logout']", "href")}`);
    await page.waitForSelector("a[href*='do=login']", { state: "attached" });
  },
  changing: {
    times: [/\b\d+ (?:seconds|minutes) ago/g, /"(?:tseed|changecheck)"[^>]*/g, /taskrunner\.php\?[^"]*/g],
    "the session, and the password, which is encrypted anew for each answer": [
      /DokuWiki=\w+/g,
      /(?<==YWRtaW4%3D%7C0%7C)[^;]*/g,
    ],
    "tokens against forged forms": [/sectok["'=a-z\s:]*[0-9a-f]{32}/g, /name="[a-z]+" value="[0-9a-f]{32}"/g],
  },
};
