"use client";

import { type ComponentType, Suspense, lazy } from "react";

/** The parser is larger than the rest of the page, so it comes when there is something to parse. Until then the text stands as it is. */
const Renderer = lazy<ComponentType<{ text: string }>>(() => import("./markdown-renderer").catch(() => ({ default: Plain })));

/** Messages without any of these need no parser. */
const MARKUP = /[*_`#[\]<>|~\\]|^\s*(?:[-+]|\d+[.)])\s|\n\n|https?:/m;

export function Markdown({ text }: { text: string }) {
  const plain = <Plain text={text} />;
  if (!MARKUP.test(text)) return plain;
  return (
    <Suspense fallback={plain}>
      <Renderer text={text} />
    </Suspense>
  );
}

/** Also what is left where the parser cannot be had: without a network, or when the gateway has another build by now. */
function Plain({ text }: { text: string }) {
  return <p className="whitespace-pre-wrap">{text}</p>;
}
