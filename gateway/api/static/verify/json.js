// A strict reader of JSON. An integer is a BigInt and any other number a Number, so that no digit of an integer is lost.
import { require } from "./proof_error.js";

const MAX_DEPTH = 200;
const MAX_INTEGER_LENGTH = 64; // a longer integer is read as a Number
const BLANK = /[ \t\n\r]*/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const HALF_CHARACTER = /\p{Surrogate}/u;
const HEXADECIMAL = /[0-9a-fA-F]{4}/y;
const ESCAPES = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
const LITERALS = { t: ["true", true], f: ["false", false], n: ["null", null] };

class JsonReader {
  constructor(text, uniqueKeys) {
    this.text = text;
    this.uniqueKeys = uniqueKeys;
    this.position = 0;
  }

  fail() {
    require(false, "json", { position: this.position });
  }

  match(pattern) {
    pattern.lastIndex = this.position;
    const match = pattern.exec(this.text);
    if (match === null) this.fail();
    this.position = pattern.lastIndex;
    return match;
  }

  // Skips white space and returns the character at the position.
  peek() {
    this.match(BLANK);
    return this.text[this.position];
  }

  expect(character) {
    if (this.peek() !== character) this.fail();
    this.position += 1;
  }

  value(depth) {
    if (depth > MAX_DEPTH) this.fail();
    const first = this.peek();
    if (first === "{") return this.object(depth);
    if (first === "[") return this.array(depth);
    if (first === '"') return this.string();
    if (first in LITERALS) return this.literal(...LITERALS[first]);
    return this.number();
  }

  literal(word, value) {
    if (!this.text.startsWith(word, this.position)) this.fail();
    this.position += word.length;
    return value;
  }

  number() {
    const [text, fraction, exponent] = this.match(NUMBER);
    const isInteger = fraction === undefined && exponent === undefined && text.length <= MAX_INTEGER_LENGTH;
    return isInteger ? BigInt(text) : Number(text);
  }

  string() {
    this.expect('"');
    let text = "";
    for (;;) {
      text += this.match(PLAIN)[0];
      const end = this.text[this.position];
      this.position += 1;
      if (end === '"') break;
      if (end !== "\\") this.fail();
      text += this.escape();
    }
    if (HALF_CHARACTER.test(text)) this.fail();
    return text;
  }

  escape() {
    const letter = this.text[this.position];
    this.position += 1;
    if (letter === "u") return String.fromCharCode(parseInt(this.match(HEXADECIMAL)[0], 16));
    if (!Object.hasOwn(ESCAPES, letter ?? "")) this.fail();
    return ESCAPES[letter];
  }

  array(depth) {
    this.expect("[");
    const items = [];
    if (this.peek() !== "]") {
      do items.push(this.value(depth + 1));
      while (this.comma());
    }
    this.expect("]");
    return items;
  }

  object(depth) {
    this.expect("{");
    const fields = Object.create(null);
    if (this.peek() !== "}") {
      do {
        if (this.peek() !== '"') this.fail();
        const name = this.string();
        require(!this.uniqueKeys || !(name in fields), "json_key_twice", { name });
        this.expect(":");
        fields[name] = this.value(depth + 1);
      } while (this.comma());
    }
    this.expect("}");
    return fields;
  }

  comma() {
    if (this.peek() !== ",") return false;
    this.position += 1;
    return true;
  }
}

// Value of a JSON text. Throws a ProofError with the position of the fault. `uniqueKeys`: a key that stands twice in an
// object is a fault, because two readers could take different ones; otherwise the last of them counts.
export function readJson(text, { uniqueKeys = false } = {}) {
  const reader = new JsonReader(text, uniqueKeys);
  const value = reader.value(0);
  reader.match(BLANK);
  if (reader.position !== text.length) reader.fail();
  return value;
}
