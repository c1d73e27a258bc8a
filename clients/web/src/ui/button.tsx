/** Buttons, and links that look like them. */

import { Button as AriaButton, type ButtonProps as AriaButtonProps } from "react-aria-components";

/** What a button does: the thing to do, one of several, something that can't be undone, or something beside. */
export type Tone = "primary" | "plain" | "danger" | "quiet";

/** What a `Button` takes. */
export interface ButtonProps extends AriaButtonProps {
  tone?: Tone;
  small?: boolean;
}

/** A button; `isPending` shows that it is being done. */
export function Button({ tone = "plain", small = false, ...props }: ButtonProps) {
  return <AriaButton {...props} className={`button ${tone}${small ? " small" : ""}`} />;
}
