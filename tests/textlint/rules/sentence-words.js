"use strict";
const { sentences, words } = require("../sentences.js");

/* Report sentences of more than `max` words. Tables and headings are not judged. */
module.exports = function (context, options) {
  const { Syntax, RuleError, getSource, report, locator } = context;
  const max = options.max || 30;
  return {
    [Syntax.Paragraph](node) {
      for (const { text, start, end } of sentences(node, getSource(node))) {
        const count = words(text).length;
        if (count > max) {
          const message = `sentence of ${count} words, at most ${max}: "${text.slice(0, 40).trim().replace(/\s+/g, " ")}..."`;
          report(node, new RuleError(message, { padding: locator.range([start, end]) }));
        }
      }
    },
  };
};
