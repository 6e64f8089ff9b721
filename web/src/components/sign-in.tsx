"use client";

import { useMutation } from "@tanstack/react-query";
import clsx from "clsx";
import { type SubmitEvent, useEffect } from "react";

import { signIn } from "@/lib/client";
import { beginSso, forgetArrival, useArrival, useSignInMethods } from "@/lib/sso";
import { t } from "@/strings";
import { Problem } from "./ui/notice";

export function SignIn() {
  const arrival = useArrival();
  const methods = useSignInMethods();
  return (
    <main className="grid min-h-dvh place-items-center p-4">
      <div className="card grid w-full max-w-sm gap-4 p-6">
        <div>
          <p className="text-sm text-soft">{t.app}</p>
          <h1 className="text-xl font-semibold">{t.signIn.title}</h1>
        </div>
        {arrival.isPending || !methods ? (
          <p className="breathing text-soft" role="status">
            {arrival.isPending ? t.sso.arriving : t.loading}
          </p>
        ) : (
          <>
            {arrival.problem && <Problem title={t.sso.title} error={new Error(arrival.problem)} />}
            {methods.oidc && <WithProvider name={methods.oidc.name} />}
            {methods.oidc && methods.password && <Or />}
            {methods.password && <WithPassword isFirst={!methods.oidc} />}
          </>
        )}
      </div>
    </main>
  );
}

function WithProvider({ name }: { name: string }) {
  const { mutate, reset, isPending, error } = useMutation({ mutationFn: beginSso, networkMode: "always" });
  useEffect(() => {
    // Whoever comes back with the browser's button finds the page as it was left.
    addEventListener("pageshow", reset);
    return () => removeEventListener("pageshow", reset);
  }, [reset]);
  const begin = () => {
    forgetArrival();
    mutate();
  };
  return (
    <>
      {error && <Problem error={error} />}
      <button className="button button-primary" type="button" onClick={begin} disabled={isPending}>
        {isPending ? t.sso.leaving : t.sso.with(name)}
      </button>
    </>
  );
}

function Or() {
  return (
    <p className="flex items-center gap-3 text-sm text-soft before:h-px before:flex-1 before:bg-line after:h-px after:flex-1 after:bg-line">{t.sso.or}</p>
  );
}

function WithPassword({ isFirst }: { isFirst: boolean }) {
  const login = useMutation({
    mutationFn: ({ email, password }: { email: string; password: string }) => signIn(email, password),
    networkMode: "always",
  });
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    forgetArrival();
    const data = new FormData(event.currentTarget);
    login.mutate({ email: data.get("email") as string, password: data.get("password") as string });
  };
  return (
    <form className="grid gap-4" onSubmit={submit}>
      {login.error && <Problem error={login.error} />}
      <label>
        <span className="label">{t.signIn.email}</span>
        {/* Signing in is all that this page is for. */}
        {/* eslint-disable-next-line jsx-a11y/no-autofocus */}
        <input className="field" name="email" type="email" autoComplete="username" required autoFocus />
      </label>
      <label>
        <span className="label">{t.signIn.password}</span>
        <input className="field" name="password" type="password" autoComplete="current-password" required />
      </label>
      <button className={clsx("button", isFirst && "button-primary")} type="submit" disabled={login.isPending}>
        {login.isPending ? t.signIn.submitting : t.signIn.submit}
      </button>
      <p className="text-sm text-soft">{t.signIn.hint}</p>
    </form>
  );
}
