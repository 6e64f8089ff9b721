/** Without those that look like each other. 32 of them, so that each takes the same part of a byte. */
const LETTERS = "abcdefghijkmnpqrstuvwxyz23456789";
const LENGTH = 20;

/** A password for somebody else: 100 random bits, in groups that can be read out. */
export function newPassword(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(LENGTH));
  const letters = Array.from(bytes, (byte) => LETTERS[byte % LETTERS.length] ?? "");
  return letters.join("").replace(/(.{5})(?=.)/g, "$1-");
}
