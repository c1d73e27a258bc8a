/** A text to be copied. */

import { useState } from "react";
import { Check, Copy } from "lucide-react";
import { announce } from "../ui/announcer.tsx";
import { Button } from "../ui/button.tsx";

interface CopiedProps {
  text: string;
  /** What it is: "curl". */
  what: string;
}

/** The text, with the button that copies it. */
export function Copied({ text, what }: CopiedProps) {
  const [isCopied, setCopied] = useState(false);
  const copy = () => {
    void navigator.clipboard.writeText(text).then(() => {
      setCopied(true);
      announce(`Copied the ${what}.`);
    });
  };
  return (
    <div className="copied">
      <pre className="said code" aria-label={what} tabIndex={0}>
        {text}
      </pre>
      {"clipboard" in navigator && (
        <Button small aria-label={isCopied ? `Copied the ${what}` : `Copy the ${what}`} onPress={copy}>
          {isCopied ? <Check size={14} aria-hidden /> : <Copy size={14} aria-hidden />}
          {isCopied ? "Copied" : "Copy"}
        </Button>
      )}
    </div>
  );
}
