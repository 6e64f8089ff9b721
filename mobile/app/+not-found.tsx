import { useRouter } from "expo-router";

import { t } from "@/strings";
import { Button } from "@/ui/button";
import { Notice } from "@/ui/notice";
import { Screen } from "@/ui/screen";

export default function NotFound() {
  const router = useRouter();
  return (
    <Screen>
      <Notice level={1} title={t.problem.notFound} text={t.problem.notFoundText}>
        <Button title={t.problem.home} onPress={() => router.replace("/")} />
      </Notice>
    </Screen>
  );
}
