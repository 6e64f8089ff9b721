"use client";

import dynamic from "next/dynamic";

/** The parser is larger than the rest of the page, so it comes when there is something to parse. Until then the text stands as it is. */
const Renderer = dynamic(() => import("./markdown-renderer"), { ssr: false });

/** Messages without any of these need no parser. */
const MARKUP = /[*_`#[\]<>|~\\]|^\s*(?:[-+]|\d+[.)])\s|\n\n|https?:/m;

export function Markdown({ text }: { text: string }) {
  if (!MARKUP.test(text)) return <p className="whitespace-pre-wrap">{text}</p>;
  return <Renderer text={text} />;
}
