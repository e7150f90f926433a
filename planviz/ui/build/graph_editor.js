// The graph editor: vis-network with tools to draw. Every edit is shown at once and sent to Python, which answers
// with the graph as it then is; until the answer to the last edit is there, older answers are passed over.

const HINTS = {
  select: "Drag to move, click two nodes for their paths, double-click to add or rename.",
  node: "Click where the new node is to be.",
  edge: "Drag from one node to another, or click the one and then the other.",
};

export default async function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".planviz-editor");
  const vis = await library();
  root.planvizEditor ??= new Editor(root, vis);
  root.planvizEditor.send = setStateValue;
  root.planvizEditor.update(data);
}

class Editor extends Drawing {
  constructor(root, vis) {
    super(root, vis);
    this.status = root.querySelector("[role=status]");
    this.input = root.querySelector("input");
    this.pending = []; // edits that Python has not answered yet
    this.last = 0;
    this.listen();
    this.choose("select");
  }

  // ---- from Python

  update(data) {
    this.data = data;
    this.pending = this.pending.filter((edit) => edit.id > data.handled);
    this.last = Math.max(this.last, data.handled);
    this.style = getComputedStyle(this.root);
    if (JSON.stringify(data.query) !== JSON.stringify(this.toldQuery)) {
      this.toldQuery = data.query;
      if (data.query || this.query.length === 2) this.query = data.query ?? [];
    }
    this.path = data.path ?? [];
    if (this.pending.length) return;
    const shown = JSON.stringify([this.labels, this.ends, this.placed]);
    if (shown !== JSON.stringify([data.labels, data.edges, data.positions])) this.load(data);
    else this.restyle();
    this.enable();
  }

  // ---- to Python

  commit(edit, said) {
    this.place();
    this.pending.push({ id: ++this.last, edit: { positions: this.placed, ...edit } });
    this.say(said);
    this.send("edits", this.pending.slice());
  }

  command(name) {
    this.pending.push({ id: ++this.last, edit: { do: name } });
    this.say({ undo: "Undone.", redo: "Redone.", arrange: "Arranged." }[name]);
    this.send("edits", this.pending.slice());
  }

  /** While Python undoes or redoes, nobody knows yet which graph an edit would be for. */
  get ready() {
    return this.data && !this.pending.some(({ edit }) => ["undo", "redo", "arrange"].includes(edit.do));
  }

  // ---- edits

  addNode(place) {
    if (!this.ready) return;
    let number = this.labels.length;
    while (this.labels.includes(String(number))) number += 1;
    const node = this.labels.length;
    this.labels.push(String(number));
    this.degrees.push([0, 0]);
    this.nodes.add({ id: node, ...place, ...this.nodeLook(node) });
    this.network.selectNodes([node], false);
    this.commit({ do: "add node" }, `Node ${number} added.`);
  }

  addEdge(from, to) {
    if (!this.ready || from === to) return;
    const name = `${this.labels[from]} → ${this.labels[to]}`;
    if (this.ends.some(([u, v]) => u === from && v === to)) return this.say(`There is an edge ${name} already.`);
    this.ends.push([from, to]);
    this.count();
    this.edges.add(this.edgeLook([from, to]));
    this.commit({ do: "add edge", edge: [from, to] }, `Edge ${name} added.`);
  }

  remove() {
    const { nodes, edges } = this.network.getSelection();
    if (!this.ready || !(nodes.length + edges.length)) return;
    const gone = edges.map((id) => id.split("-").map(Number));
    const kept = this.labels.map((_, node) => node).filter((node) => !nodes.includes(node));
    const places = kept.map((node) => this.network.getPosition(node));
    const number = new Map(kept.map((node, at) => [node, at]));
    this.ends = this.ends
      .filter(([u, v]) => number.has(u) && number.has(v) && !edges.includes(`${u}-${v}`))
      .map(([u, v]) => [number.get(u), number.get(v)]);
    this.labels = kept.map((node) => this.labels[node]);
    this.placed = kept.map((node) => this.placed[node]);
    this.ask(this.query.every((node) => number.has(node)) ? this.query.map((node) => number.get(node)) : []);
    this.draw(places);
    this.commit({ do: "delete", nodes, edges: gone }, `Deleted: ${nodes.length} nodes, ${edges.length} edges.`);
  }

