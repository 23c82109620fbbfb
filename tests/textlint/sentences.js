"use strict";
/*
 * Split a paragraph of the Markdown tree into sentences.
 *
 * Code counts as one word, a link as its text; HTML, pictures and emphasis marks count as nothing.
 * The text keeps its length, so that an index in it is an index in the source. Dutch sentences are left out.
 */

const ABBREVIATION = /(?:\b(?:e\.g|i\.e|cf|etc|vs|approx|resp|incl|fig|no|nr|ca|art|dr|st|[A-Z]))\.$/i;
const BOUNDARY = /([.!?]+["'”’)\]]*)\s+(?=["'“‘([]?[A-Z0-9])/g;
const DUTCH = new Set(
  "aan ook bij dat de deze die een en er geen haar heeft het hoe ik is je kan maar meer met na naar niet nog om onder op te tot tussen uit uw van veel voor waar wat we wordt worden zijn zo".split(" "),
);
const ENGLISH = new Set(
  "a after all an and any are as at be been before but by can do does for from has have if in into is it its more no not of on one or per so than that the their then there these they this to until was were what when which while who with without".split(" "),
);

function blank(text) {
  return text.replace(/\S/g, " ");
}

/* The source of a node in which everything but prose is replaced by as many spaces, or, code, by one word. */
function mask(node, source, base) {
  const [start, end] = [node.range[0] - base, node.range[1] - base];
  switch (node.type) {
    case "Str":
      return source.slice(start, end);
    case "Code":
      return "X".repeat(end - start);
    case "Html":
    case "Image":
    case "ImageReference":
    case "FootnoteReference":
      return " ".repeat(end - start);
    case "Break":
      return blank(source.slice(start, end));
  }
  if (node.type === "Link" && node.children.length === 1 && node.children[0].value === node.url) {
    return "X".repeat(end - start);
  }
  let text = "";
  let at = start;
  for (const child of node.children || []) {
    text += blank(source.slice(at, child.range[0] - base)) + mask(child, source, base);
    at = child.range[1] - base;
  }
  return text + blank(source.slice(at, end));
}

function words(text) {
  return text.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
}

function isDutch(text) {
  let dutch = 0;
  let english = 0;
  for (const word of text.toLowerCase().match(/\p{L}+/gu) || []) {
    if (DUTCH.has(word)) dutch += 1;
    if (ENGLISH.has(word)) english += 1;
  }
  return dutch > english;
}

/* Quoted Dutch becomes one word: "Er zijn drie pieken gezien". */
function withoutDutchQuotes(text) {
  return text.replace(/["“„‘]([^"“”„’]{3,300})["”’]/g, (quote, inner) =>
    isDutch(inner) ? "X".repeat(quote.length) : quote,
  );
}

/* [{ text, start, end }] of the English sentences; start and end count from the start of the node. */
function sentences(node, source) {
  const plain = mask(node, source, node.range[0])
    .replace(/\n[ \t]*>?/g, (line) => " ".repeat(line.length));
  const text = withoutDutchQuotes(plain);
  const found = [];
  let start = 0;
  const add = (end) => {
    const first = start + (text.slice(start, end).search(/[\p{L}\p{N}]/u) + 1 || 1) - 1;
    const sentence = text.slice(first, end);
    if (words(sentence).length && !isDutch(sentence)) {
      found.push({ text: sentence, start: first, end });
    }
    start = end;
  };
  for (const match of text.matchAll(BOUNDARY)) {
    const end = match.index + match[1].length;
    if (!ABBREVIATION.test(text.slice(start, end))) add(end);
  }
  add(text.length);
  return found;
}

module.exports = { sentences, words };
