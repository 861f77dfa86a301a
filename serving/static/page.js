// The page: what its controls do to the state, and what the state makes them show.

import * as api from "./api.js";
import * as files from "./files.js";
import { History } from "./history.js";
import * as keys from "./keys.js";
import { Mask, read as readMask } from "./mask.js";
import * as options from "./options.js";
import { Picture } from "./picture.js";
import * as pointers from "./pointers.js";
import * as run from "./run.js";
import { TOOLS, clear, grows, invert, loaded } from "./strokes.js";
import { Subject } from "./subject.js";
import { View } from "./view.js";

const $ = (id) => document.getElementById(id);
const SIZES = { least: 1, most: 400, step: 1.2 };
const FORMATS = { "image/jpeg": "jpeg", "image/webp": "webp", "image/bmp": "bmp" };
const MEGABYTE = 1e6;
const THUMBNAIL = 160; // pixels of its side
const FAR = 10; // pixels that Shift and an arrow move what is painted

const view = new View($("canvas"));
const limits = { max_bytes: Infinity, max_pixels: Infinity };
let history = null; // none before a picture is open
let mask = null;
let original = null; // the Picture as it was opened
let name = "";
let stroke = null; // that is being drawn
let moving = null; // while what is painted is dragged: {from, before}
let panning = false; // while the space bar is held
let keyboard = null; // the brush that arrow keys move: {at, isDown}
let running = null; // the AbortController of a run

// --- what is shown

function tell(text, isError = false) {
  $("status").textContent = text;
  $("status").classList.toggle("error", isError);
}

const fail = (error) => tell(error.message, true);

function show() {
  const { picture, strokes } = history.now;
  mask.show(strokes);
  place(history.now.shift);
  // What is wrong stays, for the form to say so.
  if ($("scale").checkValidity()) $("scale").value = history.now.scale;
  view.show(picture, picture === original ? null : original, mask);
  const isRun = running !== null;
  for (const id of ["format", "zoom-in", "zoom-out", "zoom-fit"]) $(id).disabled = false;
  for (const id of ["clear", "invert", "open-mask", "save-mask"]) $(id).disabled = isRun;
  $("undo").disabled = isRun || !history.canUndo;
  $("redo").disabled = isRun || !history.canRedo;
  $("run").disabled = isRun || !isDrawn();
  $("run").textContent = view.subject ? "Move" : "Remove";
  $("save").disabled = picture === original;
  $("compare-bar").hidden = picture === original;
  for (const button of $("variants").children) {
    button.setAttribute("aria-pressed", button.picture === picture);
  }
}

// Whether there is anything in the mask, as far as the strokes tell.
const isDrawn = () => history.now.strokes.length > 0 && history.now.strokes.at(-1) !== clear;

// Shows what is painted at another place, [right, down] in pixels of the picture.
function place(shift) {
  if (!shift || !isDrawn()) {
    view.subject = null;
    return;
  }
  if (!view.subject?.isOf(history.now)) view.subject = new Subject(history.now.picture, mask, history.now.strokes);
  Object.assign(view.subject, { shift, size: history.now.scale });
}

function change(what) {
  history.push(what);
  show();
}

const add = (drawn) => change({ strokes: [...history.now.strokes, drawn] });

// --- pictures in and out

async function open(file) {
  if (running) return tell("A run is going on: cancel it first.", true);
  if (file.size > limits.max_bytes) {
    return tell(`At most ${limits.max_bytes / MEGABYTE} MB are taken, this file has ${(file.size / MEGABYTE).toFixed(1)}.`, true);
  }
  let picture;
  try {
    picture = await Picture.read(file);
  } catch {
    return tell(`“${file.name}” is no picture that this browser can show (PNG, JPEG, WebP, BMP).`, true);
  }
  if (picture.width * picture.height > limits.max_pixels) {
    return tell(`At most ${limits.max_pixels / 1e6} megapixels are taken, this picture has ${picture.width} × ${picture.height}.`, true);
  }
  original = picture;
  name = file.name;
  mask = new Mask(picture.width, picture.height);
  history = new History({ picture, strokes: [], shift: null, scale: 1 });
  stroke = moving = keyboard = view.brush = view.outline = null;
  view.picture = null; // fits it to the window, whatever was there
  $("empty").hidden = true;
  $("variants").hidden = true;
  $("variants").replaceChildren();
  $("scale").value = 1;
  setCompare(0);
  setSize(Math.round(Math.max(picture.width, picture.height) / 25));
  const kept = FORMATS[file.type];
  $("format").replaceChildren(...["png", ...(kept ? [kept] : [])].map((format) => new Option(format.toUpperCase(), format)));
  tell(`${picture.width} × ${picture.height} pixels. Paint over what to remove or to move.`);
  show();
}

