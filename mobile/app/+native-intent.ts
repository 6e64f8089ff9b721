import { routeOf } from "@/links/target";

/** The system hands addresses over as they are. Throwing here would end the app. */
export function redirectSystemPath({ path }: { path: string; initial: boolean }): string | null {
  try {
    return routeOf(path);
  } catch {
    return "/open";
  }
}
