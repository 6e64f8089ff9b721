/**
 * Browsers have no keychain that a page could use: whoever runs scripts in this page, or can read the profile of the browser, can read the tokens.
 * The web client keeps its tokens in the same place. Access tokens are short-lived, and refresh tokens are exchanged at each use.
 */
export const secrets = {
  get: (key: string): Promise<string | null> => Promise.resolve(localStorage.getItem(key)),
  set(key: string, value: string): Promise<void> {
    localStorage.setItem(key, value);
    return Promise.resolve();
  },
  remove(key: string): Promise<void> {
    localStorage.removeItem(key);
    return Promise.resolve();
  },
};
