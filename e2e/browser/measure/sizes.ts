/** What a browser loads before a page can start, from the exported files. */

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

export interface Size {
  route: string;
  scripts: number;
  gzip: number;
  brotli: number;
}

export function sizes(out: string): Size[] {
  const pages = readdirSync(out, { recursive: true })
    .map(String)
    .filter((name) => /(?:^|\/)index\.html$/.test(name) && !/^(?:404|_)/.test(name));
  return pages.sort().map((page) => {
    const html = readFileSync(join(out, page), "utf8");
    const tags = [...html.matchAll(/<script[^>]* src="([^"]+)"[^>]*>/g)].filter(([tag]) => !/nomodule/i.test(tag));
    const files = [...new Set(tags.map(([, source]) => join(out, source!)))];
    const sum = (of: (file: string) => number) => files.reduce((total, file) => total + of(file), 0);
    return {
      route: `/${page.replace(/index\.html$/, "")}`,
      scripts: files.length,
      gzip: sum((file) => gzipSync(readFileSync(file), { level: 9 }).length),
      brotli: sum((file) => readPacked(file).length),
    };
  });
}

/** Small files are not packed. */
function readPacked(file: string): Buffer {
  try {
    return readFileSync(`${file}.br`);
  } catch {
    return readFileSync(file);
  }
}
