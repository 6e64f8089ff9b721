import type { Metadata, Viewport } from "next";
import type { ReactNode } from "react";

import { Shell } from "@/components/shell";
import { t } from "@/strings";
import "./globals.css";

export const metadata: Metadata = {
  title: { default: t.app, template: `%s · ${t.app}` },
  icons: { icon: "/icon.svg", apple: "/icons/apple-touch-icon.png" },
  manifest: "/manifest.webmanifest",
  appleWebApp: { capable: true, title: t.app },
};

export const viewport: Viewport = {
  width: "device-width",
  initialScale: 1,
  viewportFit: "cover",
  themeColor: [
    { media: "(prefers-color-scheme: light)", color: "#f6f7f9" },
    { media: "(prefers-color-scheme: dark)", color: "#161b22" },
  ],
};

export default function Layout({ children }: { children: ReactNode }) {
  return (
    // The script sets the palette on the element before React sees it.
    <html lang="en" suppressHydrationWarning>
      <head>
        {/* Not deferred: it has to run before the first paint. */}
        {/* eslint-disable-next-line @next/next/no-sync-scripts */}
        <script src="/theme.js" />
      </head>
      <body>
        <Shell>{children}</Shell>
      </body>
    </html>
  );
}
