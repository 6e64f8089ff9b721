import type { Notifications } from "./notifications";

/** The web client has notifications of the browser; this build is for phones. */
export const notifications: Notifications | null = null;
