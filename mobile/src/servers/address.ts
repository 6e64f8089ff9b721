import { t } from "@/strings";

/** Where a gateway may be, as somebody typed it. */
export interface Address {
  /** Origins to try, the safest first. */
  candidates: string[];
}

/** Why an address is none. */
export class AddressError extends Error {}

/**
 * Makes origins of what was typed. Without a scheme `https` is tried first, and `http` after it where the host is on this machine or in a private
 * network; elsewhere passwords and tokens would travel in the open, so that is refused.
 */
export function readAddress(typed: string): Address {
  const text = typed.trim();
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (!text || (scheme && scheme !== "http" && scheme !== "https")) throw new AddressError(t.servers.notAnAddress);
  let url: URL;
  try {
    url = new URL(scheme ? text : `https://${text}`);
  } catch {
    throw new AddressError(t.servers.notAnAddress);
  }
  if (!url.hostname || url.username || url.password) throw new AddressError(t.servers.notAnAddress);
  if (scheme === "http" && !isPrivate(url.hostname)) throw new AddressError(t.servers.plainRefused);
  if (scheme) return { candidates: [url.origin] };
  const plain = new URL(`http://${text}`).origin;
  return { candidates: isPrivate(url.hostname) ? [url.origin, plain] : [url.origin] };
}

/** Whether what is sent there can be read on the way. */
export const isPlain = (origin: string): boolean => origin.startsWith("http://");

/** Whether a host is this machine, or in a network that no provider routes. */
export function isPrivate(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, "").toLowerCase();
  if (host === "localhost" || host.endsWith(".localhost") || host.endsWith(".local") || host.endsWith(".internal")) return true;
  if (host.includes(":")) return host === "::1" || /^f[cd]/.test(host) || /^fe[89ab]/.test(host);
  const numbers = /^(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(host)?.slice(1).map(Number);
  // A name without a dot can only be resolved in a network of one's own.
  if (!numbers) return !host.includes(".");
  const [first = 0, second = 0] = numbers;
  // 100.64/10 is what overlay networks such as Tailscale give out.
  return first === 10 || first === 127 || (first === 192 && second === 168) || (first === 172 && second >= 16 && second < 32) || (first === 169 && second === 254) || (first === 100 && second >= 64 && second < 128);
}

/** How a server is called: its host, with the port where it has one. */
export const nameOf = (origin: string): string => new URL(origin).host;
