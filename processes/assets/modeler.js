/* Draw, validate, deploy: bpmn-js with the properties panel of Camunda 8 and the element templates of this server.

The page says where to ask: `data-` attributes of #modeler. Nothing inline is written into the page, so that the strict
policy of the site holds here too. */

import ElementTemplateChooserModule from "@bpmn-io/element-template-chooser";
import Modeler from "bpmn-js/lib/Modeler";
import { CreateAppendAnythingModule, CreateAppendElementTemplatesModule } from "bpmn-js-create-append-anything";
import { CloudElementTemplatesPropertiesProviderModule } from "bpmn-js-element-templates";
import {
  BpmnPropertiesPanelModule,
  BpmnPropertiesProviderModule,
  ZeebePropertiesProviderModule,
} from "bpmn-js-properties-panel";
import ZeebeBehaviors from "camunda-bpmn-js-behaviors/lib/camunda-cloud";
import { StyleModule } from "style-mod";
import zeebe from "zeebe-bpmn-moddle/resources/zeebe.json";

/* The editor of expressions would write <style> elements, which the policy refuses; sheets made by script it allows. */
const mounted = new Set();
StyleModule.mount = function mount(root, modules) {
  for (const module of [modules].flat(Infinity)) {
    if (module && !mounted.has(module)) {
      mounted.add(module);
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(module.getRules());
      root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
    }
  }
};

const page = document.getElementById("modeler");
const said = document.getElementById("modeler-said");
const findings = document.getElementById("modeler-findings");
const csrf = document.querySelector("[name=csrfmiddlewaretoken]").value;

const modeler = new Modeler({
  container: "#modeler-canvas",
  propertiesPanel: { parent: "#modeler-properties" },
  moddleExtensions: { zeebe },
  additionalModules: [
    BpmnPropertiesPanelModule,
    BpmnPropertiesProviderModule,
    ZeebePropertiesProviderModule,
    CloudElementTemplatesPropertiesProviderModule,
    ElementTemplateChooserModule,
    CreateAppendAnythingModule,
    CreateAppendElementTemplatesModule,
    ZeebeBehaviors,
  ],
});

const selection = modeler.get("selection");
const registry = modeler.get("elementRegistry");
const canvas = modeler.get("canvas");
let drawn = "";
let touched = false;
let marked = [];

function say(text, mood = "") {
  said.textContent = text;
  said.className = mood;
}

function unmark() {
  for (const [id, marker] of marked) {
    if (registry.get(id)) {
      canvas.removeMarker(id, marker);
    }
  }
  marked = [];
  findings.replaceChildren();
  findings.hidden = true;
}

/* Whatever is wrong: a row each, which leads to its element, and a mark on that. */
function show(problems) {
  for (const problem of problems) {
    const row = document.createElement("li");
    row.className = problem.severity || "error";
    const text = `${problem.message} [${problem.rule}]`;
    if (problem.element && registry.get(problem.element)) {
      const marker = problem.severity === "warning" ? "is-doubtful" : "is-wrong";
      canvas.addMarker(problem.element, marker);
      marked.push([problem.element, marker]);
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = problem.element;
      button.addEventListener("click", () => reveal(problem.element));
      row.append(button, ` ${text}`);
    } else {
      row.textContent = `${problem.element ? `${problem.element}: ` : ""}${text}`;
    }
    findings.append(row);
  }
  findings.hidden = problems.length === 0;
}

function reveal(id) {
  const element = registry.get(id);
  canvas.scrollToElement(element);
  selection.select(element);
}

async function ask(address) {
  const { xml } = await modeler.saveXML({ format: true });
  const response = await fetch(address, {
    method: "POST",
    credentials: "same-origin",
    redirect: "error",
    headers: { "Content-Type": "application/xml", Accept: "application/json", "X-CSRFToken": csrf },
    body: xml,
  });
  const answer = await response.json();
  if (!response.ok && !answer.problems) {
    throw new Error(answer.detail || answer.title || response.statusText);
  }
  return { xml, ok: response.ok, answer };
}

