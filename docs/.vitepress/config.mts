import { defineConfig } from "vitepress";
import { slug } from "../site/markdown.mjs";
import { sections } from "../site/pages.mjs";

const link = (site: string): string => `/${site.replace(/(^|\/)index$/, "$1")}`;

export default defineConfig({
  title: "fetchcgi",
  description: "FastCGI for everything that speaks fetch",
  lang: "en",
  // Otherwise browsers ask for /favicon.ico.
  head: [["link", { rel: "icon", href: "data:," }]],
  srcDir: ".site",
  cleanUrls: false,
  // Each page says which commit it is of better than a date would.
  lastUpdated: false,
  markdown: { anchor: { slugify: slug } },
  themeConfig: {
    search: { provider: "local" },
    outline: [2, 3],
    nav: [
      { text: "Getting started", link: "/getting-started" },
      { text: "Deploy", link: "/deploy/nginx" },
      { text: "PHP", link: "/php/in-front" },
      { text: "API", link: "/api/" },
    ],
    sidebar: [
      ...sections.map(({ text, pages }) => ({
        text,
        collapsed: false,
        items: pages.map((page) => ({ text: page.text, link: link(page.site) })),
      })),
      { text: "API", items: [{ text: "Reference", link: "/api/" }] },
    ],
    docFooter: { prev: "Before", next: "Next" },
  },
});