  rename(node) {
    if (!this.ready || node === undefined) return;
    const { x, y } = this.network.canvasToDOM(this.network.getPosition(node));
    Object.assign(this.input.style, { left: `${x}px`, top: `${y}px`, display: "block" });
    this.input.value = this.labels[node];
    this.input.onblur = () => { this.input.style.display = "none"; };
    this.input.onkeydown = (event) => {
      event.stopPropagation();
      if (event.key === "Escape") this.canvas.focus();
      if (event.key !== "Enter") return;
      const label = this.input.value.trim();
      this.canvas.focus();
      if (!label || label === this.labels[node]) return;
      this.labels[node] = label;
      this.nodes.update({ id: node, ...this.nodeLook(node) });
      this.commit({ do: "rename", node, label }, `Renamed to ${label}.`);
    };
    this.input.focus();
    this.input.select();
  }

  // ---- what is selected

  ask(query) {
    if (JSON.stringify(query) === JSON.stringify(this.query)) return;
    this.query = query;
    this.path = [];
    this.restyle();
    this.send("query", query);
  }

  /** The first click says from where, the second to where, the third begins anew. */
  pick(node) {
    if (this.query.length === 1 && this.query[0] !== node) this.ask([this.query[0], node]);
    else if (this.query.length !== 1) this.ask([node]);
    const out = this.ends.filter(([from]) => from === node).map(([, to]) => this.labels[to]);
    this.say(`${this.labels[node]}${out.length ? `, leads to ${out.join(", ")}` : ", no edge leads out"}.`);
    this.enable();
  }

  choose(tool) {
    this.tool = tool;
    this.start = undefined;
    this.network.setOptions({ interaction: { dragNodes: tool === "select", dragView: tool !== "edge" } });
    this.canvas.style.cursor = tool === "select" ? "" : "crosshair";
    for (const button of this.root.querySelectorAll("[data-tool]"))
      button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    this.root.querySelector(".planviz-editor-hint").textContent = HINTS[tool];
  }

  enable() {
    const { nodes, edges } = this.network.getSelection();
    const enabled = {
      delete: nodes.length + edges.length, rename: nodes.length === 1, undo: this.data.undo, redo: this.data.redo,
    };
    for (const [name, on] of Object.entries(enabled)) this.root.querySelector(`[data-do=${name}]`).disabled = !on;
  }

  say(text) {
    this.status.textContent = text;
  }

  // ---- mouse, touch and keyboard

  listen() {
    const does = {
      delete: () => this.remove(), rename: () => this.rename(this.network.getSelectedNodes()[0]),
      undo: () => this.command("undo"), redo: () => this.command("redo"), arrange: () => this.command("arrange"),
      fit: () => this.network.fit({ animation: true }),
    };
    for (const button of this.root.querySelectorAll("[data-do]")) button.onclick = does[button.dataset.do];
    for (const button of this.root.querySelectorAll("[data-tool]"))
      button.onclick = () => this.choose(button.dataset.tool);
    // The wheel scrolls the page until the editor is used; then it zooms.
    this.canvas.onfocus = () => this.network.setOptions({ interaction: { zoomView: true } });
    this.canvas.onblur = () => this.network.setOptions({ interaction: { zoomView: false } });
    this.canvas.onpointerdown = (event) => this.press(event);
    this.canvas.onpointermove = (event) => this.pull(event);
    this.canvas.onpointerup = (event) => this.release(event);
    this.canvas.onkeydown = (event) => this.key(event);
    this.network.on("click", (event) => this.click(event));
    this.network.on("doubleClick", (event) => this.doubleClick(event));
    this.network.on("dragEnd", ({ nodes }) => {
      if (nodes.length && this.tool === "select") this.commit({ do: "move" }, "Moved.");
    });
    this.network.on("select", () => this.enable());
    this.network.on("afterDrawing", (context) => this.drawRubber(context));
  }

  click({ nodes, edges, pointer, event }) {
    if (this.tool === "node" && !nodes.length) this.addNode(pointer.canvas);
    if (this.tool !== "select") return;
    if (nodes.length === 1 && !event.srcEvent.ctrlKey && !event.srcEvent.metaKey) this.pick(nodes[0]);
    if (!nodes.length && !edges.length) this.ask([]);
  }

  doubleClick({ nodes, edges, pointer }) {
    if (this.tool !== "select") return;
    if (nodes.length) this.rename(nodes[0]);
    else if (!edges.length) this.addNode(pointer.canvas);
  }

  nodeAt(event) {
    const box = this.canvas.getBoundingClientRect();
    return this.network.getNodeAt({ x: event.clientX - box.left, y: event.clientY - box.top });
  }

