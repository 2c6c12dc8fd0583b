import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { checkPicture, choosePicture } from "./picture.ts";
import { PASSWORD, type Site } from "./site.ts";

/** MediaWiki: installed by its own pages; a page, an upload, search, history, the API. */
export const mediawiki: Site = {
  name: "MediaWiki",
  packages: ["mediawiki", "mediawiki-classes"],
  tasks: "install, log in, upload a picture, write a page with it, history, search, special pages, both APIs, log out",
  async prepare(folder) {
    await mkdir(join(folder, "etc/mediawiki"), { recursive: true });
    return { root: join(folder, "var/lib/mediawiki"), args: ["--may-link-to", join(folder, "usr/share/mediawiki")] };
  },
  async use(page, url, folder, { socket, user, password, database }) {
    const next = async (): Promise<void> => {
      await page.click("input[name=submit-continue]");
    };
    // Until it is installed, its front page is an error 500 with a link to this one.
    await page.goto(`${url}/mw-config/index.php`);
    await page.waitForSelector("#uselang");
    await next();
    await page.waitForSelector("text=The environment has been checked");
    await next();
    await page.fill("#mysql_wgDBserver", `localhost:${socket}`);
    await page.fill("#mysql_wgDBname", database);
    await page.fill("#mysql_wgDBprefix", "mw_");
    await page.fill("#mysql__InstallUser", user);
    await page.fill("#mysql__InstallPassword", password);
    await next();
    await page.waitForSelector("text=Database account for web access");
    await next();
    await page.fill("#config_wgSitename", "A wiki of PHP");
    await page.fill("#config__AdminName", "Admin");
    await page.fill("#config__AdminPassword", PASSWORD);
    await page.fill("#config__AdminPasswordConfirm", PASSWORD);
    await page.check("#config__SkipOptional_skip");
    await next();
    await page.waitForSelector("text=By pressing");
    await next();
    await page.waitForSelector("text=Database was successfully set up");
    await next();
    await page.waitForSelector("text=Congratulations!");
    // The page offers it as a download.
    const settings = await (await page.context().request.get(`${url}/mw-config/index.php?localsettings=1`)).text();
    await writeFile(
      join(folder, "etc/mediawiki/LocalSettings.php"),
      `${settings.replaceAll(/^\$wgEnableUploads = .*$/gm, "$wgEnableUploads = true;")}\n`,
    );

    await page.goto(`${url}/index.php?title=Special:UserLogin`);
    await page.fill("#wpName1", "Admin");
    await page.fill("#wpPassword1", PASSWORD);
    await page.click("#wpLoginAttempt");
    await page.waitForSelector("#pt-logout");

    await page.goto(`${url}/index.php/Special:Upload`);
    await choosePicture(page, "#wpUploadFile", "My picture.png", 200);
    await page.fill("#wpUploadDescription", "Stripes");
    await page.click("input[name=wpUpload]");
    await page.waitForSelector("h1 >> text=File:My picture.png");

    await page.goto(`${url}/index.php?title=Notes/A_note_of_Ünïcode&action=edit`);
    await page.fill("#wpTextbox1", "A note. [[File:My picture.png]]\n\n[[AC/DC]]\n\n== Part ==\nMore.");
    await page.click("#wpSave");
    await page.waitForSelector("#mw-content-text >> text=A note.");
    await checkPicture(page.locator("#mw-content-text img[src*='My_picture.png']"), 200);

    await page.goto(`${url}/index.php/Notes/A_note_of_Ünïcode?action=history`);
    await page.waitForSelector("#pagehistory");
    await page.goto(`${url}/index.php?search=note&fulltext=1`);
    await page.waitForSelector(".mw-search-results >> text=Ünïcode");
    for (const name of [
      "RecentChanges",
      "AllPages",
      "Version",
      "Statistics",
      "ListFiles",
      "Preferences",
      "SpecialPages",
    ])
      await page.goto(`${url}/index.php/Special:${name}`);
    for (const path of [
      "/api.php?action=query&list=allpages&format=json",
      "/rest.php/v1/page/Notes%2FA_note_of_%C3%9Cn%C3%AFcode",
    ])
      await page.goto(url + path);
    await page.goto(`${url}/index.php/AC/DC?action=edit`);
  },
  async leave(page, url) {
    await page.goto(`${url}/index.php?title=Special:UserLogout`);
    await page.click("button[type=submit]");
    await page.waitForSelector("text=You are now logged out");
  },
  changing: {
    "times: until when a page may be kept, when it was made, how long that took": [
      /\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT/g,
      /\b20\d{12}\b/g,
      /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ?/g,
      /\b\d\d(?::|%3A)\d\d(?=,|%2C|<|&lt;)/g,
      /value=\\?"\d+\\?" name=\\?"wpServerTime/g,
      /"wgBackendResponseTime":\d+/g,
      /"wgPageParseReport":\{.*?\}\}\}/g,
      /value="\d{10}" name="LanguageRequestTime"/g,
    ],
    "the number of the request, tokens against forged forms, the session": [
      /\b[0-9a-f]{24}\b/g,
      /\b[0-9a-f]{40}\+\\\\?/g,
      /(?:mw__|mw_installer)_?session=\w+/g,
    ],
  },
};
