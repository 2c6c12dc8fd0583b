// The main table as a picture, in colours that can be read on light and on dark pages.

import { spreadOf } from "./statistics.ts";
import type { CaseResult } from "./types.ts";

const WIDTH = 760;
const NAME_WIDTH = 230;
const BAR_WIDTH = 440;
const ROW_HEIGHT = 28;
const TOP = 44;

/** Bars of a case, the longest for the one that takes the most; ours is marked. */
export function chart({ case: { title, figure }, entries }: CaseResult): string {
  const bars = entries
    .flatMap((entry) =>
      "samples" in entry ? [{ name: entry.name, ...spreadOf(entry.samples.map(({ value }) => value)) }] : [],
    )
    .toSorted((a, b) => a.median - b.median);
  const scale = BAR_WIDTH / Math.max(...bars.map(({ most }) => most), 1);
  const rows = bars.map(({ name, median, least, most }, index) => {
    const middle = TOP + index * ROW_HEIGHT + ROW_HEIGHT / 2;
    const x = (value: number): string => (NAME_WIDTH + value * scale).toFixed(1);
    const mark = name.startsWith("fetchcgi") ? "own" : "other";
    return `  <text class="name" x="${NAME_WIDTH - 10}" y="${middle + 4}">${escapeXml(name)}</text>
  <rect class="${mark}" x="${NAME_WIDTH}" y="${middle - 9}" width="${(median * scale).toFixed(1)}" height="18" rx="2"/>
  <path class="spread" d="M${x(least)} ${middle}H${x(most)}"/>
  <text class="value" x="${Number(x(Math.max(most, median))) + 8}" y="${middle + 4}">${format(median)}</text>`;
  });
  const height = TOP + bars.length * ROW_HEIGHT + 12;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">
  <title>${escapeXml(`${title}: ${figure}`)}</title>
  <style>
    text { font: 13px system-ui, sans-serif; fill: #57606a }
    .head { font-weight: 600 } .name { text-anchor: end }
    .own { fill: #2f81f7 } .other { fill: #8b949e } .spread { stroke: #d29922; stroke-width: 2 }
    @media (prefers-color-scheme: dark) { text { fill: #9da7b3 } }
  </style>
  <text class="head" x="10" y="24">${escapeXml(`${title}: ${figure}, less is better`)}</text>
${rows.join("\n")}
</svg>
`;
}

function format(value: number): string {
  return value.toFixed(value >= 100 ? 0 : 1);
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
