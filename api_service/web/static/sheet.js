// A small dialog with one text field.

import { button, find, h } from "./dom.js";

/**
 * Ask for a text; `send` is called with it and may fail, which is then told in the dialog; `done`
 * is called with its answer when the dialog is closed.
 */
export function ask({ title, label, words, value = "", limit, send, done, explain }) {
  const counted = h("span");
  const field = h("textarea", { class: "field", id: "asked", "aria-describedby": "asked-count" });
  field.value = value;
  const problem = h("div", { role: "alert" });
  const go = h("button", { class: "button primary" }, words);
  const count = () => {
    const length = [...field.value].length;
    counted.textContent = `${length} of ${limit}`;
    counted.classList.toggle("over", length > limit);
  };
  field.addEventListener("input", count);
  count();
  const submit = async (event) => {
    event.preventDefault();
    if ([...field.value].length > limit || go.getAttribute("aria-disabled") === "true") return;
    go.setAttribute("aria-disabled", "true");
    try {
      const answer = await send(field.value);
      sheet.close();
      done(answer);
    } catch (error) {
      problem.replaceChildren(h("p", { class: "message" }, explain(error)));
    }
    go.removeAttribute("aria-disabled");
  };
  const sheet = h(
    "dialog",
    { class: "sheet", "aria-labelledby": "asked-title", onclose: () => sheet.remove() },
    h(
      "form",
      { onsubmit: submit },
      h("h2", { id: "asked-title" }, title),
      h(
        "div",
        {},
        h("label", { class: "label", for: "asked" }, label),
        field,
        h(
          "p",
          { class: "below", id: "asked-count" },
          h("span", {}, "Everybody can read it"),
          counted,
        ),
      ),
      problem,
      h(
        "div",
        { class: "deeds" },
        button("Cancel", () => sheet.close(), { kind: "bare" }),
        go,
      ),
    ),
  );
  find("main").append(sheet);
  sheet.showModal();
}