async function loadMask(file) {
  try {
    const drawn = loaded(await readMask(file, original.width, original.height));
    change({ strokes: [...history.now.strokes, drawn], shift: null });
  } catch (error) {
    fail(error);
  }
}

async function save() {
  if ($("save").disabled) return;
  const format = $("format").value;
  try {
    files.save(await inFormat(history.now.picture, format), files.named(name, `completed.${format}`));
  } catch (error) {
    fail(error);
  }
}

// A result as a file of a format: the service writes those that are not PNG.
async function inFormat(picture, format) {
  if (format === "png") return picture.file;
  const empty = await new Mask(picture.width, picture.height).file();
  return (await api.edit({ image: picture.file, mask: empty, format })).picture;
}

// --- drawing

const tool = () => document.querySelector("[name=tool]:checked").value;
const size = () => Number($("size").value);

function setSize(pixels) {
  $("size").value = Math.min(SIZES.most, Math.max(SIZES.least, pixels));
  $("size-shown").value = $("size").value;
  if (view.brush) view.brush.size = size();
  view.draw();
}

function resize(steps) {
  const wanted = size() * SIZES.step ** steps;
  setSize(steps > 0 ? Math.ceil(wanted) : Math.floor(wanted));
}

function begin(at) {
  if (!history || running) return;
  if (tool() === "move") {
    if (!isDrawn()) return tell("Paint over what to move first.", true);
    moving = { from: at, before: history.now.shift ?? [0, 0] };
    return;
  }
  stroke = TOOLS[tool()](size());
  move([at]);
}

function move(points) {
  if (moving) {
    const at = points.at(-1);
    place(moving.before.map((before, i) => Math.round(before + at[i] - moving.from[i])));
    return view.draw();
  }
  if (!stroke) return;
  const from = stroke.points.length;
  stroke.points.push(...points);
  if (grows(stroke)) mask.grow(stroke, from);
  else view.outline = stroke.kind === "lasso" ? stroke.points : corners(stroke.points);
  hover(points.at(-1));
}

function end() {
  if (moving) {
    const { before } = moving;
    const shift = view.subject?.shift ?? before;
    moving = null;
    if (shift.some((pixels, i) => pixels !== before[i])) shiftBy(shift);
    return;
  }
  if (!stroke) return;
  const drawn = stroke;
  stroke = view.outline = null;
  if (grows(drawn)) mask.grown(drawn);
  add(drawn);
}

function abandon() {
  if (moving) {
    moving = null;
    return show();
  }
  if (!stroke) return;
  stroke = view.outline = null;
  mask.redraw();
  view.draw();
}

function hover(at) {
  const hasTip = at && ["brush", "eraser"].includes(tool());
  view.brush = hasTip ? { x: at[0], y: at[1], size: size() } : null;
  $("canvas").classList.toggle("paints", Boolean(hasTip && history));
  $("canvas").classList.toggle("moves", tool() === "move");
  view.draw();
}

const corners = ([[left, top], ...rest]) => {
  const [right, bottom] = rest.at(-1) ?? [left, top];
  return [[left, top], [right, top], [right, bottom], [left, bottom]];
};

// --- the brush that the keyboard moves

function step(dx, dy) {
  return (event) => {
    if (document.activeElement !== $("canvas") || !history) return false;
    if (tool() === "move") return nudge(dx * (event.shiftKey ? FAR : 1), dy * (event.shiftKey ? FAR : 1));
    keyboard ??= { at: [original.width / 2, original.height / 2], isDown: false };
    const far = (event.shiftKey ? 4 : 1) * Math.max(1, size() / 4);
    const limit = (value, most) => Math.min(most, Math.max(0, value));
    keyboard.at = [
      limit(keyboard.at[0] + dx * far, original.width),
      limit(keyboard.at[1] + dy * far, original.height),
    ];
    if (keyboard.isDown) move([keyboard.at]);
    else hover(keyboard.at);
  };
}

