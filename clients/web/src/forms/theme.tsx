/**
 * How the form library's fields look: as all other fields of the page.
 *
 * Laws:
 * - Each field has its label, says what is wrong with it, and says so to screen readers (`aria-invalid`).
 */

import { useState } from "react";
import { ArrowDown, ArrowUp, Plus, X } from "lucide-react";
import type {
  ArrayFieldItemTemplateProps,
  ArrayFieldTemplateProps,
  BaseInputTemplateProps,
  FieldProps,
  FieldTemplateProps,
  ObjectFieldTemplateProps,
  WidgetProps,
} from "@rjsf/utils";
import { ariaDescribedByIds, enumOptionsIndexForValue, enumOptionsValueForIndex, getInputProps } from "@rjsf/utils";
import { parsed } from "../ui/format.ts";

function isWrong(errors: readonly unknown[] | undefined): boolean {
  return errors !== undefined && errors.length > 0;
}

function FieldTemplate(props: FieldTemplateProps) {
  const { id, label, rawDescription, rawErrors = [], children, required, displayLabel, hidden } = props;
  if (hidden) return <div hidden>{children}</div>;
  return (
    <div className="field">
      {displayLabel && label !== "" && (
        <label className="label" id={`${id}__label`} htmlFor={id}>
          {label}
          {!required && <span className="hint"> (optional)</span>}
        </label>
      )}
      {children}
      {displayLabel && rawDescription && (
        <span className="hint" id={`${id}__description`}>
          {rawDescription}
        </span>
      )}
      {isWrong(rawErrors) && (
        <span className="fault" id={`${id}__error`} role="alert">
          {rawErrors.join(" ")}
        </span>
      )}
    </div>
  );
}

function ObjectTemplate({ title, description, properties, fieldPathId }: ObjectFieldTemplateProps) {
  const isRoot = fieldPathId.path.length === 0;
  const content = properties.map((property) => property.content);
  if (isRoot) return <div className="stack">{content}</div>;
  return (
    <fieldset className="group">
      <legend className="label">{title}</legend>
      {description && <p className="hint">{description}</p>}
      {content}
    </fieldset>
  );
}

function ArrayTemplate({ title, items, canAdd, onAddClick, disabled, schema }: ArrayFieldTemplateProps) {
  return (
    <fieldset className="group">
      <legend className="label">{title}</legend>
      {schema.description && <p className="hint">{schema.description}</p>}
      {items}
      {canAdd && (
        <button type="button" className="button small" onClick={onAddClick} disabled={disabled}>
          <Plus size={14} aria-hidden /> Add
        </button>
      )}
    </fieldset>
  );
}

function ItemTemplate({ children, buttonsProps, index, disabled }: ArrayFieldItemTemplateProps) {
  const { hasMoveUp, hasMoveDown, hasRemove, onMoveUpItem, onMoveDownItem, onRemoveItem } = buttonsProps;
  const common = { type: "button" as const, className: "button quiet small", disabled };
  return (
    <div className="item" role="group" aria-label={`Entry ${index + 1}`}>
      {children}
      {hasMoveUp && (
        <button {...common} aria-label={`Move entry ${index + 1} up`} onClick={onMoveUpItem}>
          <ArrowUp size={14} aria-hidden />
        </button>
      )}
      {hasMoveDown && (
        <button {...common} aria-label={`Move entry ${index + 1} down`} onClick={onMoveDownItem}>
          <ArrowDown size={14} aria-hidden />
        </button>
      )}
      {hasRemove && (
        <button {...common} aria-label={`Remove entry ${index + 1}`} onClick={onRemoveItem}>
          <X size={14} aria-hidden />
        </button>
      )}
    </div>
  );
}

function common({ id, required, disabled, readonly, rawErrors }: WidgetProps) {
  return {
    id,
    className: "input",
    disabled: disabled === true || readonly === true,
    required,
    "aria-invalid": isWrong(rawErrors),
    "aria-describedby": ariaDescribedByIds(id),
  };
}

function InputTemplate(props: BaseInputTemplateProps) {
  const { onChange, onChangeOverride, options, schema, type, placeholder } = props;
  const value = props.value as string | number | undefined;
  const emptied = (text: string) => onChange(text === "" ? options.emptyValue : text);
  return (
    <input
      {...common(props)}
      {...getInputProps(schema, type as string | undefined, options)}
      placeholder={placeholder}
      value={value ?? ""}
      onChange={onChangeOverride ?? ((event) => emptied(event.target.value))}
    />
  );
}

