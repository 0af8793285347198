"use strict";
const patches = JSON.parse(document.getElementById("patches").textContent);
const colours = JSON.parse(document.getElementById("colours").textContent);

// ---- pictures: one canvas pixel a detector pixel, enlarged by CSS

function values(patch, side) {
  if (side !== "difference") return patch[side];
  return patch.c.map((row, s) => row.map((c, f) => patch.py[s][f] - c));
}

function range(patch, side, rows) {
  if (side === "difference") {
    const reach = Math.max(...rows.flat().map(Math.abs));
    return [-reach, reach];
  }
  const both = [...patch.c.flat(), ...patch.py.flat()];
  return [Math.min(...both), Math.max(...both)];
}

function paint(context, width, height, index) {
  const image = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) image.data.set([...colours[index(i)], 255], 4 * i);
  context.putImageData(image, 0, 0);
}

function draw(canvas) {
  const patch = patches[canvas.dataset.audit], side = canvas.dataset.side, rows = values(patch, side);
  const [low, high] = range(patch, side, rows), height = rows.length, width = rows[0].length;
  const cells = 5;  // canvas pixels a detector pixel, so that the mark can be a thin line
  canvas.width = width * cells;
  canvas.height = height * cells;
  canvas.parentElement.style.aspectRatio = `${width} / ${height}`;
  const context = canvas.getContext("2d");
  const level = value => high > low ? Math.min(255, Math.floor(256 * (value - low) / (high - low))) : 128;
  paint(context, canvas.width, canvas.height, i => {
    const slow = Math.floor(Math.floor(i / canvas.width) / cells), fast = Math.floor((i % canvas.width) / cells);
    return level(rows[slow][fast]);
  });
  const [slow, fast] = [patch.pixel[0] - patch.first_slow_fast[0], patch.pixel[1] - patch.first_slow_fast[1]];
  context.strokeStyle = "#ff2d2d";
  context.lineWidth = 1.5;
  context.strokeRect(fast * cells - 1, slow * cells - 1, cells + 2, cells + 2);
  const figure = canvas.closest("figure"), scale = figure.querySelector(".scale");
  scale.width = 256;
  scale.height = 1;
  paint(scale.getContext("2d"), 256, 1, i => i);
  figure.querySelector(".low").textContent = low.toPrecision(3);
  figure.querySelector(".high").textContent = high.toPrecision(3) + " photons";
  canvas.cursor = [slow, fast];
}

function tell(canvas, slow, fast) {
  const patch = patches[canvas.dataset.audit];
  if (!(slow >= 0 && slow < patch.c.length && fast >= 0 && fast < patch.c[0].length)) return;
  canvas.cursor = [slow, fast];
  const [c, py] = [patch.c[slow][fast], patch.py[slow][fast]];
  canvas.closest(".images").querySelector(".readout").textContent =
    `slow ${slow + patch.first_slow_fast[0]}, fast ${fast + patch.first_slow_fast[1]}: ` +
    `C ${c}, torch ${py}, difference ${(py - c).toPrecision(3)}`;
}

for (const canvas of document.querySelectorAll(".frame canvas")) {
  draw(canvas);
  canvas.addEventListener("mousemove", event => {
    const box = canvas.getBoundingClientRect(), patch = patches[canvas.dataset.audit];
    tell(canvas, Math.floor((event.clientY - box.top) / box.height * patch.c.length),
         Math.floor((event.clientX - box.left) / box.width * patch.c[0].length));
  });
  canvas.addEventListener("keydown", event => {
    const step = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}[event.key];
    if (!step) return;
    event.preventDefault();
    tell(canvas, canvas.cursor[0] + step[0], canvas.cursor[1] + step[1]);
  });
}

// ---- zoom: the three pictures of an audit grow together and stay on the traced pixel

for (const button of document.querySelectorAll("[data-zoom]")) {
  button.addEventListener("click", () => {
    const images = button.closest(".images");
    const zoom = Math.min(16, Math.max(1, (Number(images.dataset.zoom) || 1) * 2 ** Number(button.dataset.zoom)));
    images.dataset.zoom = zoom;
    for (const canvas of images.querySelectorAll(".frame canvas")) {
      const patch = patches[canvas.dataset.audit], frame = canvas.parentElement;
      canvas.style.width = `${100 * zoom}%`;
      const place = axis => (patch.pixel[axis] - patch.first_slow_fast[axis] + 0.5);
      frame.scrollTop = place(0) / patch.c.length * canvas.clientHeight - frame.clientHeight / 2;
      frame.scrollLeft = place(1) / patch.c[0].length * canvas.clientWidth - frame.clientWidth / 2;
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
    for (const row of audit.querySelectorAll("tbody tr")) {
      row.hidden = !keys.every(word => row.dataset.key.toLowerCase().includes(word));
      rows += row.hidden ? 0 : 1;
    }
    audit.hidden = (verdict.value && audit.dataset.status !== verdict.value) || (keys.length > 0 && rows === 0);
    if (keys.length && !audit.hidden) audit.querySelector("details").open = true;
    audits += 1;
    shown += audit.hidden ? 0 : 1;
  }
  document.getElementById("shown").textContent = `${shown} of ${audits} audits shown`;
}

words.addEventListener("input", filter);
verdict.addEventListener("change", filter);
window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(part => { part.open = true; }));
