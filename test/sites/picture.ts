import type { Locator, Page } from "playwright-core";
import { png } from "../support/png.ts";

/** Chooses a picture of this name and width in a page's field for files. */
export async function choosePicture(page: Page, field: string, name: string, width: number): Promise<void> {
  await page.setInputFiles(field, { name, mimeType: "image/png", buffer: png(width, width / 2) });
}

/** Throws unless the browser can decode a picture of a page, and it has this width. */
export async function checkPicture(image: Locator, width: number): Promise<void> {
  const found = await image.evaluate((element) => {
    const picture = element as unknown as { decode(): Promise<void>; naturalWidth: number };
    return picture.decode().then(() => picture.naturalWidth);
  });
  if (found !== width) throw new Error(`The picture has ${found} columns, not ${width}`);
}
