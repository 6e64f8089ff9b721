import type { Biometrics } from "./biometrics";

/** Browsers have nothing of the kind for a page that is open already. */
export const biometrics: Biometrics | null = null;
