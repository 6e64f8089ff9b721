"use client";

import { memo } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import remarkGfm from "remark-gfm";

/** What an agent writes is not trusted: HTML in it stays text, links say where they lead and tell nothing, pictures are links. */
const components: Components = {
  a: ({ href = "", children }) => (
    <a href={href} title={href} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  ),
  img: ({ src, alt }) => {
    const address = typeof src === "string" ? src : "";
    return (
      <a href={address} target="_blank" rel="noopener noreferrer nofollow">
        {alt ?? address}
      </a>
    );
  },
};

export default memo(function MarkdownRenderer({ text }: { text: string }) {
  return (
    <div className="markdown">
      <ReactMarkdown remarkPlugins={[remarkGfm]} components={components}>
        {text}
      </ReactMarkdown>
    </div>
  );
});
