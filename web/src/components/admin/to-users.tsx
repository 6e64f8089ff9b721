"use client";

import { useRouter } from "next/navigation";
import { useEffect } from "react";

/** The address of all of it leads to the first part. A server cannot do that: there is none. */
export function ToUsers() {
  const router = useRouter();
  useEffect(() => router.replace("/admin/users/"), [router]);
  return null;
}
