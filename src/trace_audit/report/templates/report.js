"use strict";
const colours = JSON.parse(document.getElementById("colours").textContent);
const pictures = JSON.parse(document.getElementById("pictures").textContent);
const SIDES = ["c", "py", "difference"];
const dark = window.matchMedia("(prefers-color-scheme: dark)");

// ---- data: base64 of little-endian single precision, row by row

function unpack(text) {
  const view = new DataView(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
  return Float32Array.from({length: view.byteLength / 4}, (_, i) => view.getFloat32(4 * i, true));
}

for (const picture of Object.values(pictures)) {
  for (const side of SIDES) picture[side] = unpack(picture[side]);
  picture.top = Math.max(...[picture.c, picture.py].map(all => all.reduce((a, b) => Math.max(a, b), 0)));
  picture.reach = picture.difference.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  // the point that the read-out and the zoom are about; at first the first traced pixel
  picture.cursor = [0, 1].map(axis => Math.floor((picture.marks[0][axis] - picture.first[axis]) / picture.block));
}

// ---- numbers for people: 4.7e-6, 0.0379, 466

function short(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  return size < 1e-3 || size >= 1e6 ? value.toExponential(1).replace("+", "") : String(Number(value.toPrecision(3)));
}

// ---- pictures: photons on a logarithmic scale over some decades, differences on a linear one with zero in its middle

function level(picture, side, value) {
  if (side === "difference") return picture.reach ? 0.5 + value / picture.reach / 2 : 0.5;
  if (!(value > 0)) return 0;
  return Math.max(0, 1 + Math.log10(value / picture.top) / picture.decades);
}

function paint(context, width, height, share, side) {
  const image = context.createImageData(width, height), scale = colours[side !== "difference" ? "photons" : dark.matches ? "difference_dark" : side];
  for (let i = 0; i < width * height; i++) {
    image.data.set([...scale[Math.min(255, Math.floor(256 * share(i)))], 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
}

function square(context, slow, fast, half, colour, width) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.strokeRect(fast - half, slow - half, 2 * half, 2 * half);
}

function draw(canvas) {
  const picture = pictures[canvas.dataset.part], side = canvas.dataset.side, [height, width] = picture.shape;
  const cells = Math.max(2, Math.ceil(240 / height));  // canvas points a point of data, so that marks are thin lines
  canvas.width = width * cells;
  canvas.height = height * cells;
  canvas.parentElement.style.aspectRatio = `${width} / ${height}`;
  const context = canvas.getContext("2d");
  paint(context, canvas.width, canvas.height, i => {
    const slow = Math.floor(Math.floor(i / canvas.width) / cells), fast = Math.floor((i % canvas.width) / cells);
    return level(picture, side, picture[side][slow * width + fast]);
  }, side);
  for (const mark of picture.marks) {
    const [slow, fast] = [0, 1].map(axis => ((mark[axis] - picture.first[axis]) / picture.block + 0.5) * cells);
    const half = Math.max(cells / 2 + 1.5, canvas.width / 60);
    square(context, slow, fast, half, side === "difference" ? "#fff" : "#000", 4);
    square(context, slow, fast, half, side === "difference" ? "#000" : "#3fd0ff", 2);
  }
  const figure = canvas.closest("figure"), scale = figure.querySelector(".scale");
  scale.width = 256;
  scale.height = 1;
  paint(scale.getContext("2d"), 256, 1, i => i / 256, side);
  const low = side === "difference" ? -picture.reach : picture.top * 10 ** -picture.decades;
  const high = side === "difference" ? picture.reach : picture.top;
  figure.querySelector(".low").textContent = (side === "difference" ? "" : "≤ ") + short(low);
  figure.querySelector(".high").textContent = short(high);
}

function tell(canvas, slow, fast) {
  const picture = pictures[canvas.dataset.part], [height, width] = picture.shape;
  if (!(slow >= 0 && slow < height && fast >= 0 && fast < width)) return;
  picture.cursor = [slow, fast];
  const [c, py, difference] = SIDES.map(side => picture[side][slow * width + fast]);
  const [from, to] = [0, 1].map(end => [slow, fast].map((at, axis) =>
    Math.min(picture.last[axis], picture.first[axis] + (at + end) * picture.block - end)));
  const place = axis => from[axis] === to[axis] ? `${from[axis]}` : `${from[axis]} to ${to[axis]}`;
  const words = picture.block > 1 ? [`brightest in ${picture.names.c}`, `in ${picture.names.py}`, "largest difference"]
    : [picture.names.c, picture.names.py, "difference"];
  canvas.closest(".images").querySelector(".readout").textContent = `slow ${place(0)}, fast ${place(1)}: ` +
    `${words[0]} ${Number(c.toPrecision(7))}, ${words[1]} ${Number(py.toPrecision(7))}, ` +
    `${words[2]} ${short(difference)}`;
}

for (const canvas of document.querySelectorAll(".frame canvas")) {
  draw(canvas);
  const point = event => {
    const box = canvas.getBoundingClientRect(), [height, width] = pictures[canvas.dataset.part].shape;
    tell(canvas, Math.floor((event.clientY - box.top) / box.height * height),
         Math.floor((event.clientX - box.left) / box.width * width));
  };
  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerdown", point);
  canvas.addEventListener("keydown", event => {
    const step = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}[event.key];
    if (!step) return;
    event.preventDefault();
    const [slow, fast] = pictures[canvas.dataset.part].cursor;
    tell(canvas, slow + step[0], fast + step[1]);
  });
}

dark.addEventListener("change", () => document.querySelectorAll(".frame canvas").forEach(draw));

// ---- zoom: the three pictures grow together about the point last told of, and scroll together

for (const button of document.querySelectorAll("[data-zoom]")) {
  button.addEventListener("click", () => {
    const images = button.closest(".images");
    const zoom = Math.min(16, Math.max(1, (Number(images.dataset.zoom) || 1) * 2 ** Number(button.dataset.zoom)));
    images.dataset.zoom = zoom;
    for (const canvas of images.querySelectorAll(".frame canvas")) {
      const picture = pictures[canvas.dataset.part], frame = canvas.parentElement;
      canvas.style.width = `${100 * zoom}%`;
      const share = axis => (picture.cursor[axis] + 0.5) / picture.shape[axis];
      frame.scrollTop = share(0) * canvas.clientHeight - frame.clientHeight / 2;
      frame.scrollLeft = share(1) * canvas.clientWidth - frame.clientWidth / 2;
    }
  });
}

for (const frame of document.querySelectorAll(".frame")) {
  frame.addEventListener("scroll", () => {
    for (const other of frame.closest(".triptych").querySelectorAll(".frame")) {
      if (other === frame) continue;
      if (other.scrollTop !== frame.scrollTop) other.scrollTop = frame.scrollTop;
      if (other.scrollLeft !== frame.scrollLeft) other.scrollLeft = frame.scrollLeft;
    }
  });
}

// ---- filter: words that are no part of an audit's title pick keys

const words = document.getElementById("words"), verdict = document.getElementById("verdict");

function filter() {
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0, audits = 0;
  for (const audit of document.querySelectorAll(".audit")) {
    const title = audit.dataset.title.toLowerCase(), keys = wanted.filter(word => !title.includes(word));
    let rows = 0;
    for (const row of audit.querySelectorAll("tr[data-key]")) {
      row.hidden = !keys.every(word => row.dataset.key.toLowerCase().includes(word));
      rows += row.hidden ? 0 : 1;
    }
    audit.hidden = (verdict.value && audit.dataset.status !== verdict.value) || (keys.length > 0 && rows === 0);
    if (keys.length && !audit.hidden) {
      for (const part of audit.querySelectorAll(".whole, .factors")) part.open = true;
    }
    audits += 1;
    shown += audit.hidden ? 0 : 1;
  }
  document.getElementById("shown").textContent = `${shown} of ${audits} audits shown`;
}

words.addEventListener("input", filter);
verdict.addEventListener("change", filter);

// ---- a link to a part opens what it is in

function reveal() {
  const part = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!part) return;
  for (const inside of part.querySelectorAll(":scope > details")) inside.open = true;
  if (part.id === "ledger") document.getElementById("records").open = true;
  part.scrollIntoView();
}

window.addEventListener("hashchange", reveal);
reveal();

// ---- print: everything open, and as it was afterwards

const opened = [];
window.addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not([open])")) opened.push(part);
  for (const part of opened) part.open = true;
});
window.addEventListener("afterprint", () => {
  for (const part of opened.splice(0)) part.open = false;
});
