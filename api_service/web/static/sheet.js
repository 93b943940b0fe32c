// A dialog for a caption.

import { webConfig } from "./session.js";
import { button, find, h, isBusy, openDialogs, setBusy, toast } from "./dom.js";
import { errorMessage, sentence } from "./errors.js";
import { text } from "./messages.js";

/**
 * Open the dialog. `send` gets the caption; if that fails, the dialog shows the error, otherwise
 * it closes and `done` gets the response. `more` contains further fields.
 * @param {{ title: string, submitLabel: string, value?: string | null, more?: HTMLElement,
 *   send: (caption: string) => Promise<any>, done: (response: any) => void }} options
 */
export async function editCaption({ title, submitLabel, value = "", more, send, done }) {
  const before = openDialogs();
  const { captionLength } = (await webConfig()).limits;
  if (openDialogs() !== before) return; // a second click
  const length = h("span");
  const field = h("textarea.form-field", { id: "caption", dir: "auto", "aria-describedby": "caption-hint" });
  field.value = value ?? "";
  const problem = h("div", { role: "alert" });
  const submit = h("button.button.primary", submitLabel);
  const isTooLong = () => [...field.value].length > captionLength;
  const showLength = () => {
    length.textContent = text.lengthOf([...field.value].length, captionLength);
    length.classList.toggle("too-long", isTooLong());
  };
  field.addEventListener("input", showLength);
  showLength();
  const onsubmit = async (event) => {
    event.preventDefault();
    if (isTooLong() || isBusy(submit)) return;
    setBusy(submit, true);
    try {
      const response = await send(field.value);
      sheet.close();
      done(response);
    } catch (error) {
      if (sheet.open) problem.replaceChildren(errorMessage(error));
      else toast(sentence(error));
    }
    setBusy(submit, false);
  };
  const sheet = h(
    "dialog.sheet",
    { "aria-labelledby": "caption-title", onclose: () => sheet.remove() },
    h(
      "form",
      { onsubmit },
      h("h2", { id: "caption-title" }, title),
      h(
        "div",
        h("label.form-label", { for: "caption" }, text.caption),
        field,
        h("p.form-hint", { id: "caption-hint" }, h("span", text.visibleToEveryone), length),
      ),
      more ?? null,
      problem,
      h("div.sheet-actions", button(text.cancel, () => sheet.close(), { kind: "bare" }), submit),
    ),
  );
  find("main").append(sheet);
  sheet.showModal();
}
