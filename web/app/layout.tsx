import type { Metadata, Viewport } from "next";
import type { ReactNode } from "react";

import { Shell } from "@/components/shell";
import { t } from "@/strings";
import "./globals.css";

export const metadata: Metadata = {
  title: { default: t.app, template: `%s · ${t.app}` },
  icons: { icon: "/icon.svg" },
};

export const viewport: Viewport = { width: "device-width", initialScale: 1, viewportFit: "cover" };

export default function Layout({ children }: { children: ReactNode }) {
  return (
    // The script sets the palette on the element before React sees it.
    <html lang="en" suppressHydrationWarning>
      <head>
        {/* Not deferred: it has to run before the first paint. */}
        <script src="/theme.js" />
      </head>
      <body>
        <Shell>{children}</Shell>
      </body>
    </html>
  );
}
