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
  // Android rejects where there is no screen to ask on.
  ask: (reason) => LocalAuthentication.authenticateAsync({ promptMessage: reason }).then(({ success }) => success, () => false),
};
