"use client";

import { t } from "@/strings";
import { useModal } from "../ui/modal";
import { Notice } from "../ui/notice";
import { NewToken } from "./new-token";
import { TokenList } from "./token-list";

export function TokenSection() {
  const making = useModal<null>();
  return (
    <section className="grid gap-3" aria-labelledby="tokens-title">
      <div className="flex items-start gap-3">
        <div className="mr-auto">
          <h2 id="tokens-title" className="text-lg font-semibold">
            {t.tokens.title}
          </h2>
          <p className="text-sm text-soft">{t.tokens.text}</p>
        </div>
        <button className="button" type="button" onClick={() => making.open(null)}>
          {t.tokens.create}
        </button>
      </div>
      <TokenList nothing={<Notice title={t.tokens.empty} text={t.tokens.emptyText} />} />
      {making.asked && <NewToken key={making.asked.key} {...making.asked.props} />}
    </section>
  );
}
