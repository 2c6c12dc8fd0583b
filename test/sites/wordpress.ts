import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import type { MariaDb } from "../support/mariadb.ts";
import { checkPicture, choosePicture } from "./picture.ts";
import { PASSWORD, type Site } from "./site.ts";

/** WordPress: installed by its own pages, a post with a picture, links without index.php, the API, search. */
export const wordpress: Site = {
  name: "WordPress",
  packages: ["wordpress", "wordpress-theme-twentytwentythree", "libjs-cropper", "libjs-underscore", "php-getid3"],
  tasks: "install, log in, a post with a picture, permalinks, search, pages of its administrator, feed, API, log out",
  async prepare(folder, database) {
    const root = join(folder, "usr/share/wordpress");
    await configureWordPress(root, database);
    return { root, args: ["--may-link-to", join(folder, "usr/share")] };
  },
  async use(page, url) {
    await installWordPress(page, url);
    await publishPicture(page, url);
    await choosePermalinks(page, url);
    for (const path of [
      "/a-picture-of-unicode/",
      "/index.php/a-picture-of-unicode/",
      "/?p=1",
      "/?s=picture",
      "/feed/",
      "/wp-json/wp/v2/posts?search=picture",
      "/wp-json/wp/v2/media",
    ])
      await page.goto(url + path);
    for (const name of ["edit", "upload", "edit-comments", "themes", "users", "profile", "tools", "options-general"])
      await page.goto(`${url}/wp-admin/${name}.php`);
    await page.goto(`${url}/?s=picture`);
    await page.waitForSelector("main a >> text=A picture of Ünïcode");
  },
  async leave(page, url) {
    await page.goto(`${url}/wp-admin/`);
    await page.goto((await page.getAttribute("#wp-admin-bar-logout a", "href"))!);
    await page.waitForURL(/loggedout=true/);
    await page.goto(`${url}/wp-admin/`);
    if (!page.url().includes("/wp-login.php?redirect_to=")) throw new Error(`Still logged in: ${page.url()}`);
  },
  // A draft.
  making: /post-new\.php/,
  changing: {
    "times: of the page, until when a cookie is kept": [
      /\w{3}, \d\d[ -]\w{3}[ -]\d{4} \d\d:\d\d:\d\d GMT/g,
      /(?<=wp-settings-time-1=)\d+/g,
      /(?<="time":")\d{10}/g,
      /(?<=time is <code>)[-\d: ]+/g,
      /(?<=name="pagegen_timestamp" value=")[-\d: ]+/g,
    ],
    "an address of mail, whose characters are encoded at random": [/(?<=mailto:)[^"]*">[^<]*/g],
    "a password that it offers": [/(?<=data-pw=")[^"]*/g],
  },
};

/** Writes the configuration, and makes the folders that WordPress writes into. `source` is put into each script of it. */
export async function configureWordPress(
  root: string,
  { database, user, password, socket }: MariaDb,
  source = "",
): Promise<void> {
  await writeFile(
    join(root, "wp-config.php"),
    `<?php
/* ${source} */
define('DB_NAME', '${database}');
define('DB_USER', '${user}');
define('DB_PASSWORD', '${password}');
define('DB_HOST', 'localhost:${socket}');
define('DB_CHARSET', 'utf8mb4');
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('WP_AUTO_UPDATE_CORE', false);
$table_prefix = 'wp_';
if (!defined('ABSPATH')) define('ABSPATH', __DIR__ . '/');
require_once ABSPATH . 'wp-settings.php';
`,
  );
  // A page for what is missing that takes less time than the theme's.
  await mkdir(join(root, "wp-content/mu-plugins"));
  await writeFile(
    join(root, "wp-content/mu-plugins/missing.php"),
    `<?php /* ${source} */ defined('ABSPATH') || exit; add_action('template_redirect', fn () => is_404() && wp_die('No such page', '', 404));`,
  );
  await mkdir(join(root, "wp-content/uploads"), { recursive: true });
}

/** Installs it by its own pages, and lets its administrator in. */
export async function installWordPress(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/`);
  if (page.url() !== `${url}/wp-admin/install.php`) throw new Error(`It asks for no installation: ${page.url()}`);
  await page.fill("#weblog_title", "A site of PHP");
  await page.fill("#user_login", "admin");
  await page.fill("#pass1", PASSWORD);
  await page.fill("#admin_email", "admin@example.test");
  await page.click("#submit");
  await page.click("a[href*='wp-login.php']");
  await page.fill("#user_login", "admin");
  await page.fill("#user_pass", PASSWORD);
  await page.click("#wp-submit");
  await page.waitForSelector("#wpadminbar");
  if (page.url() !== `${url}/wp-admin/`) throw new Error(`The administrator was not let in: ${page.url()}`);
}

/** Publishes a post with a picture, and opens it by its link: the installer has asked the site whether links without index.php work. */
export async function publishPicture(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/wp-admin/post-new.php`);
  await page.click("[aria-label='Close dialog']");
  await page.fill(".editor-post-title__input", "A picture of Ünïcode");
  await page.keyboard.press("Enter");
  await page.keyboard.type("/image");
  await page.click(".components-autocomplete__result >> text=Image");
  await choosePicture(page, ".block-editor-media-placeholder input[type=file]", "my picture.png", 400);
  await page.waitForSelector("figure.wp-block-image img[src^='http']");
  await page.click(".editor-post-publish-panel__toggle");
  await page.click(".editor-post-publish-button");
  await page.waitForSelector(".post-publish-panel__postpublish");

  await page.goto(`${url}/`);
  await page.click("text=A picture of Ünïcode");
  await page.waitForURL(/\/\d{4}\/\d\d\/\d\d\/a-picture-of-unicode\/$/);
  await checkPostedPicture(page);
}

/** Chooses other links, which are offered without index.php only where SERVER_SOFTWARE is a server that WordPress knows. */
export async function choosePermalinks(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/wp-admin/options-permalink.php`);
  await page.check("input[name=selection][value='/%postname%/']");
  await page.click("#submit");
  await page.waitForSelector("#setting-error-settings_updated");

  await page.goto(`${url}/a-picture-of-unicode/`);
  if (page.url() !== `${url}/a-picture-of-unicode/`) throw new Error(`The link leads elsewhere: ${page.url()}`);
  await checkPostedPicture(page);
  // Those that it would have made otherwise lead there as well.
  await page.goto(`${url}/index.php/a-picture-of-unicode/`);
  await checkPostedPicture(page);
}

/** Throws unless the post shows the picture, whose file has a name without a space. */
async function checkPostedPicture(page: Page): Promise<void> {
  const image = page.locator("figure.wp-block-image img");
  await checkPicture(image, 400);
  const address = await image.getAttribute("src");
  if (!address?.endsWith("/my-picture.png")) throw new Error(`The picture is at ${address}`);
}
