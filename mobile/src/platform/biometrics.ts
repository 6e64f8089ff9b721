import * as LocalAuthentication from "expo-local-authentication";

/** What the device asks its owner for: finger, face, or the code of the device where those fail. */
export interface Biometrics {
  /** Whether there is anything to ask for. */
  isThere(): Promise<boolean>;
  /** Asks; `reason` is shown. */
  ask(reason: string): Promise<boolean>;
}

export const biometrics: Biometrics | null = {
  isThere: async () => (await LocalAuthentication.getEnrolledLevelAsync()) !== LocalAuthentication.SecurityLevel.NONE,
  ask: async (reason) => (await LocalAuthentication.authenticateAsync({ promptMessage: reason })).success,
};
