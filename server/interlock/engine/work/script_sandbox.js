/*
 * Makes a fresh context of QuickJS a sandbox, and returns what runs one script in it: `part("run")`, `part("told")`.
 *
 * Laws:
 * - On the global object there are the pure globals of ES2020, and nothing else. What compiles code isn't reachable.
 * - The author's code may change every object that it sees, and so may what it returns. So whatever is used here after it
 *   has begun was taken before, and nothing here asks an object of the author's outside of `run`, whose time is limited.
 * - This file is put on the first line of its source, so comments are in this form and statements end in semicolons. The
 *   author's code begins on the second: a place on the first is none of the author's.
 */
(function () {
  'use strict';

  const GLOBALS = [
    'globalThis', 'undefined', 'NaN', 'Infinity', 'isFinite', 'isNaN', 'parseFloat', 'parseInt',
    'decodeURI', 'decodeURIComponent', 'encodeURI', 'encodeURIComponent', 'escape', 'unescape',
    'Object', 'Array', 'String', 'Number', 'Boolean', 'Symbol', 'BigInt', 'Math', 'JSON', 'Date', 'RegExp',
    'Error', 'EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError',
    'Map', 'Set', 'WeakMap', 'WeakSet', 'Promise', 'Proxy', 'Reflect', 'ArrayBuffer', 'DataView',
    'Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array',
    'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array',
  ];
  const MOST_LINES = 100;
  const MOST_TEXT = 4096;
  const OUT_OF_MEMORY = 'InternalError: out of memory';
  const LOGGED_BY = ['log', 'info', 'warn', 'error', 'debug'];

  const { parse, stringify } = JSON;
  const { apply, ownKeys } = Reflect;
  const { defineProperty, freeze, getPrototypeOf, prototype: PLAIN } = Object;
  const { isArray } = Array;
  const text = String;
  const unbound = Function.prototype.bind.bind(Function.prototype.call);
  const slice = unbound(String.prototype.slice);
  const tagged = unbound(PLAIN.toString);

  let lines = '';
  let lineCount = 0;
  let lineLength = MOST_TEXT;
  let failure = null;
  let trace = '';

  function lock() {
    for (const name of ownKeys(globalThis)) {
      if (!GLOBALS.includes(name)) delete globalThis[name];
    }
    /* V8's, and no part of the language: they would show these functions, and keep what they are given. */
    for (const name of ['captureStackTrace', 'stackTraceLimit', 'prepareStackTrace']) delete Error[name];
    for (const each of [function () {}, function* () {}, async function () {}, async function* () {}]) {
      const locked = { value: undefined, writable: false, enumerable: false, configurable: false };
      defineProperty(getPrototypeOf(each), 'constructor', locked);
    }
    const value = {};
    for (const name of LOGGED_BY) value[name] = log;
    defineProperty(globalThis, 'console', { value, writable: true, enumerable: false, configurable: true });
  }

  function log() {
    lineCount += 1;
    if (lineCount > MOST_LINES) return;
    let line = '';
    for (let i = 0; i < arguments.length && line.length < lineLength; i += 1) {
      line += (i ? ' ' : '') + shown(arguments[i]);
    }
    lines += (lines ? ',' : '') + stringify(slice(line, 0, lineLength));
  }

  function shown(value) {
    if (typeof value === 'string') return value;
    if (typeof value === 'function') return '[function]';
    if (typeof value !== 'object' || value === null) return text(value);
    try {
      if (tagged(value) !== '[object Error]') {
        const json = stringify(value);
        return typeof json === 'string' ? json : tagged(value);
      }
      const { name, message } = value;
      const parts = [typeof name === 'string' ? name : '', typeof message === 'string' ? message : ''];
      return parts[0] + (parts[0] && parts[1] ? ': ' : '') + parts[1];
    } catch (error) {
      return '[an object that JSON cannot show]';
    }
  }

  function give(given) {
    for (const name of ['input', 'workflow_data', 'context']) {
      defineProperty(globalThis, name, { value: given[name], writable: true, enumerable: true, configurable: true });
    }
    defineProperty(globalThis, 'secrets', { value: freeze(given.secrets), enumerable: true });
    lineLength = MOST_TEXT + given.longest;
  }

  /* Null for a plain object, else what the value is, for a sentence. */
  function unlike(value) {
    if (value === undefined) return 'nothing; end it with `return {…}`';
    if (value === null) return 'null';
    if (typeof value !== 'object') return 'a ' + typeof value;
    if (isArray(value)) return 'an array';
    const tag = tagged(value);
    if (tag === '[object Promise]') return 'a Promise, and nothing waits for one: scripts are synchronous';
    if (tag !== '[object Object]') return 'a ' + slice(tag, 8, -1);
    const parent = getPrototypeOf(value);
    return parent === PLAIN || parent === null ? null : 'an instance of a class; spread it into a plain object: `{…value}`';
  }

  /* Returns the result as JSON, or undefined where `told` has a failure. */
  function run(holder, given) {
    give(parse(given));
    try {
      const result = apply(holder.body, undefined, []);
      let kind = unlike(result);
      if (kind === null) {
        const json = stringify(result);
        if (typeof json === 'string' && json[0] === '{') return json;
        kind = 'an object whose `toJSON` gives none';
      }
      failure = 'a script returns a plain object; this one returned ' + kind;
    } catch (error) {
      /* The engine throws null, too, where it has no memory left for an error. */
      failure = error === null ? OUT_OF_MEMORY : slice(shown(error), 0, lineLength) || 'an error without a message';
      try {
        const stack = error.stack;
        if (typeof stack === 'string') trace = slice(stack, 0, MOST_TEXT);
      } catch (another) {
        trace = '';
      }
    }
    return undefined;
  }

  function told() {
    const about = '{"failure":' + stringify(failure) + ',"trace":' + stringify(trace) +
      ',"lines":[' + lines + '],"count":' + lineCount + '}';
    return slice(about, 0); /* in one piece: the binding takes no text that the engine keeps in several */
  }

  lock();
  return function (part) {
    return part === 'run' ? run : told;
  };
})()
