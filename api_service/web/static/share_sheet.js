// A dialog for who sees a draft: everyone with its link, and invited people.

import { call, creationPath } from "./api.js";
import { button, find, h, toast } from "./dom.js";
import { errorMessage, sentence } from "./errors.js";
import { text } from "./messages.js";
import { copyAddress, shareAddress, sharingOf } from "./share.js";

export class ShareSheet {
  isBusy = false;
  link = h("section.share-section", { "aria-labelledby": "share-link" });
  people = h("section.share-section", { "aria-labelledby": "share-people" });
  status = h("p.share-status", { role: "status" });
  problem = h("div", { role: "alert" });
  username = h("input.form-field", {
    id: "share-username",
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    required: true,
  });

  /** `changed(creation)` is called after every change. */
  constructor(creation, changed) {
    this.creation = creation;
    this.changed = changed;
    this.dialog = h(
      "dialog.sheet.share-sheet",
      { "aria-labelledby": "share-title", onclose: () => this.dialog.remove() },
      h("h2", { id: "share-title" }, text.shareTitle(creation)),
      this.link,
      this.people,
      this.status,
      this.problem,
      h("div.sheet-actions", button(text.done, () => this.dialog.close())),
    );
  }

  open() {
    this.draw();
    find("main").append(this.dialog);
    this.dialog.showModal();
  }

  draw() {
    this.link.replaceChildren(...this.linkParts());
    this.people.replaceChildren(...this.peopleParts());
  }

  linkParts() {
    const { url, collaborators, showsPrompt } = sharingOf(this.creation);
    const title = h("h3.form-label", { id: "share-link" }, text.link);
    const prompt = (url || collaborators.length > 0) && this.promptSwitch(showsPrompt);
    if (!url) {
      const create = button(text.createLink, () => this.share(), { kind: "small", icon: "link" });
      return [title, h("p.muted", text.linkHint), create, prompt || ""];
    }
    const field = h("input.form-field", {
      readonly: true,
      value: url,
      "aria-labelledby": "share-link",
      onfocus: () => field.select(),
    });
    const small = { kind: "small" };
    const send = async (share) => this.say(await share(url, text.shareTitle(this.creation)));
    const systemShare =
      Boolean(navigator.share) && button(text.share, () => send(shareAddress), small);
    const actions = h(
      "div.share-actions",
      button(text.copyLink, () => send(copyAddress), { ...small, icon: "link" }),
      systemShare,
      button(text.revokeLink, () => this.revoke(), { kind: "small bare" }),
    );
    return [title, field, actions, prompt || ""];
  }

  promptSwitch(showsPrompt) {
    const onchange = (event) => this.showPrompt(event.currentTarget.checked);
    const box = h("input", { type: "checkbox", checked: showsPrompt, onchange });
    return h("label.share-switch", box, text.showPrompt);
  }

  peopleParts() {
    const onsubmit = (event) => {
      event.preventDefault();
      this.invite(this.username.value.trim().replace(/^@/, "").toLowerCase());
    };
    const rows = sharingOf(this.creation).collaborators.map((name) => this.person(name));
    return [
      h("h3.form-label", { id: "share-people" }, text.people),
      h("p.muted", text.peopleHint),
      h(
        "form.share-invite",
        { onsubmit },
        h("label.visually-hidden", { for: "share-username" }, text.username),
        this.username,
        h("button.button.small", text.invite),
      ),
      rows.length > 0 ? h("ul.share-people", ...rows) : "",
    ];
  }

  person(name) {
    const look = { kind: "small bare", icon: "close", "aria-label": text.removePerson(name) };
    return h("li", h("span", `@${name}`), button("", () => this.remove(name), look));
  }

  share = () => this.act("share", { method: "POST", json: {} }, text.linkCreated);
  revoke = () => this.act("share", { method: "DELETE" }, text.linkRevoked);

  async invite(name) {
    const path = `collaborators/${encodeURIComponent(name)}`;
    if (!name || !(await this.act(path, { method: "PUT" }, text.invited(name)))) return;
    this.username.value = "";
    this.username.focus();
  }

  async remove(name) {
    const path = `collaborators/${encodeURIComponent(name)}`;
    if (await this.act(path, { method: "DELETE" }, text.removed(name))) this.username.focus();
  }

  /** Show or hide the prompt. Only a link can say so: without one, it is made and revoked. */
  async showPrompt(showsPrompt) {
    const hadLink = Boolean(sharingOf(this.creation).url);
    const json = { showsPrompt };
    const message = showsPrompt ? text.promptShown : text.promptHidden;
    const isDone = await this.act("share", { method: "POST", json }, message);
    if (!isDone) this.redraw();
    if (isDone && !hadLink) await this.act("share", { method: "DELETE" }, message);
  }

  /** Send a change, show the result, and return whether it was made. */
  async act(path, options, message) {
    if (this.isBusy) return false;
    this.isBusy = true;
    this.problem.replaceChildren();
    try {
      const { data } = await call(`${creationPath(this.creation.creationId)}/${path}`, options);
      this.creation = data.creation;
      this.changed(data.creation);
      this.say(message);
      this.redraw();
      return true;
    } catch (error) {
      this.say("");
      if (this.dialog.open) this.problem.replaceChildren(errorMessage(error));
      else toast(sentence(error));
      return false;
    } finally {
      this.isBusy = false;
    }
  }

  /** Draw again, and return the focus to its element, or to what took its place. */
  redraw() {
    const element = document.activeElement;
    this.draw();
    const next = element?.matches("[type=checkbox]") ? "[type=checkbox]" : "input, button";
    const target = element?.isConnected ? element : this.link.querySelector(next);
    if (this.dialog.open && target instanceof HTMLElement) target.focus();
  }

  say(message) {
    this.status.textContent = message;
  }
}
