// Runs one script of a model in a context of its own, and ends. Its parent (tasks/connectors/script_javascript.py)
// starts it with Node's permission model on, waits for the first line, and then takes from this process the right to
// open anything: no file, no socket, no child. Only then it sends the script.
//
//   out: "ready\n"          in: {"script": text, "variables": JSON text, "print": characters}
//   out: {"value": JSON text | null, "printed": text, "over": bool} or {"error": {name, message, stack}, ...}
//
// No object of this realm enters the context of the script, only primitive texts; data is parsed and written by
// functions of the context. What the script may do to those harms nobody but itself: the process serves it alone.
'use strict';
const fs = require('fs');
const vm = require('vm');

const prelude = `(function (text, room) {
  'use strict';
  const { parse, stringify } = JSON;
  const { apply } = Reflect;
  const { push, join } = Array.prototype;
  const define = Object.defineProperty;
  const { String, RangeError, Promise: OwnPromise } = globalThis;
  const printed = [];
  let left = room, over = false;
  function show(value) {
    if (typeof value === 'string') return value;
    try {
      const shown = typeof value === 'object' && value !== null ? stringify(value) : String(value);
      return typeof shown === 'string' ? shown : String(shown);
    } catch (problem) { return '?'; }
  }
  function print(...values) {
    let line = '';
    for (let i = 0; i < values.length; i++) line += (i ? ' ' : '') + show(values[i]);
    line += '\\n';
    if (line.length > left) {
      over = true;
      throw new RangeError('output limit exceeded');
    }
    left -= line.length;
    apply(push, printed, [line]);
  }
  const all = parse(text);
  for (const name of Object.keys(all)) {
    try {
      define(globalThis, name, { value: all[name], writable: true, configurable: true, enumerable: true });
    } catch (problem) { /* undefined, NaN and Infinity keep their meaning; it is in variables */ }
  }
  if (!('variables' in all)) globalThis.variables = all;
  globalThis.console = { log: print, info: print, warn: print, error: print, debug: print };
  globalThis.print = print;
  return {
    __proto__: null,
    value(value) {
      const told = stringify(value, (key, item) => (typeof item === 'bigint' ? String(item) : item));
      return told === undefined ? 'null' : told;
    },
    error(problem) {
      const told = { name: '', message: '', stack: '' };
      try {
        if (typeof problem === 'object' && problem !== null) {
          told.name = String(problem.name);
          told.message = String(problem.message);
          told.stack = String(problem.stack);
        } else {
          told.message = show(problem);
        }
      } catch (another) { told.message = 'an error that cannot be told'; }
      return stringify(told);
    },
    printed: () => apply(join, printed, ['']),
    over: () => over,
    later: (value) => value instanceof OwnPromise,
  };
})`;

for (const name of Object.getOwnPropertyNames(globalThis)) {
  const found = Object.getOwnPropertyDescriptor(globalThis, name);
  // Everything that Node adds to the language itself: process, fetch, timers, Buffer, navigator ...
  if (found.configurable && !/^(globalThis|Object|Function|Array|Number|parseFloat|parseInt|Infinity|NaN|undefined|Boolean|String|Symbol|Date|Promise|RegExp|Error|\w+Error|JSON|Math|Intl|ArrayBuffer|\w+Array|DataView|Map|BigInt|Set|WeakMap|WeakSet|WeakRef|Proxy|Reflect|FinalizationRegistry|decodeURI|decodeURIComponent|encodeURI|encodeURIComponent|escape|unescape|eval|isFinite|isNaN|process)$/.test(name)) {
    delete globalThis[name];
  }
}
const exit = process.reallyExit.bind(process);
delete globalThis.process;

function clip(text, length) {
  return typeof text === 'string' ? text.slice(0, length) : '';
}

function read() {
  const parts = [];
  const decoder = new (require('string_decoder').StringDecoder)('utf8');
  const chunk = new Uint8Array(65536);
  for (;;) {
    const count = fs.readSync(0, chunk, 0, chunk.length, null);
    if (count === 0) break;
    parts.push(decoder.write(chunk.slice(0, count)));
  }
  return parts.join('') + decoder.end();
}

function write(text) {
  for (let rest = text; rest !== ''; rest = rest.slice(16384)) {
    const part = rest.slice(0, 16384);
    let bytes = new TextEncoderOfNode().encode(part);
    while (bytes.length) bytes = bytes.subarray(fs.writeSync(1, bytes));
  }
}

const TextEncoderOfNode = require('util').TextEncoder;
write('ready\n');
const request = JSON.parse(read());
const context = vm.createContext(Object.create(null), {
  codeGeneration: { strings: false, wasm: false },
  microtaskMode: 'afterEvaluate',
});
const made = new vm.Script(prelude, { filename: 'prelude' }).runInContext(context);
const tools = made(request.variables, request.print);
const { value: tellValue, error: tellError, printed: tellPrinted, over: tellOver, later: isLater } = tools;

let answer;
let script = null;
try {
  script = new vm.Script(request.script, { filename: 'script.js' });
} catch (problem) {
  answer = { error: { name: clip(problem.name, 100), message: clip(problem.message, 2000), stack: clip(problem.stack, 8000) } };
}
if (script !== null) {
  try {
    let value = script.runInContext(context);
    if (value === undefined || isLater(value)) {
      // A promise has no value yet; what it did by now may be in `result`.
      value = new vm.Script("typeof result === 'undefined' ? undefined : result").runInContext(context);
    }
    answer = { value: String(tellValue(value)) };
  } catch (problem) {
    let told = { name: '', message: 'an error that cannot be told', stack: '' };
    try {
      const parsed = JSON.parse(tellError(problem));
      told = { name: clip(parsed.name, 100), message: clip(parsed.message, 2000), stack: clip(parsed.stack, 8000) };
    } catch (another) { /* as above */ }
    answer = { error: told };
  }
}
try {
  answer.printed = clip(tellPrinted(), request.print);
  answer.over = tellOver() === true;
} catch (problem) { /* no stack or no memory left to tell it */ }
write(JSON.stringify(answer));
exit(0);
