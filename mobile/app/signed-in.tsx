import * as WebBrowser from "expo-web-browser";
import { useEffect } from "react";

import { t } from "@/strings";
import { Screen } from "@/ui/screen";
import { Text } from "@/ui/text";

/** In a browser the way through the identity provider ends here, in a window of its own: it hands its address to the app and closes. */
export default function SignedIn() {
  useEffect(() => {
    WebBrowser.maybeCompleteAuthSession();
  }, []);
  return (
    <Screen>
      <Text role="status">{t.sso.arrived}</Text>
    </Screen>
  );
}