// Moves what is painted by pixels.
function nudge(dx, dy) {
  if (running) return;
  if (!isDrawn()) return tell("Paint over what to move first.", true);
  const [right, down] = history.now.shift ?? [0, 0];
  shiftBy([right + dx, down + dy]);
}

// Remembers where what is painted is to be moved, and how large; nowhere is no move.
function shiftBy(shift, scale = history.now.scale) {
  const isMove = isDrawn() && (shift.some(Boolean) || scale !== 1);
  change({ shift: isMove ? shift : null, scale });
}

function setDown() {
  if (document.activeElement !== $("canvas") || !history || tool() === "move") return false;
  keyboard ??= { at: [original.width / 2, original.height / 2], isDown: false };
  keyboard.isDown = !keyboard.isDown;
  if (keyboard.isDown) begin(keyboard.at);
  else end();
}

// --- runs

async function start() {
  if ($("run").disabled || !$("form").reportValidity()) return;
  running = new AbortController();
  setRunning(true);
  const base = history.now;
  const { own, seed, variants, draws } = options.values($("options"));
  const found = [];
  const finish = run.watch((working) => tell(variants > 1 ? `${working} ${found.length} of ${variants} variants.` : working));
  try {
    const fields = {
      image: base.picture.file,
      mask: await mask.file(),
      preset: $("model").value,
      mask_dilation: $("mask_dilation").value,
      with: JSON.stringify(own),
      ...(view.subject
        ? { shift: JSON.stringify(base.shift), scale: base.scale }
        : { feathering: $("feathering").value, reference: references() }),
    };
    const seeds = Array.from({ length: variants }, (_, i) => seed + i);
    for await (const { picture, seed, notes } of run.variants(fields, seeds, running.signal)) {
      found.push({ picture: await Picture.read(picture), seed, notes });
    }
    finish();
    accept(base, found, draws);
  } catch (error) {
    if (error.name === "AbortError") tell("Cancelled; nothing has changed.");
    else fail(error);
  } finally {
    finish();
    running = null;
    setRunning(false);
  }
}

function accept(base, found, draws) {
  const strokes = $("keep").checked ? base.strokes : [];
  offer(found, strokes, base.shift);
  history.push({ picture: found[0].picture, strokes, shift: null, scale: 1 });
  const notes = new Set(found.flatMap(({ notes }) => notes));
  const seed = draws ? `, seed ${found[0].seed}` : "";
  const done = found.length > 1 ? "Done. Choose a variant, paint on, or save." : `Done${seed}. Paint on, or save.`;
  tell([done, ...notes].join(" "));
}

// Pictures to choose from, each of them a step that can be undone.
function offer(found, strokes, shift) {
  $("variants").hidden = found.length < 2;
  const [left, top, side] = mask.square(shift ?? [0, 0]);
  $("variants").replaceChildren(...found.map(({ picture, seed }, i) => {
    const [button, shown] = [document.createElement("button"), document.createElement("canvas")];
    shown.width = shown.height = THUMBNAIL;
    shown.getContext("2d").drawImage(picture.full, left, top, side, side, 0, 0, THUMBNAIL, THUMBNAIL);
    button.type = "button"; // which sends no form
    button.ariaLabel = `Variant ${i + 1}, seed ${seed}`;
    button.append(shown, Object.assign(document.createElement("small"), { textContent: `seed ${seed}` }));
    button.picture = picture;
    button.onclick = () => change({ picture, strokes, shift: null });
    return button;
  }));
}

function setRunning(isRun) {
  const hasFocus = document.activeElement.matches("#run, #cancel");
  $("progress").hidden = $("cancel").hidden = !isRun;
  if (isRun) tell("Working.");
  show();
  // What had the focus is hidden or disabled now.
  if (hasFocus) $(isRun ? "cancel" : "canvas").focus({ preventScroll: true });
}

// --- models

async function fillModels() {
  Object.assign(limits, await api.health());
  const { models, default: chosen } = await api.models();
  for (const model of models) {
    const where = model.here ? "" : ", to download";
    const option = new Option(`${model.name} (${words(model.bytes)}${where})`, model.name);
    option.model = model;
    $("model").append(option);
  }
  $("model").value = chosen;
  await choose();
}

const words = (bytes) => (bytes ? `${(bytes / MEGABYTE).toFixed(0)} MB` : "no weights");

