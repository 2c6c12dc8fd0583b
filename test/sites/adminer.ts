import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import type { Site } from "./site.ts";

const SQL = "CREATE TABLE notes (id int AUTO_INCREMENT PRIMARY KEY, text varchar(100), picture blob);";

/** Adminer, with a table of MariaDB: a row with an upload, a script of SQL, an export. */
export const adminer: Site = {
  name: "Adminer",
  packages: ["adminer"],
  tasks: "log in, SQL, a row with an upload, every page of a table and of the server, log out",
  async prepare(folder) {
    // As Debian's README says it: one file under a name of the administrator's choice, linked from a folder of the web server.
    const root = join(folder, "var/www/adminer");
    await mkdir(root, { recursive: true });
    await symlink(join(folder, "usr/share/adminer/adminer.php"), join(root, "index.php"));
    return { root, args: ["--may-link-to", join(folder, "usr/share/adminer")] };
  },
  async use(page, url, _, { socket, user, password, database }) {
    await page.goto(`${url}/`);
    await page.fill("[name='auth[server]']", `localhost:${socket}`);
    await page.fill("[name='auth[username]']", user);
    await page.fill("[name='auth[password]']", password);
    await page.fill("[name='auth[db]']", database);
    await page.click("input[type=submit][value=Login]");
    await page.waitForSelector("#logout");

    await page.click("a[href*='&sql=']");
    // The editor is an element of its own, in place of the text.
    await page.click("pre[contenteditable]");
    await page.keyboard.type(SQL);
    await page.click("input[type=submit][value=Execute]");
    await page.waitForSelector("text=Query executed OK");

    await page.click("#tables a[href*='select=notes']");
    await page.click("a[href*='edit=notes']");
    await page.fill("[name='fields[text]']", "A note of Ünïcode");
    await page.setInputFiles("input[type=file][name='fields-picture']", {
      name: "my picture.bin",
      mimeType: "application/octet-stream",
      buffer: Buffer.alloc(50_000, "x"),
    });
    await page.click("input[type=submit][value=Save]");
    await page.waitForSelector("text=has been inserted");
    await page.waitForSelector("td >> text=A note of Ünïcode");

    for (const name of [
      "table=notes",
      "create=notes",
      "indexes=notes",
      "schema=",
      "privileges=",
      "processlist=",
      "variables=",
      "import=",
      "database=",
    ])
      await page.goto(`${page.url().replace(/&db=site.*/, "&db=site")}&${name}`);
    await page.click("a[href*='&dump=']");
    await page.waitForSelector("input[name=output][value=text]");
  },
  async leave(page) {
    await page.click("#logout");
    await page.waitForSelector("text=Logout successful");
  },
  changing: {
    "times of its own files, and of what it did": [
      /\d\d:\d\d:\d\d GMT/g,
      /\(0\.\d{3} s\)/g,
      /timestamp<\/code><td>[\d.]+/g,
    ],
    "tokens against forged forms, the session": [
      /(?<=["'])\d{1,7}:\d{1,7}(?=["'])/g,
      /nonce="[^"]*"/g,
      /'nonce-[^']*'/g,
      /adminer_(?:sid|key)=\w+/g,
    ],
    "the connection to the database, and its state": [
      /(?<=name='kill\[\]' value=')\d+'><td>\d+/g,
      /(?:pseudo_thread_id|rand_seed[12])<\/code><td>\d+/g,
      /<td>Query<td>\d+<td>[^<]*/g,
    ],
  },
};
