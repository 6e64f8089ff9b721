import { useEffect, useState } from "react";

import { arriveInWindow } from "@/servers/sso";
import { t } from "@/strings";
import { Button } from "@/ui/button";
import { Problem } from "@/ui/notice";
import { Screen } from "@/ui/screen";
import { Text } from "@/ui/text";

/** From the beginning: what this window was on the way does not matter any more. */
const toApp = () => location.replace("/");

/** In a browser the way through the identity provider ends here, in a window of its own. Phones never see it: there the address comes as a link. */
export default function SignedIn() {
  const [problem, setProblem] = useState<unknown>(null);
  const [url] = useState(() => location.href);
  useEffect(() => {
    const onProblem = (error: unknown) => {
      // What the address brought is of no use any more, and need not be in the history.
      history.replaceState(history.state, "", location.pathname);
      setProblem(error);
    };
    arriveInWindow(url).then((isIn) => {
      if (isIn) toApp();
    }, onProblem);
  }, [url]);
  return (
    <Screen>
      {problem ? (
        <>
          <Problem error={problem} />
          <Button title={t.sso.toApp} onPress={toApp} />
        </>
      ) : (
        <Text role="status">{t.sso.arrived}</Text>
      )}
    </Screen>
  );
}
