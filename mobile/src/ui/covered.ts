import { createContext, useContext } from "react";

/** Whether what the app shows is hidden now. Dialogs have windows of their own, which nothing in the app can lie over: they have to close for that time. */
export const Covered = createContext(false);

export const useIsCovered = (): boolean => useContext(Covered);
