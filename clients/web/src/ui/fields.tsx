/**
 * Fields with their label, what they are for, and what is wrong with them.
 *
 * Laws:
 * - Each field has a label that can be seen, unless what is around it says the same.
 * - What is wrong is told at the field, and to screen readers with it.
 */

import type { ReactNode } from "react";
import { ChevronDown } from "lucide-react";
import {
  Button,
  CheckboxButton,
  CheckboxField,
  FieldError,
  Input,
  Label,
  ListBox,
  ListBoxItem,
  Popover,
  RadioButton,
  RadioField,
  RadioGroup,
  Select,
  SelectValue,
  Text,
  TextArea,
  TextField as AriaTextField,
  type CheckboxFieldProps,
  type TextFieldProps as AriaTextFieldProps,
} from "react-aria-components";

interface Said {
  label: string;
  description?: string | undefined;
  /** What is wrong; none or null where nothing is. */
  error?: string | null | undefined;
}

/** What a `TextField` takes. */
export interface TextFieldProps extends Omit<AriaTextFieldProps, "children">, Said {
  /** How many lines it has; one, and no line breaks, by default. */
  rows?: number;
  placeholder?: string;
  /** Shows letters of one width, for code. */
  code?: boolean;
  /** The label is for screen readers only. */
  bare?: boolean;
}

/** Text, of one line or of several. */
export function TextField(props: TextFieldProps) {
  const { label, description, error, rows, placeholder, code, bare, ...rest } = props;
  const look = { className: code ? "input code" : "input", ...(placeholder === undefined ? {} : { placeholder }) };
  return (
    <AriaTextField {...rest} className="field" isInvalid={Boolean(error)} {...(bare ? { "aria-label": label } : {})}>
      {!bare && <Label className="label">{label}</Label>}
      {rows === undefined ? <Input {...look} /> : <TextArea {...look} rows={rows} />}
      <Sayings description={description} error={error} />
    </AriaTextField>
  );
}

function Sayings({ description, error }: Omit<Said, "label">) {
  return (
    <>
      {description && (
        <Text slot="description" className="hint">
          {description}
        </Text>
      )}
      <FieldError className="fault">{error}</FieldError>
    </>
  );
}

/** One thing that can be selected. */
export interface Option {
  key: string;
  label: string;
  description?: string | undefined;
}

/** One of a few, all of which are shown. */
export function Choice(
  props: Said & {
    options: readonly Option[];
    value: string | null;
    onChange: (key: string) => void;
    isDisabled?: boolean;
  },
) {
  const { label, description, error, options, value, onChange, isDisabled } = props;
  return (
    <RadioGroup
      className="field"
      value={value}
      onChange={onChange}
      isInvalid={Boolean(error)}
      isDisabled={isDisabled ?? false}
    >
      <Label className="label">{label}</Label>
      {options.map((option) => (
        <RadioField key={option.key} value={option.key}>
          <RadioButton className="option">
            <span className="mark round" aria-hidden />
            {option.label}
          </RadioButton>
          <OptionDescription {...option} />
        </RadioField>
      ))}
      <Sayings description={description} error={error} />
    </RadioGroup>
  );
}

/** What more an option says. */
export function OptionDescription({ description }: Option) {
  return (
    description && (
      <Text slot="description" className="hint option-description">
        {description}
      </Text>
    )
  );
}

/** What a `Checkbox` takes. */
export interface CheckboxProps extends Omit<CheckboxFieldProps, "children"> {
  children: ReactNode;
  description?: ReactNode;
}

/** Yes or no. */
export function Checkbox({ children, description, ...props }: CheckboxProps) {
  return (
    <CheckboxField {...props}>
      <CheckboxButton className="option">
        <span className="mark" aria-hidden />
        <span>{children}</span>
      </CheckboxButton>
      {description}
    </CheckboxField>
  );
}

/** One of many, in a list that opens. */
export function Picker(
  props: Said & {
    options: readonly Option[];
    value: string | null;
    onChange: (key: string) => void;
    placeholder?: string;
    /** The label is for screen readers only. */
    bare?: boolean;
  },
) {
  const { label, description, error, options, value, onChange, placeholder, bare = false } = props;
  return (
    <Select
      className="field"
      value={value}
      onChange={(key) => key !== null && onChange(String(key))}
      placeholder={placeholder ?? "Select…"}
      isInvalid={Boolean(error)}
    >
      <Label className={bare ? "unseen" : "label"}>{label}</Label>
      <Button className="button plain picker">
        <SelectValue>
          {({ defaultChildren, isPlaceholder, selectedText }) => (isPlaceholder ? defaultChildren : selectedText)}
        </SelectValue>
        <ChevronDown size={16} aria-hidden />
      </Button>
      <Sayings description={description} error={error} />
      <Popover className="popover">
        <ListBox items={options.map((option) => ({ ...option, id: option.key }))}>
          {(option) => (
            <ListBoxItem id={option.key} textValue={option.label} className="list-item">
              <Text slot="label">{option.label}</Text>
              <OptionDescription {...option} />
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </Select>
  );
}
