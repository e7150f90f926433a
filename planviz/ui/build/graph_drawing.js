// The drawing under the graph editor: the graph as vis-network shows it, and where its nodes are.
// This text stands before that of graph_editor.js, in one script.

const SPACING = [150, 95]; // room for a node, as in planviz/figures/network.py
const MANY_EDGES = 400;

const short = (label) => (label.length > 22 ? `${label.slice(0, 21)}…` : label);

const library = () => globalThis.planvizVis ??= (async () => {
  const answer = await fetch(new URL("app/static/vis-network.min.js", document.baseURI));
  if (!answer.ok) throw new Error(`vis-network: ${answer.status}`);
  const script = document.createElement("script");
  script.text = await answer.text();
  document.head.append(script);
  return globalThis.vis;
})();

class Drawing {
  constructor(root, vis) {
    this.root = root;
    this.canvas = root.querySelector(".planviz-editor-canvas");
    this.labels = [];
    this.ends = []; // the edges as [from, to]
    this.query = []; // the nodes clicked last: from, to
    this.path = [];
    this.placed = []; // where the nodes are, in [0, 1], as Python knows it
    this.frame = { x: 0, y: 0, scale: 1 }; // where [0, 1] lies on the canvas
    this.nodes = new vis.DataSet();
    this.edges = new vis.DataSet();
    this.network = new vis.Network(this.canvas, { nodes: this.nodes, edges: this.edges }, {
      physics: false,
      layout: { improvedLayout: false },
      interaction: { multiselect: true, selectConnectedEdges: false, tooltipDelay: 150, zoomView: false },
    });
  }

  /** A value of the page's theme. */
  look(name) {
    return this.style.getPropertyValue(`--st-${name}`).trim();
  }

  load({ labels, edges, positions }) {
    this.frame = { x: 0, y: 0, scale: Math.sqrt(labels.length) };
    this.placed = positions.slice();
    this.labels = labels.slice();
    this.ends = edges.slice();
    if (this.query.some((node) => node >= labels.length)) this.query = [];
    this.draw(positions.map((position) => this.onCanvas(position)));
    this.network.fit();
  }

  draw(places) {
    const many = this.ends.length > MANY_EDGES;
    this.network.setOptions({
      edges: {
        arrows: { to: { enabled: true, scaleFactor: many ? 0.4 : 0.6 } },
        smooth: many ? false : { type: "curvedCW", roundness: 0.08 },
        selectionWidth: 2,
      },
      interaction: { hideEdgesOnDrag: this.ends.length > 2000, hideEdgesOnZoom: this.ends.length > 2000 },
    });
    this.count();
    this.nodes.clear();
    this.edges.clear();
    this.nodes.add(places.map((place, node) => ({ id: node, ...place, ...this.nodeLook(node) })));
    this.edges.add(this.ends.map((ends) => this.edgeLook(ends)));
  }

  count() {
    this.degrees = this.labels.map(() => [0, 0]);
    for (const [from, to] of this.ends) {
      this.degrees[from][0] += 1;
      this.degrees[to][1] += 1;
    }
  }

  nodeLook(node) {
    const place = this.query.indexOf(node);
    const word = ["from ", "to "][place] ?? "";
    const [out, into] = this.degrees[node] ?? [0, 0];
    const picture = this.data.pictures?.[node];
    const stage = this.data.stages?.[node];
    const look = {
      title: this.tooltip(
        this.labels[node] + (stage === undefined ? "" : `, stage ${stage + 1}`) + `\nedges in: ${into}, edges out: ${out}`,
        picture,
      ),
      font: {
        color: this.look("text-color"), size: word ? 22 : 16, strokeWidth: 4, strokeColor: this.look("background-color"),
      },
    };
    const { query, node: plain, edge } = this.data.colors;
    const text = this.look("text-color");
    if (picture && this.labels.length <= this.data.max_pictures) {
      const background = this.look("background-color");
      return {
        ...look, shape: "image", image: picture, label: word.trim() || undefined, imagePadding: 3,
        shapeProperties: { useBorderWithImage: true, useImageSize: true },
        borderWidth: word ? 4 : 1, borderWidthSelected: 4,
        color: { background, border: word ? query : edge, highlight: { background, border: word ? query : text } },
      };
    }
    const color = word ? query : (stage === undefined ? plain : this.data.colors.stages[stage % 4]);
    return {
      ...look, shape: ["square", "star"][place] ?? "dot", size: word ? 13 : 9, label: word + short(this.labels[node]),
      color: { background: color, border: color, highlight: { background: color, border: text } },
      borderWidthSelected: 3,
    };
  }

  tooltip(text, picture) {
    const tip = document.createElement("div");
    tip.textContent = text;
    if (picture) tip.prepend(Object.assign(new Image(110), { src: picture }));
    return tip;
  }

  edgeLook([from, to]) {
    const at = this.path.indexOf(from);
    const highlighted = at >= 0 && this.path[at + 1] === to;
    const move = this.data.moves?.[`${this.labels[from]}>${this.labels[to]}`];
    return {
      id: `${from}-${to}`, from, to, title: move,
      color: { color: highlighted ? this.data.colors.path : this.data.colors.edge, highlight: this.data.colors.query },
      width: highlighted ? 4 : 1,
    };
  }

  restyle() {
    const changed = JSON.stringify([this.query, this.path, this.data.colors, this.look("text-color")]);
    if (changed === this.styled) return;
    this.styled = changed;
    this.nodes.update(this.labels.map((_, node) => ({ id: node, ...this.nodeLook(node) })));
    this.edges.update(this.ends.map((ends) => this.edgeLook(ends)));
  }

  places() {
    return this.labels.map((_, node) => this.network.getPosition(node));
  }

  onCanvas([x, y]) {
    const { frame } = this;
    return {
      x: frame.x + (x - 0.5) * SPACING[0] * frame.scale, y: frame.y - (y - 0.5) * SPACING[1] * frame.scale,
    };
  }

  /** Brings `placed` up to date. A node that did not move keeps its numbers; if one left the frame, that grows. */
  place() {
    const places = this.places();
    const unit = ({ x, y }) => [
      Number((0.5 + (x - this.frame.x) / (SPACING[0] * this.frame.scale)).toFixed(4)),
      Number((0.5 - (y - this.frame.y) / (SPACING[1] * this.frame.scale)).toFixed(4)),
    ];
    if (places.some((place) => unit(place).some((value) => value < 0 || value > 1))) {
      const range = (values) => [Math.min(...values), Math.max(...values)];
      const [left, right] = range(places.map((place) => place.x));
      const [top, bottom] = range(places.map((place) => place.y));
      const scale = 1.01 * Math.max((right - left) / SPACING[0], (bottom - top) / SPACING[1]);
      this.frame = { x: (left + right) / 2, y: (top + bottom) / 2, scale };
      this.placed = places.map(unit);
      return;
    }
    this.placed = places.map((place, node) => {
      const before = this.placed[node] && this.onCanvas(this.placed[node]);
      return before && Math.hypot(before.x - place.x, before.y - place.y) < 1.5 ? this.placed[node] : unit(place);
    });
  }
}
