/** Nothing is shared into a page. */
export const incoming = { take: (): string => "" };
