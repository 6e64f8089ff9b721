"use client";

import { useMutation } from "@tanstack/react-query";
import type { FormEvent } from "react";

import { signIn } from "@/lib/client";
import { t } from "@/strings";
import { Problem } from "./ui/notice";

export function SignIn() {
  const login = useMutation({
    mutationFn: ({ email, password }: { email: string; password: string }) => signIn(email, password),
    networkMode: "always",
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    login.mutate({ email: String(data.get("email")), password: String(data.get("password")) });
  };
  return (
    <main className="grid min-h-dvh place-items-center p-4">
      <form className="card grid w-full max-w-sm gap-4 p-6" onSubmit={submit}>
        <div>
          <p className="text-sm text-soft">{t.app}</p>
          <h1 className="text-xl font-semibold">{t.signIn.title}</h1>
        </div>
        {login.error && <Problem error={login.error} />}
        <label>
          <span className="label">{t.signIn.email}</span>
          <input className="field" name="email" type="email" autoComplete="username" required autoFocus />
        </label>
        <label>
          <span className="label">{t.signIn.password}</span>
          <input className="field" name="password" type="password" autoComplete="current-password" required />
        </label>
        <button className="button button-primary" type="submit" disabled={login.isPending}>
          {login.isPending ? t.signIn.submitting : t.signIn.submit}
        </button>
        <p className="text-sm text-soft">{t.signIn.hint}</p>
      </form>
    </main>
  );
}