function counted(number, word) {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}

async function validate() {
  const { answer } = await ask(page.dataset.validate);
  const [file] = answer.files;
  show(file.problems);
  if (file.valid) {
    say(`It can be deployed: ${counted(file.problems.length, "warning")}.`, "good");
  } else {
    say(`It cannot be deployed: ${counted(file.problems.length, "problem")}.`, "bad");
  }
}

async function deploy() {
  const result = await ask(page.dataset.deploy);
  const problems = result.ok ? result.answer.warnings : result.answer.problems;
  show(problems);
  if (!result.ok) {
    say(`Nothing was deployed: ${counted(problems.length, "problem")}.`, "bad");
    return;
  }
  drawn = result.xml;
  touched = false;
  const made = result.answer.definitions.map((one) => `${one.process_id} v${one.version}${one.created ? "" : " (as before)"}`);
  say(`Deployed: ${made.join(", ")}; ${counted(problems.length, "warning")}. `, "good");
  for (const one of result.answer.definitions) {
    const link = document.createElement("a");
    link.href = page.dataset.definition.replace("/0/", `/${one.id}/`);
    link.textContent = `Open ${one.process_id} v${one.version}`;
    said.append(link, " ");
  }
}

async function download() {
  const { xml } = await modeler.saveXML({ format: true });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([xml], { type: "application/xml" }));
  link.download = page.dataset.file;
  link.click();
  URL.revokeObjectURL(link.href);
  drawn = xml;
  touched = false;
}

async function open(xml, name) {
  unmark();
  const { warnings } = await modeler.importXML(xml);
  canvas.zoom("fit-viewport", "auto");
  drawn = (await modeler.saveXML({ format: true })).xml;
  if (name) {
    page.dataset.file = name;
  }
  say(warnings.length ? `Opened; the drawing leaves out ${counted(warnings.length, "thing")}.` : "Ready.");
}

/* One thing at a time, and whatever fails is said. */
function pressed(work) {
  return async () => {
    const buttons = page.querySelectorAll(".modeler-bar button");
    buttons.forEach((button) => (button.disabled = true));
    unmark();
    try {
      await work();
    } catch (problem) {
      say(`Not done: ${problem.message}`, "bad");
    } finally {
      buttons.forEach((button) => (button.disabled = false));
    }
  };
}

function on(id, work) {
  const button = document.getElementById(id);
  if (button) {
    button.addEventListener("click", pressed(work));
  }
}

on("modeler-validate", validate);
on("modeler-deploy", deploy);
on("modeler-download", download);
on("modeler-undo", async () => modeler.get("commandStack").undo());
on("modeler-redo", async () => modeler.get("commandStack").redo());
on("modeler-fit", async () => canvas.zoom("fit-viewport", "auto"));
document.getElementById("modeler-open").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  event.target.value = "";
  if (file && (await leave())) {
    await pressed(async () => open(await file.text(), file.name))();
  }
});

async function changed() {
  return (await modeler.saveXML({ format: true })).xml !== drawn;
}

async function leave() {
  return !(await changed()) || window.confirm("What was drawn and not deployed is lost. Open the file?");
}

modeler.on("commandStack.changed", async () => {
  touched = await changed();
});
window.addEventListener("beforeunload", (event) => {
  if (touched) {
    event.preventDefault();
  }
});

async function begin() {
  const [templates, model] = await Promise.all([
    fetch(page.dataset.templates, { credentials: "same-origin" }).then((response) => (response.ok ? response.json() : [])),
    fetch(page.dataset.model, { credentials: "same-origin" }).then((response) => {
      if (!response.ok) {
        throw new Error(`the model could not be read (${response.status})`);
      }
      return response.text();
    }),
  ]);
  modeler.get("elementTemplatesLoader").setTemplates(templates);
  await open(model);
  page.dataset.ready = "";
}

begin().catch((problem) => say(`The modeler did not start: ${problem.message}`, "bad"));
