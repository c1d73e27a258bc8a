/** A secret that the server made: shown once, to be copied. */

import { useState } from "react";
import { Check, Copy } from "lucide-react";
import type { Subscription } from "@interlock/client";
import { announce } from "../ui/announcer.tsx";
import { Button } from "../ui/button.tsx";
import { Notice } from "../ui/notice.tsx";

/** The secret, and the button that says that it is kept. */
export function Secret({ subscription, onKept }: { subscription: Subscription; onKept: () => void }) {
  const { secret = "" } = subscription;
  const [copied, setCopied] = useState<"no" | "yes" | "failed">("no");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(secret);
      setCopied("yes");
      announce("The secret is copied.");
    } catch {
      setCopied("failed");
    }
  };
  return (
    <div className="stack">
      <p>
        Your receiver checks with it that what comes is from here. It isn’t shown again: whoever loses it has to make
        another one.
      </p>
      <pre className="said code" aria-label="Secret" role="group" tabIndex={0}>
        {secret}
      </pre>
      {copied === "failed" && <Notice tone="fault">The browser didn’t copy it; select it and copy it yourself.</Notice>}
      <div className="actions">
        <Button onPress={() => void copy()}>
          {copied === "yes" ? <Check size={16} aria-hidden /> : <Copy size={16} aria-hidden />}
          {copied === "yes" ? "Copied" : "Copy"}
        </Button>
        <Button tone="primary" onPress={onKept}>
          I have kept it
        </Button>
      </div>
    </div>
  );
}
