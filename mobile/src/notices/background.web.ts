/** Pages do not run in the background. */
export const lookInBackground: (isWanted: boolean) => Promise<void> = () => Promise.resolve();