  press(event) {
    this.canvas.focus({ preventScroll: true });
    if (this.tool !== "edge") return;
    const node = this.nodeAt(event);
    if (node !== undefined && this.start !== undefined && node !== this.start) {
      this.addEdge(this.start, node); // the second of two clicks
      this.start = undefined;
    } else this.start = node;
    this.dragged = false;
  }

  pull(event) {
    if (this.tool !== "edge" || this.start === undefined || !event.buttons) return;
    const box = this.canvas.getBoundingClientRect();
    this.rubber = this.network.DOMtoCanvas({ x: event.clientX - box.left, y: event.clientY - box.top });
    this.dragged ||= this.nodeAt(event) !== this.start;
    this.network.redraw();
  }

  release(event) {
    this.rubber = undefined;
    if (this.tool !== "edge" || this.start === undefined || !this.dragged) return;
    const node = this.nodeAt(event);
    if (node !== undefined) this.addEdge(this.start, node);
    this.start = undefined;
    this.network.redraw();
  }

  drawRubber(context) {
    if (this.start === undefined || !this.labels[this.start]) return;
    const { x, y } = this.network.getPosition(this.start);
    context.strokeStyle = context.fillStyle = this.data.colors.query;
    context.lineWidth = 3;
    context.beginPath();
    context.arc(x, y, 14, 0, 2 * Math.PI);
    context.stroke();
    if (!this.rubber) return;
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(this.rubber.x, this.rubber.y);
    context.stroke();
  }

  key(event) {
    const letter = event.key.toLowerCase();
    const command = event.ctrlKey || event.metaKey;
    const arrow = { arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1] }[letter];
    const [selected] = this.network.getSelectedNodes();
    const done = () => { event.preventDefault(); event.stopPropagation(); };
    if (command && letter === "z") { done(); this.command(event.shiftKey ? "redo" : "undo"); }
    else if (command && letter === "y") { done(); this.command("redo"); }
    else if (command && letter === "a") { done(); this.network.selectNodes(this.nodes.getIds(), false); this.enable(); }
    else if (command) return;
    else if (letter === "delete" || letter === "backspace") { done(); this.remove(); }
    else if (letter === "escape") { done(); this.choose("select"); this.network.unselectAll(); this.ask([]); }
    else if (letter === "f2") { done(); this.rename(selected); }
    else if ((letter === "enter" || letter === " ") && selected !== undefined) { done(); this.pick(selected); }
    else if (letter === "n") { done(); this.addNode(this.freePlace()); }
    else if (letter === "e" && this.query.length === 2) { done(); this.addEdge(...this.query); }
    else if (letter === "e" || letter === "v") { done(); this.choose(letter === "e" ? "edge" : "select"); }
    else if (arrow && event.shiftKey) { done(); this.nudge(arrow); }
    else if (arrow) { done(); this.step(selected, arrow); }
  }

  /** Near the middle of what is seen, and not on top of another node. */
  freePlace() {
    const place = this.network.getViewPosition();
    const places = this.places();
    for (let turn = 0; places.some((other) => Math.hypot(other.x - place.x, other.y - place.y) < 40); turn += 1) {
      place.x += 30 * Math.cos(turn) * Math.sqrt(turn + 1);
      place.y += 30 * Math.sin(turn) * Math.sqrt(turn + 1);
    }
    return place;
  }

  nudge([dx, dy]) {
    const selected = this.network.getSelectedNodes();
    if (!this.ready || !selected.length) return;
    for (const node of selected) {
      const { x, y } = this.network.getPosition(node);
      this.network.moveNode(node, x + 20 * dx, y + 20 * dy);
    }
    clearTimeout(this.nudged);
    this.nudged = setTimeout(() => this.commit({ do: "move" }, "Moved."), 400);
  }

  /** Select the nearest node in the direction of an arrow key. */
  step(selected, [dx, dy]) {
    const places = this.places();
    const from = places[selected] ?? this.network.getViewPosition();
    const cost = ({ x, y }) => {
      const along = (x - from.x) * dx + (y - from.y) * dy;
      const across = Math.abs((x - from.x) * dy) + Math.abs((y - from.y) * dx);
      return along > 1e-6 ? along + 2 * across : Infinity;
    };
    const nearest = places.reduce((best, place, node) => (cost(place) < cost(places[best] ?? from) ? node : best), -1);
    if (nearest < 0) return;
    this.network.selectNodes([nearest], false);
    this.say(`${this.labels[nearest]} selected.`);
    this.enable();
  }
}
