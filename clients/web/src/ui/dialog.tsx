/** A dialog above the page. Escape and a click beside it close it, unless it has to be answered. */

import type { ReactNode } from "react";
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from "react-aria-components";

/** What a `Dialog` takes. */
export interface DialogProps {
  title: string;
  isOpen: boolean;
  onClose: () => void;
  /** It can't be left without an answer. */
  mustAnswer?: boolean;
  children: ReactNode;
}

/** A dialog. */
export function Dialog({ title, isOpen, onClose, mustAnswer = false, children }: DialogProps) {
  return (
    <ModalOverlay
      className="overlay"
      isOpen={isOpen}
      onOpenChange={(open) => !open && onClose()}
      isDismissable={!mustAnswer}
      isKeyboardDismissDisabled={mustAnswer}
    >
      <Modal className="modal">
        <AriaDialog className="dialog">
          <Heading slot="title">{title}</Heading>
          {children}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}