function TextareaWidget(props: WidgetProps) {
  const { onChange, options } = props;
  const value = props.value as string | undefined;
  return (
    <textarea
      {...common(props)}
      rows={3}
      value={value ?? ""}
      onChange={(event) => onChange(event.target.value === "" ? options.emptyValue : event.target.value)}
    />
  );
}

function SelectWidget(props: WidgetProps) {
  const { onChange, options, multiple, schema } = props;
  const value = props.value as unknown;
  const found = enumOptionsIndexForValue(value, options.enumOptions, multiple);
  const pick = (indexes: string | string[]) =>
    onChange(enumOptionsValueForIndex(indexes, options.enumOptions, undefined));
  return (
    <select
      {...common(props)}
      multiple={multiple}
      value={found ?? (multiple ? [] : "")}
      onChange={(event) =>
        pick(multiple ? Array.from(event.target.selectedOptions, (option) => option.value) : event.target.value)
      }
    >
      {!multiple && schema.default === undefined && <option value="">Select…</option>}
      {options.enumOptions?.map(({ label }, index) => (
        <option key={label} value={String(index)}>
          {label}
        </option>
      ))}
    </select>
  );
}

function RadioWidget(props: WidgetProps) {
  const { id, onChange, options, label, disabled, rawErrors } = props;
  const value = props.value as unknown;
  return (
    <div
      id={id}
      role="radiogroup"
      aria-label={label}
      aria-invalid={isWrong(rawErrors)}
      aria-describedby={ariaDescribedByIds(id)}
      className="options"
    >
      {options.enumOptions?.map((option, index) => (
        <label key={option.label} className="option native">
          <input
            type="radio"
            name={id}
            checked={option.value === value}
            disabled={disabled}
            value={index}
            onChange={() => onChange(option.value)}
          />
          {option.label}
        </label>
      ))}
    </div>
  );
}

function CheckboxWidget(props: WidgetProps) {
  const { id, onChange, label, schema } = props;
  const value = props.value as unknown;
  const { className: _class, required: _required, ...rest } = common(props);
  return (
    <>
      <label className="option native">
        <input
          {...rest}
          type="checkbox"
          checked={value === true}
          onChange={(event) => onChange(event.target.checked)}
        />
        {label}
      </label>
      {schema.description && (
        <span className="hint" id={`${id}__description`}>
          {schema.description}
        </span>
      )}
    </>
  );
}

/** Any JSON, as text. What isn't JSON keeps the form from being sent. */
function JsonField(props: FieldProps) {
  const { fieldPathId, onChange, schema, name, required, disabled, rawErrors } = props;
  const formData = props.formData as unknown;
  const [text, setText] = useState(() => (formData === undefined ? "" : JSON.stringify(formData, null, 2)));
  const found = text.trim() === "" ? null : parsed(text);
  const fault = found && "fault" in found ? found.fault : null;
  const id = fieldPathId.$id;
  const write = (next: string) => {
    setText(next);
    const value = next.trim() === "" ? null : parsed(next);
    onChange(value && "value" in value ? value.value : undefined, fieldPathId.path);
  };
  return (
    <div className="field">
      <label className="label" htmlFor={id}>
        {schema.title ?? name}, as JSON
        {!required && <span className="hint"> (optional)</span>}
      </label>
      <textarea
        id={id}
        className="input code"
        rows={3}
        value={text}
        disabled={disabled}
        placeholder={schema.type === "array" ? '["one", "two"]' : '{"name": "value"}'}
        aria-invalid={fault !== null || isWrong(rawErrors)}
        data-unreadable={fault === null ? undefined : true}
        aria-describedby={`${ariaDescribedByIds(id)} ${id}__fault`}
        onChange={(event) => write(event.target.value)}
      />
      {schema.description && (
        <span className="hint" id={`${id}__description`}>
          {schema.description}
        </span>
      )}
      {fault !== null && (
        <span className="fault" id={`${id}__fault`}>
          {fault}
        </span>
      )}
    </div>
  );
}

/** Fields of our own. */
export const fields = { json: JsonField };

/** What stands around fields. */
export const templates = {
  FieldTemplate,
  ObjectFieldTemplate: ObjectTemplate,
  ArrayFieldTemplate: ArrayTemplate,
  ArrayFieldItemTemplate: ItemTemplate,
  BaseInputTemplate: InputTemplate,
  ButtonTemplates: { SubmitButton: () => null, AddButton: () => null },
};

/** What values are given with. */
export const widgets = { TextareaWidget, SelectWidget, RadioWidget, CheckboxWidget };
