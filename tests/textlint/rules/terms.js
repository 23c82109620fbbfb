"use strict";
const { sentences } = require("../sentences.js");
const terms = require("../terms.json").map((term) => ({
  ...term,
  pattern: new RegExp(term.pattern, term.case ? "g" : "gi"),
  except: (term.except || []).map((pattern) => new RegExp(pattern, "gi")),
}));

/* Report the words of terms.json, sentence by sentence, in paragraphs, headings and tables. */
module.exports = function (context) {
  const { Syntax, RuleError, getSource, report, locator, getFilePath } = context;
  const path = (getFilePath() || "").replaceAll("\\", "/");

  const judge = (node) => {
    // a bold label at the start of a paragraph is a heading: "**What this costs.** A second batch in memory"
    const [label] = node.type === Syntax.Paragraph ? node.children : [];
    const body = label && label.type === Syntax.Strong ? label.range[1] - node.range[0] : 0;
    for (const { text, start } of sentences(node, getSource(node))) {
      const question = /\?["'”’)\]]*\s*$/.test(text);
      for (const term of terms) {
        if ((term.question === false && question) || (term.paragraph && (node.type !== Syntax.Paragraph || start < body))) continue;
        if ((term.files || []).some((part) => path.includes(part))) continue;
        const allowed = term.except.flatMap((pattern) => [...text.matchAll(pattern)]);
        for (const match of text.matchAll(term.pattern)) {
          const [from, to] = [match.index, match.index + match[0].length];
          if (allowed.some((one) => one.index < to && from < one.index + one[0].length)) continue;
          const message = `"${match[0].replace(/\s+/g, " ")}": ${term.write}`;
          report(node, new RuleError(message, { padding: locator.range([start + from, start + to]) }));
        }
      }
    }
  };
  return { [Syntax.Paragraph]: judge, [Syntax.Header]: judge, [Syntax.TableCell]: judge };
};