async function choose() {
  const { model } = $("model").selectedOptions[0];
  const licence = model.licence ? ` Licence of the weights: ${model.licence}.` : "";
  const download = model.here ? "" : ` The first run downloads ${words(model.bytes)}.`;
  const about = model.description[0].toUpperCase() + model.description.slice(1);
  $("about").textContent = `${about}.${licence}${download}`;
  options.build($("options"), { options: {}, types: {}, choices: {}, rules: {}, draws: false });
  $("references-field").hidden = true;
  const declared = await api.model(model.name);
  if ($("model").value !== model.name) return;
  options.build($("options"), declared);
  $("references-field").hidden = declared.references === 0;
}

// Pictures of the same place, for a model that looks at them.
const references = () => ($("references-field").hidden ? [] : [...$("references").files]);

// --- controls

function setCompare(share) {
  $("compare").value = share * 100;
  view.compare = share;
  view.draw();
}

const holdOriginal = [
  () => { view.compare = 1; view.draw(); },
  () => setCompare($("compare").value / 100),
];

const setPanning = (is) => () => {
  panning = is;
  $("canvas").classList.toggle("pans", is);
};

const pick = (value) => () => {
  document.querySelector(`[name=tool][value=${value}]`).checked = true;
  chosen();
};

// What goes with the tool that is chosen.
function chosen() {
  $("scale-field").hidden = tool() !== "move";
  hover(null);
}

const inTime = (way) => () => {
  if (!history || running) return;
  history[way]();
  tell(way === "undo" ? "Undone." : "Done again.");
  show();
};

const click = (id) => () => $(id).click();

files.listen($("open"), $("stage"), open);
pointers.listen($("canvas"), view, { begin, move, end, abandon, hover, resize, pans: () => panning });
$("open-mask").onchange = ({ target }) => {
  if (target.files[0]) loadMask(target.files[0]);
  target.value = "";
};
$("save").onclick = save;
$("save-mask").onclick = async () => files.save(await mask.file(), files.named(name, "mask.png"));
$("size").oninput = () => setSize(size());
$("undo").onclick = inTime("undo");
$("redo").onclick = inTime("redo");
$("clear").onclick = () => change({ strokes: [...history.now.strokes, clear], shift: null });
$("invert").onclick = () => add(invert);
$("scale").onchange = () => {
  if (history && !running && $("scale").checkValidity()) shiftBy(history.now.shift ?? [0, 0], $("scale").valueAsNumber);
};
for (const input of document.querySelectorAll("[name=tool]")) input.addEventListener("change", chosen);
$("zoom-in").onclick = () => view.zoomBy(1.5);
$("zoom-out").onclick = () => view.zoomBy(1 / 1.5);
$("zoom-fit").onclick = () => view.fit();
$("compare").oninput = () => setCompare($("compare").value / 100);
$("model").onchange = () => choose().catch(fail);
$("form").onsubmit = (event) => {
  event.preventDefault();
  start();
};
// A browser cannot say what is wrong with a field that is folded away.
$("form").addEventListener("invalid", ({ target }) => {
  target.closest("details")?.setAttribute("open", "");
  if (target.id === "scale") pick("move")(); // which shows it
}, true);
$("cancel").onclick = () => running?.abort();

keys.listen(
  {
    B: pick("brush"), E: pick("eraser"), M: pick("rectangle"), L: pick("lasso"), V: pick("move"),
    "[": () => resize(-1), "]": () => resize(1),
    "Ctrl+Z": inTime("undo"), "Ctrl+Shift+Z": inTime("redo"), "Ctrl+Y": inTime("redo"),
    I: click("invert"), Delete: click("clear"),
    "+": click("zoom-in"), "=": click("zoom-in"), "-": click("zoom-out"), 0: click("zoom-fit"),
    R: click("run"), "Ctrl+Enter": click("run"), "Ctrl+S": save,
    Escape: () => (running ? running.abort() : abandon()),
    ArrowLeft: step(-1, 0), ArrowRight: step(1, 0), ArrowUp: step(0, -1), ArrowDown: step(0, 1),
    "Shift+ArrowLeft": step(-1, 0), "Shift+ArrowRight": step(1, 0),
    "Shift+ArrowUp": step(0, -1), "Shift+ArrowDown": step(0, 1),
    Enter: setDown,
  },
  { O: holdOriginal, Space: [setPanning(true), setPanning(false)] },
);

fillModels().catch(fail);
